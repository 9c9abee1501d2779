"""Compiled coverage of an image band by band, forward and backward: nothing larger than a band per limb is kept."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.kernels import FAST, band_gradient, band_intensity, columns_near, type_like
from articulate.sketch.profiles import SPINE_ROUNDING

SOFT_OR, SUM, MAXIMUM, OVER = 0, 1, 2, 3


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def band_places(columns, rows, height):
    """Columns of the pixels of a band, column by column, and their distance below its first row."""
    across, down = np.empty(columns.size * height, columns.dtype), np.empty(columns.size * height, columns.dtype)
    step = rows[1] - rows[0] if rows.size > 1 else type_like(rows[0], 0.0)
    for i in range(columns.size):
        for j in range(height):
            across[i * height + j] = columns[i]
            down[i * height + j] = j * step
    return across, down


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def store_band(band, height, first, last, image):
    """Write a band to rows `first` to `last` of one channel [H, W] of an image."""
    for j in range(last - first):
        for i in range(image.shape[1]):
            image[first + j, i] = band[i * height + j]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def load_band(image, height, first, last, band):
    """Read rows `first` to `last` of one channel [H, W] into a band; zero in the rows that are missing."""
    for j in range(height):
        for i in range(image.shape[1]):
            band[i * height + j] = image[first + j, i] if first + j < last else type_like(band[0], 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def gather_band(
    limbs, weight, rows, first, last, num_columns, height, across, down, profile, skip_zero, active, begin, end, h, t
):
    """Intensities of the limbs that touch rows `first` to `last`; returns how many there are."""
    count = 0
    top, bottom = rows[first], rows[last - 1]
    for limb in range(limbs.shape[0]):
        if skip_zero and weight[limb] == 0.0:
            continue
        p = limbs[limb]
        reach = profile.cut * max(p[4], p[5]) + profile.softness + SPINE_ROUNDING
        if bottom < min(p[1], p[3]) - reach or top > max(p[1], p[3]) + reach:
            continue
        lo, hi = columns_near(p[0], p[1], p[2] - p[0], p[3] - p[1], reach, top, bottom, num_columns)
        if lo >= hi:
            continue
        active[count], begin[count], end[count] = limb, lo * height, hi * height
        band_intensity(p, top, across, down, profile, count, begin[count], end[count], h, t)
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_coverage(count, active, begin, end, weight, h, alpha, composition, coverage, best, exclusive):
    """Fill alpha = weight * h, the band's coverage, and its derivative by each alpha.

    For soft_or and over that derivative is what the other limbs leave uncovered: the products before and after.
    """
    one, zero = type_like(coverage[0], 1.0), type_like(coverage[0], 0.0)
    for i in range(coverage.size):
        coverage[i] = zero
        best[i] = -1
    for n in range(count):
        w = weight[active[n]]
        for i in range(begin[n], end[n]):
            alpha[n, i] = w * h[n, i]
        if composition == SUM:
            for i in range(begin[n], end[n]):
                coverage[i] += alpha[n, i]
        elif composition == MAXIMUM:
            for i in range(begin[n], end[n]):
                if alpha[n, i] > coverage[i]:
                    coverage[i] = alpha[n, i]
                    best[i] = n
        else:
            for i in range(begin[n], end[n]):
                exclusive[n, i] = one - coverage[i]
                coverage[i] += alpha[n, i] * (one - coverage[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def complete_exclusive(count, begin, end, alpha, composition, coverage, best, rest, exclusive):
    """Complete the derivatives of the coverage by each alpha, and clamp the coverage of `sum`."""
    one, zero = type_like(coverage[0], 1.0), type_like(coverage[0], 0.0)
    if composition == SUM:
        for n in range(count):
            for i in range(begin[n], end[n]):
                exclusive[n, i] = one if coverage[i] <= one else zero
        for i in range(coverage.size):
            coverage[i] = min(coverage[i], one)
    elif composition == MAXIMUM:
        for n in range(count):
            for i in range(begin[n], end[n]):
                exclusive[n, i] = one if best[i] == n else zero
    else:
        for i in range(coverage.size):
            rest[i] = one
        for n in range(count - 1, -1, -1):
            for i in range(begin[n], end[n]):
                exclusive[n, i] = exclusive[n, i] * rest[i]
            for i in range(begin[n], end[n]):
                rest[i] = rest[i] * (one - alpha[n, i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def draw_coverage(limbs, weight, profile, composition, skip_zero, columns, rows, height, image, samples, lines):
    """Write rows `lines` of the images `samples` into image [B, 1, H, W], `height` rows at a time."""
    num_limbs, size = limbs.shape[1], columns.size * height
    across, down = band_places(columns, rows, height)
    h, t = np.empty((num_limbs, size), limbs.dtype), np.empty((num_limbs, size), limbs.dtype)
    coverage = np.empty(size, limbs.dtype)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    one, zero = type_like(columns[0], 1.0), type_like(columns[0], 0.0)
    for b in range(samples[0], samples[1]):
        for first in range(lines[0], lines[1], height):
            last = min(first + height, lines[1])
            count = gather_band(
                limbs[b], weight[b], rows, first, last, columns.size, height, across, down, profile, skip_zero, active,
                begin, end, h, t,
            )  # fmt: skip
            if count == 0:
                continue
            for i in range(size):
                coverage[i] = zero
            for n in range(count):
                w = weight[b, active[n]]
                if composition == SUM:
                    for i in range(begin[n], end[n]):
                        coverage[i] = min(coverage[i] + w * h[n, i], one)
                elif composition == MAXIMUM:
                    for i in range(begin[n], end[n]):
                        coverage[i] = max(coverage[i], w * h[n, i])
                else:
                    for i in range(begin[n], end[n]):
                        coverage[i] += w * h[n, i] * (one - coverage[i])
            store_band(coverage, height, first, last, image[b, 0])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def soft_or_gradient(count, active, begin, end, weight, h, g_band, left, g_alpha):
    """Fill g_alpha: gradient of the band times what the other limbs leave uncovered (products before and after)."""
    one = type_like(left[0], 1.0)
    for i in range(left.size):
        left[i] = one
    for n in range(count):
        w = weight[active[n]]
        for i in range(begin[n], end[n]):
            g_alpha[n, i] = left[i] * g_band[i]
            left[i] = left[i] * (one - w * h[n, i])
    for i in range(left.size):
        left[i] = one
    for n in range(count - 1, -1, -1):
        w = weight[active[n]]
        for i in range(begin[n], end[n]):
            g_alpha[n, i] = g_alpha[n, i] * left[i]
            left[i] = left[i] * (one - w * h[n, i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def coverage_gradient(
    limbs, weight, profile, composition, skip_zero, columns, rows, height, g_image, g_limbs, g_weight, samples, lines
):
    """Add to the gradients of limbs and weights what rows `lines` of the images `samples` contribute."""
    num_limbs, size = limbs.shape[1], columns.size * height
    across, down = band_places(columns, rows, height)
    h, t = np.empty((num_limbs, size), limbs.dtype), np.empty((num_limbs, size), limbs.dtype)
    alpha, g_alpha = np.empty((num_limbs, size), limbs.dtype), np.empty((num_limbs, size), limbs.dtype)
    nothing = np.zeros((num_limbs, size), limbs.dtype)
    coverage, rest, best = np.empty(size, limbs.dtype), np.empty(size, limbs.dtype), np.empty(size, np.int32)
    g_band = np.empty(size, limbs.dtype)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    for b in range(samples[0], samples[1]):
        for first in range(lines[0], lines[1], height):
            last = min(first + height, lines[1])
            count = gather_band(
                limbs[b], weight[b], rows, first, last, columns.size, height, across, down, profile, skip_zero, active,
                begin, end, h, t,
            )  # fmt: skip
            if count == 0:
                continue
            load_band(g_image[b, 0], height, first, last, g_band)
            if composition in (SOFT_OR, OVER):
                soft_or_gradient(count, active, begin, end, weight[b], h, g_band, rest, g_alpha)
            else:
                band_coverage(count, active, begin, end, weight[b], h, alpha, composition, coverage, best, g_alpha)
                complete_exclusive(count, begin, end, alpha, composition, coverage, best, rest, g_alpha)
                for n in range(count):
                    for i in range(begin[n], end[n]):
                        g_alpha[n, i] *= g_band[i]
            for n in range(count):
                limb = active[n]
                g_weight[b, limb] += band_gradient(
                    limbs[b, limb], rows[first], across, down, profile, n, begin[n], end[n], h, t, g_alpha, nothing,
                    weight[b, limb], g_limbs[b, limb],
                )  # fmt: skip
