"""A worked example: a small Llama trained with TRL on one task after another, and what the second did to the first."""
