"""Compiled forward and backward passes of the renderer, row by row: nothing larger than a row per limb is kept."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.kernels import (
    FAST,
    columns_near,
    halving,
    row_intensity,
    type_like,
)
from articulate.sketch.profiles import COVERAGE_FLOOR, OCCLUSION_CEILING, SPINE_ROUNDING

SOFT_OR, SUM, MAXIMUM, OVER = 0, 1, 2, 3


@njit(cache=True, nogil=True)
@no_type_check
def gather_row(limbs, weight, y, columns, profile, softness, cut, skip_zero, active, begin, end, h, t):
    """Intensities of the limbs that touch row y; returns how many there are."""
    count = 0
    for limb in range(limbs.shape[0]):
        if skip_zero and weight[limb] == 0.0:
            continue
        p = limbs[limb]
        reach = cut * max(p[4], p[5])
        if profile == 3:
            reach += softness + SPINE_ROUNDING
        if y < min(p[1], p[3]) - reach or y > max(p[1], p[3]) + reach:
            continue
        lo, hi = columns_near(p[0], p[1], p[2] - p[0], p[3] - p[1], reach, y, columns.size)
        if lo >= hi:
            continue
        active[count], begin[count], end[count] = limb, lo, hi
        row_intensity(p, y, columns[lo:hi], profile, softness, h[count, lo:hi], t[count, lo:hi])
        count += 1
    return count


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def add_coverage(alpha, coverage, rest, best, number, composition):
    """Compose one limb over the row; `rest` is what the limbs before it left uncovered."""
    if composition == SUM:
        for i in range(alpha.size):
            coverage[i] += alpha[i]
    elif composition == MAXIMUM:
        for i in range(alpha.size):
            if alpha[i] > coverage[i]:
                coverage[i] = alpha[i]
                best[i] = number
    else:
        one = type_like(alpha[0], 1.0)
        for i in range(alpha.size):
            rest[i] = one - coverage[i]
            coverage[i] += alpha[i] * rest[i]


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def in_front(z0, z1, t_a, w0, w1, t_b, inverse_temperature, sigma):
    """sigmoid((z_a - z_b) / temperature): how much limb a lies behind limb b, pixel by pixel."""
    one = type_like(z0, 1.0)
    for i in range(sigma.size):
        d = (z0 + (z1 - z0) * t_a[i] - w0 - (w1 - w0) * t_b[i]) * inverse_temperature
        e = halving(abs(d))
        upper = one / (one + e)
        sigma[i] = upper if d > 0 else e * upper


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_visibility(depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, visible):
    """Share of each limb that nearer limbs leave visible."""
    one = type_like(sigma[0], 1.0)
    ceiling = type_like(sigma[0], OCCLUSION_CEILING)
    for n in range(count):
        visible[n, begin[n] : end[n]] = one
    for n in range(count):
        for k in range(n):
            lo, hi = max(begin[n], begin[k]), min(end[n], end[k])
            if lo >= hi:
                continue
            z, w = depth[active[n]], depth[active[k]]
            in_front(z[0], z[1], t[n, lo:hi], w[0], w[1], t[k, lo:hi], inverse_temperature, sigma[lo:hi])
            for i in range(lo, hi):
                visible[n, i] *= one - ceiling * sigma[i] * alpha[k, i]
                visible[k, i] *= one - ceiling * (one - sigma[i]) * alpha[n, i]


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_colour(colour, count, active, begin, end, share, t, coverage, total, painted):
    """Mean colour of the row into `painted` [C, W], weighted by `share`; `total` is the sum of shares."""
    total[:] = type_like(coverage[0], COVERAGE_FLOOR)
    painted[:] = 0
    for n in range(count):
        c0, c1 = colour[active[n], 0], colour[active[n], 1]
        for i in range(begin[n], end[n]):
            total[i] += share[n, i]
        for c in range(c0.size):
            low, rise = c0[c], c1[c] - c0[c]
            for i in range(begin[n], end[n]):
                painted[c, i] += share[n, i] * (low + rise * t[n, i])
    for c in range(painted.shape[0]):
        for i in range(total.size):
            painted[c, i] /= total[i]


@njit(cache=True, nogil=True)
@no_type_check
def shares(composition, depth, count, active, begin, end, alpha, t, best, inverse_temperature, sigma, share):
    """Weights of the mean colour: alpha, alpha times visibility, or one for the greatest limb."""
    if composition == OVER:
        row_visibility(depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, share)
    for n in range(count):
        for i in range(begin[n], end[n]):
            if composition == OVER:
                share[n, i] *= alpha[n, i]
            elif composition == MAXIMUM:
                share[n, i] = 1 if best[i] == n else 0
            else:
                share[n, i] = alpha[n, i]


@njit(cache=True, nogil=True)
@no_type_check
def draw_rows(limbs, weight, depth, colour, codes, scales, columns, rows, image, samples, lines):
    """Draw rows `lines` of the images `samples` into image [B, 1 + C, H, W], which holds zeros."""
    profile, composition, skip_zero = codes
    cut, softness, inverse_temperature = scales
    num_limbs, width, channels = limbs.shape[1], columns.size, colour.shape[3]
    layers = num_limbs if channels > 0 else 1
    h, t = np.empty((num_limbs, width), limbs.dtype), np.empty((num_limbs, width), limbs.dtype)
    share = np.empty((layers, width), limbs.dtype)
    rest, sigma, total = np.empty(width, limbs.dtype), np.empty(width, limbs.dtype), np.empty(width, limbs.dtype)
    best = np.empty(width, np.int32)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.int64), np.empty(num_limbs, np.int64)
    for b in range(samples[0], samples[1]):
        for row in range(lines[0], lines[1]):
            count = gather_row(
                limbs[b], weight[b], rows[row], columns, profile, softness, cut, skip_zero, active, begin, end, h, t
            )
            coverage = image[b, 0, row]
            best[:] = -1
            for n in range(count):
                lo, hi = begin[n], end[n]
                w = weight[b, active[n]]
                for i in range(lo, hi):
                    h[n, i] *= w
                add_coverage(h[n, lo:hi], coverage[lo:hi], rest[lo:hi], best[lo:hi], n, composition)
            if composition == SUM:
                for i in range(width):
                    coverage[i] = min(coverage[i], type_like(coverage[i], 1.0))
            if channels > 0 and count > 0:
                shares(composition, depth[b], count, active, begin, end, h, t, best, inverse_temperature, sigma, share)
                painted = image[b, 1:, row]
                row_colour(colour[b], count, active, begin, end, share, t, coverage, total, painted)
                for c in range(channels):
                    for i in range(width):
                        painted[c, i] *= coverage[i]
