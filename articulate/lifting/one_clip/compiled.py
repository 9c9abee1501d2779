"""The one way in which this package compiles its inner loops."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled by Numba, kept on disk between runs; sums may be reordered for speed.

    Unwrapped first, because the run-time checkers of the tests wrap every function and a wrapper cannot be compiled.
    """
    return njit(cache=True, fastmath=True)(inspect.unwrap(function))
