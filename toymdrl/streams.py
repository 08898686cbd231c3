"""Independent random streams, one for each purpose.

A stream's seed is a hash of everything it is for. Neighbouring run seeds (0, 1, 2, …) then share nothing, and adding a
stage or a domain never shifts the numbers that another one draws. All are drawn on the CPU, so that a seed means the
same on every device.
"""

import hashlib

import torch


def stream(*purpose: str | int) -> torch.Generator:
    """A fresh generator for one purpose, such as ``stream(seed, "math", "rollout")``.

    Example:
        >>> import torch
        >>> from toymdrl import stream
        >>> torch.equal(torch.rand(3, generator=stream(0, "math")), torch.rand(3, generator=stream(0, "math")))
        True
    """
    text = "/".join(str(part) for part in purpose)
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return torch.Generator().manual_seed(seed)
