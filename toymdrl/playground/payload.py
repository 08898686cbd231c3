"""Arrays as text that a page can hold: one block of bytes, compressed, and a manifest that says where each lies."""

import base64
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNED = 4
"""Bytes: a browser views no float32 at an odd place."""
Manifest = dict[str, Any]


class Payload:
    """A manifest, whatever else it says, with arrays for which it has entries; read by js/weights.js."""

    def __init__(self) -> None:
        self.manifest: Manifest = {}
        self._bytes = bytearray()

    def add(self, array: NDArray[Any]) -> Manifest:
        """Append an array; its entry."""
        self._bytes += bytes(-len(self._bytes) % ALIGNED)
        entry = {"type": array.dtype.name, "shape": list(array.shape), "offset": len(self._bytes)}
        # Every browser's machine is little-endian; this one may not be.
        self._bytes += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return entry

    def text(self) -> str:
        """JSON, the same for the same content; it can stand in a <script> as it is."""
        data = base64.b64encode(zlib.compress(bytes(self._bytes), 9)).decode()
        content = json.dumps({"manifest": self.manifest, "data": data}, ensure_ascii=False, separators=(",", ":"))
        return content.replace("<", "\\u003c")


def whole(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Small whole numbers as bytes.

    Raises:
        ValueError: one of them is not in 0 to 255.
    """
    if values.size and not (values.min() >= 0 and values.max() <= 255):
        raise ValueError("a page holds tokens and rewards as bytes: no more than 256 of each")
    return values.astype(np.uint8)
