"""Compiled bands: a few neighbouring rows stored column by column, and which part of a band a limb can reach.

Stored so, the columns that a limb meets are one range of pixels, long enough that the compiler's vectors are full even
where strokes are thin. Ranges begin and end on multiples of STEP columns, so that none is left for a scalar remainder.
The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from math import ceil, floor, sqrt
from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.kernels import type_like
from articulate.sketch.profiles import SPINE_ROUNDING

# Rows of a band and columns of a step: 32 pixels, what one unrolled round of 256-bit vectors takes.
ROWS, STEP = 4, 8
# Pixels that are finished before the next ones are begun: 64 KB in float32, which caches hold.
STRIP = 16384


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def band_places(columns, rows):
    """Columns of the pixels of a band, column by column, and their distance below its first row."""
    across, down = np.empty(columns.size * ROWS, columns.dtype), np.empty(columns.size * ROWS, columns.dtype)
    step = rows[1] - rows[0] if rows.size > 1 else type_like(rows[0], 0.0)
    for i in range(columns.size):
        for j in range(ROWS):
            across[i * ROWS + j] = columns[i]
            down[i * ROWS + j] = j * step
    return across, down


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def limb_reach(profile, limb):
    """Distance from the spine beyond which the limb is not drawn."""
    return profile.cut * max(limb[4], limb[5]) + profile.softness + type_like(limb[4], SPINE_ROUNDING)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def pixels_between(low, high, count):
    """First and one-past-last of `count` pixel centres between two places in the image frame."""
    begin = ceil(((max(low, -2.0) + 1.0) * count - 1.0) * 0.5)
    return max(0, begin), min(count, floor(((min(high, 2.0) + 1.0) * count - 1.0) * 0.5) + 1)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def limb_bands(limb, reach, num_rows, first, last):
    """First and one-past-last band among rows `first` (that of a band) to `last` that the limb can reach."""
    begin, end = pixels_between(min(limb[1], limb[3]) - reach, max(limb[1], limb[3]) + reach, num_rows)
    return max(begin, first) // ROWS, (min(end, last) + ROWS - 1) // ROWS


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def limb_pixels(limb, reach, top, bottom, num_columns):
    """First and one-past-last pixel of the band between heights `top` and `bottom` that the limb can reach.

    The box around the capsule, cut by the strip of half-width `reach` around the line through the limb.
    """
    ax, ay = limb[0], limb[1]
    low, high = min(ax, limb[2]) - reach, max(ax, limb[2]) + reach
    dy = limb[3] - ay
    if abs(dy) > 1e-6:
        slope = (limb[2] - ax) / dy
        half = reach * sqrt(slope * slope + 1.0)
        p, q = (top - ay) * slope, (bottom - ay) * slope
        low, high = max(low, ax + min(p, q) - half), min(high, ax + max(p, q) + half)
    begin, end = pixels_between(low, high, num_columns)
    if begin >= end:
        return np.uint64(0), np.uint64(0)
    # Unsigned, because an index that might be negative stops the vectoriser.
    return np.uint64(begin // STEP * STEP * ROWS), np.uint64(min(num_columns, (end + STEP - 1) // STEP * STEP) * ROWS)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def limb_spans(limb, reach, rows, num_columns, first, last, lo, hi):
    """Pixels `lo` to `hi` of each band of rows `first` to `last` that a limb can reach; the first and one-past-last."""
    begin, end = limb_bands(limb, reach, rows.size, first, last)
    for band in range(begin, end):
        bottom = rows[min(band * ROWS + ROWS, rows.size) - 1]
        lo[band], hi[band] = limb_pixels(limb, reach, rows[band * ROWS], bottom, num_columns)
    return begin, end


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def store_band(band, first, last, image):
    """Write a band to rows `first` to `last` of one channel [H, W] of an image."""
    if last - first == ROWS:
        for i in range(image.shape[1]):
            for j in range(ROWS):
                image[first + j, i] = band[i * ROWS + j]
    else:
        for j in range(last - first):
            for i in range(image.shape[1]):
                image[first + j, i] = band[i * ROWS + j]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def load_band(image, first, last, band):
    """Read rows `first` to `last` of one channel [H, W] into a band; zero in the rows that are missing."""
    if last - first == ROWS:
        for i in range(image.shape[1]):
            for j in range(ROWS):
                band[i * ROWS + j] = image[first + j, i]
    else:
        for j in range(ROWS):
            for i in range(image.shape[1]):
                band[i * ROWS + j] = image[first + j, i] if first + j < last else type_like(band[0], 0.0)
