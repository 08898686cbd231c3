"""A page in which a run's policies answer in the reader's browser: what it holds, and the scripts that compute."""
