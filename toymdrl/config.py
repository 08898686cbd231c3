"""What a run is: frozen dataclasses, three presets, JSON round trip, validation."""
