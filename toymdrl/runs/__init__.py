"""A run: its settings, its folder, and all that goes on in it from the warm start to the refreshes."""
