"""Work on fixed tensors, recorded once on a GPU as one CUDA graph and then replayed; elsewhere called each time.

A step of a tiny policy is a thousand small operations, and to launch each from Python costs ten times what it computes.
A replay launches all of them at once. It repeats what was recorded on the same memory, so the work must read and write
tensors that stay where they are, never wait for the device or copy anything to it, and do the same operations whatever
the values are.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import torch

T = TypeVar("T")


class Replay(Generic[T]):
    """`work` as a function without arguments; the tensors that it returns are overwritten by the next call of any.

    Example:
        >>> import torch
        >>> from toymdrl.replay import Replay
        >>> count = torch.zeros(())
        >>> step = Replay(lambda: count.add_(1), count.device)
        >>> step(), step()
        (tensor(2.), tensor(2.))
    """

    _pool: ClassVar[Any] = None
    """Memory that all recordings share: each needs it only while it is replayed."""

    def __init__(self, work: Callable[[], T], device: torch.device) -> None:
        """`device` is where all of the work's tensors are."""
        self._work = work
        self._device = device
        self._called = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self) -> T:
        """Do the work."""
        if self._device.type != "cuda":
            return self._work()
        if not self._called:
            return self._first()
        if self._graph is None:
            self._record()
        assert self._graph is not None
        self._graph.replay()
        return self._result

    def _record(self) -> None:
        if Replay._pool is None:
            Replay._pool = torch.cuda.graph_pool_handle()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=Replay._pool):
            self._result = self._work()

    def _first(self) -> T:
        """Do the work as it stands: libraries and optimisers make their workspaces at the first call.

        On a stream of its own, as a recording is, so that nothing ties what it makes to the default stream.
        """
        self._called = True
        aside, now = torch.cuda.Stream(self._device), torch.cuda.current_stream(self._device)
        aside.wait_stream(now)
        with torch.cuda.stream(aside):
            result = self._work()
        now.wait_stream(aside)
        return result
