"""Studies and benchmarks, one file a question."""
