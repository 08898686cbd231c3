"""Cross-domain interference and recovery in multi-domain RL, reproduced with tiny transformers on a laptop."""

__version__ = "0.1.0"
