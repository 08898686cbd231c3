"""Settings of every test: one thread a worker, hypothesis without a clock and the same examples each time."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("default", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("default")
