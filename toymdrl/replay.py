"""Work on fixed tensors, recorded once on a GPU as one CUDA graph and then replayed; elsewhere called each time.

A step of a tiny policy is a thousand small operations, and to launch each from Python costs ten times what it computes.
A replay launches all of them at once. It repeats what was recorded on the same memory, so the work must read and write
tensors that stay where they are, never wait for the device or copy anything to it, and do the same operations whatever
the values are.
"""

import gc
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import torch

T = TypeVar("T")


def records(device: torch.device) -> bool:
    """Whether work on a device is recorded."""
    return device.type == "cuda"


@cache
def _pool(device: torch.device) -> tuple[Any, torch.cuda.CUDAGraph]:
    """The memory that all recordings share, since each needs it only while it is replayed; and what keeps it alive."""
    handle, keeper = torch.cuda.graph_pool_handle(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(keeper, pool=handle):
        torch.zeros(1, device=device)
    return handle, keeper


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

    def __init__(self, work: Callable[[], T], device: torch.device) -> None:
        """`device` is where all of the work's tensors are."""
        self._work = work
        self._device = device
        self._called = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self) -> T:
        """Do the work."""
        if not records(self._device):
            return self._work()
        # A recording takes what goes on on the current device: of several GPUs, that must be the work's.
        with torch.cuda.device(self._device):
            if not self._called:
                return self._first()
            if self._graph is None:
                self._graph = self._record()
            self._graph.replay()
        return self._result

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # An older graph that is collected meanwhile would spoil the recording: it cannot be freed then.
        collects = gc.isenabled()
        gc.disable()
        try:
            with torch.cuda.graph(graph, pool=_pool(self._device)[0]):
                self._result = self._work()
        finally:
            if collects:
                gc.enable()
        return graph

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
