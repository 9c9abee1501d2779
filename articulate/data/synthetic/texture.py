"""A pattern fixed to the body: smooth value noise in a limb's own coordinates, from a hash instead of a table."""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check
@njit(cache=True, error_model="numpy")
def _corner(x, y, z, seed):
    """Repeatable number in [-1, 1) at a grid corner (32-bit multiply-and-mix)."""
    h = np.uint32(x * 73856093) ^ np.uint32(y * 19349663) ^ np.uint32(z * 83492791) ^ np.uint32(seed * 2654435761)
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(2246822519))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(3266489917))
    return np.float64(h ^ (h >> np.uint32(16))) / 2147483648.0 - 1.0


@no_type_check
@njit(cache=True, error_model="numpy")
def _noise(x, y, z, seed):
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    ix, iy, iz = np.int64(fx), np.int64(fy), np.int64(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    value = 0.0
    for corner in range(8):
        i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (u if i else 1 - u) * (v if j else 1 - v) * (w if k else 1 - w)
        value += weight * _corner(ix + i, iy + j, iz + k, seed)
    return value


@no_type_check
@njit(cache=True, error_model="numpy")
def pattern(x, y, z, seed):
    """Two octaves of noise, about [-1, 1]."""
    return 0.7 * _noise(x, y, z, seed) + 0.3 * _noise(2.3 * x + 7.1, 2.3 * y - 3.7, 2.3 * z + 1.9, seed + 101)
