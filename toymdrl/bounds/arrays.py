"""What every bound takes and returns."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def arrays(*values: ArrayLike) -> list[Array]:
    """Numbers or arrays as float64 arrays."""
    return [np.asarray(value, dtype=np.float64) for value in values]
