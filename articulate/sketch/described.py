"""A description of work as compiled code reads it: 32 words, the last three of them floating-point numbers.

Functions of a piece are compiled for one profile and one precision; what those are lies in the function's closure, so
that the cache on disk tells them apart.
"""

from typing import no_type_check

import numpy as np
from numba import carray, njit, types

from articulate.sketch.atomics import pointer_like
from articulate.sketch.kernels import KERNEL_PROFILES

WORDS = 32
# The last words: the strokes' cut and softness, and one number more.
CUT, SOFTNESS, NUMBER = 29, 30, 31
PIECE = types.void(types.int64, types.int64)


def stroke_types(profile: str, single: bool) -> tuple[type, type]:
    """Types of the strokes and of the numbers of a function of a piece."""
    return KERNEL_PROFILES[profile], np.float32 if single else np.float64


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def described(description):
    """The words at an address, as whole numbers and as floating-point ones."""
    return carray(pointer_like(description, 0), (WORDS,)), carray(pointer_like(description, 0.0), (WORDS,))
