"""Compiled coverage of the rows of an image, forward and backward: nothing larger than a row per limb is kept."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.kernels import FAST, columns_near, row_gradient, row_intensity, type_like
from articulate.sketch.profiles import SPINE_ROUNDING

SOFT_OR, SUM, MAXIMUM, OVER = 0, 1, 2, 3


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def gather_row(limbs, weight, y, columns, profile, skip_zero, active, begin, end, h, t):
    """Intensities of the limbs that touch row y; returns how many there are."""
    count = 0
    for limb in range(limbs.shape[0]):
        if skip_zero and weight[limb] == 0.0:
            continue
        p = limbs[limb]
        reach = profile.cut * max(p[4], p[5]) + profile.softness + SPINE_ROUNDING
        if y < min(p[1], p[3]) - reach or y > max(p[1], p[3]) + reach:
            continue
        lo, hi = columns_near(p[0], p[1], p[2] - p[0], p[3] - p[1], reach, y, columns.size)
        if lo >= hi:
            continue
        active[count], begin[count], end[count] = limb, lo, hi
        row_intensity(p, y, columns, profile, count, begin[count], end[count], h, t)
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def row_coverage(count, active, begin, end, weight, h, alpha, composition, coverage, best, exclusive):
    """Fill alpha = weight * h, the row's coverage, and its derivative by each alpha.

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
def draw_coverage(limbs, weight, profile, composition, skip_zero, columns, rows, image, samples, lines):
    """Write rows `lines` of the images `samples` into image [B, 1, H, W], which holds zeros."""
    num_limbs, width = limbs.shape[1], columns.size
    h, t = np.empty((num_limbs, width), limbs.dtype), np.empty((num_limbs, width), limbs.dtype)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    one = type_like(columns[0], 1.0)
    for b in range(samples[0], samples[1]):
        for row in range(lines[0], lines[1]):
            count = gather_row(limbs[b], weight[b], rows[row], columns, profile, skip_zero, active, begin, end, h, t)
            coverage = image[b, 0, row]
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def coverage_gradient(
    limbs, weight, profile, composition, skip_zero, columns, rows, g_image, g_limbs, g_weight, samples, lines
):
    """Add to the gradients of limbs and weights what rows `lines` of the images `samples` contribute."""
    num_limbs, width = limbs.shape[1], columns.size
    h, t = np.empty((num_limbs, width), limbs.dtype), np.empty((num_limbs, width), limbs.dtype)
    alpha, exclusive = np.empty((num_limbs, width), limbs.dtype), np.empty((num_limbs, width), limbs.dtype)
    nothing = np.zeros((num_limbs, width), limbs.dtype)
    coverage, rest, best = np.empty(width, limbs.dtype), np.empty(width, limbs.dtype), np.empty(width, np.int32)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    for b in range(samples[0], samples[1]):
        for row in range(lines[0], lines[1]):
            count = gather_row(limbs[b], weight[b], rows[row], columns, profile, skip_zero, active, begin, end, h, t)
            if count == 0:
                continue
            row_coverage(count, active, begin, end, weight[b], h, alpha, composition, coverage, best, exclusive)
            complete_exclusive(count, begin, end, alpha, composition, coverage, best, rest, exclusive)
            for n in range(count):
                limb = active[n]
                for i in range(begin[n], end[n]):
                    exclusive[n, i] *= g_image[b, 0, row, i]
                g_weight[b, limb] += row_gradient(
                    limbs[b, limb], rows[row], columns, profile, n, begin[n], end[n], h, t, exclusive, nothing,
                    weight[b, limb], g_limbs[b, limb],
                )  # fmt: skip
