"""Square crops resampled without intermediate pictures: the numbers of Pillow's BILINEAR filter, bit for bit.

A triangle as wide as an output pixel (at least two input pixels), in fixed point, rows first (Pillow's `Resample.c`
documents the scheme). Calling Pillow costs two copies of the square per crop, which is most of the time of small crops.
"""

from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Int, UInt8
from numba import njit

BITS = 22


@lru_cache(maxsize=64)
def filter_of(side: int, size: int) -> tuple[Int[np.ndarray, " S"], Int[np.ndarray, "S taps"]]:
    """First input pixel and fixed-point weights of each of `size` output pixels over `side` input pixels."""
    scale = side / size
    width = max(1.0, scale)
    taps = int(np.ceil(width)) * 2 + 1
    firsts, weights = np.zeros(size, np.int64), np.zeros((size, taps), np.int32)
    for place in range(size):
        centre = (place + 0.5) * scale
        first = max(0, int(centre - width + 0.5))
        stop = min(side, int(centre + width + 0.5))
        values = np.maximum(0.0, 1 - np.abs((np.arange(first, stop) - centre + 0.5) / width))
        firsts[place] = first
        weights[place, : stop - first] = (0.5 + values / values.sum() * (1 << BITS)).astype(np.int32)
    return firsts, weights


@no_type_check
@njit(cache=True, nogil=True)
def cut_line(row, x0, side, fill, line):
    """Copy `side` pixels of a row from column `x0` on; `fill` beyond its ends."""
    first, last = min(max(-x0, 0), side), max(min(row.shape[0] - x0, side), 0)
    for x in range(first):
        line[x, 0], line[x, 1], line[x, 2] = fill[0], fill[1], fill[2]
    for x in range(first, last):
        line[x, 0], line[x, 1], line[x, 2] = row[x + x0, 0], row[x + x0, 1], row[x + x0, 2]
    for x in range(max(last, 0), side):
        line[x, 0], line[x, 1], line[x, 2] = fill[0], fill[1], fill[2]


@no_type_check
@njit(cache=True, nogil=True)
def resample(image, x0, y0, side, fill, firsts, weights):
    """The square at (x0, y0) of a picture at the size of the filter; `fill` lies beyond its edges."""
    height = image.shape[0]
    size, taps = weights.shape
    half = np.int32(1 << (BITS - 1))
    rows = np.empty((side, size, 3), np.uint8)
    line = np.empty((side + taps, 3), np.int32)
    line[side:] = 0
    counts = np.empty(size, np.int64)  # weights of a pixel that are not zero
    for x in range(size):
        counts[x] = taps
        while weights[x, counts[x] - 1] == 0:
            counts[x] -= 1
    for y in range(side):
        v = y + y0
        if v < 0 or v >= height:
            for c in range(3):
                rows[y, :, c] = fill[c]
            continue
        cut_line(image[v], x0, side, fill, line)
        for x in range(size):
            red, green, blue = half, half, half
            for tap in range(counts[x]):
                weight, place = weights[x, tap], firsts[x] + tap
                red += weight * line[place, 0]
                green += weight * line[place, 1]
                blue += weight * line[place, 2]
            rows[y, x, 0], rows[y, x, 1], rows[y, x, 2] = red >> BITS, green >> BITS, blue >> BITS
    result = np.empty((size, size, 3), np.uint8)
    total = np.empty(size * 3, np.int32)
    for y in range(size):
        total[:] = half
        for tap in range(counts[y]):
            weight = weights[y, tap]
            source = rows[firsts[y] + tap].reshape(-1)
            for place in range(size * 3):
                total[place] += weight * np.int32(source[place])
        target = result[y].reshape(-1)
        for place in range(size * 3):
            target[place] = total[place] >> BITS
    return result


def crop(
    image: UInt8[np.ndarray, "H W 3"], corner: tuple[int, int], side: int, size: int, fill: tuple[int, int, int]
) -> UInt8[np.ndarray, "S S 3"]:
    """The square of `side` pixels at `corner` (x, y) as `size` x `size` pixels."""
    firsts, weights = filter_of(side, size)
    return resample(image, corner[0], corner[1], side, np.array(fill, np.uint8), firsts, weights)
