"""Checkpoints of a model of one's own, of any size: read, compared, rolled back."""
