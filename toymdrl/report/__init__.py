"""What a run's report shows: the page and the figures of training."""
