"""Compiled backward pass: each row is drawn again, then the chain rule runs limb by limb."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.compose_kernels import (
    MAXIMUM,
    OVER,
    SUM,
    add_coverage,
    gather_row,
    in_front,
    row_colour,
    row_visibility,
    shares,
)
from articulate.sketch.kernels import FAST, row_gradient, row_slopes, type_like
from articulate.sketch.profiles import OCCLUSION_CEILING


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_exclusive(count, begin, end, alpha, coverage, rest, best, composition, exclusive):
    """Coverage of the row, and its derivative by each limb's alpha (for soft_or: what the others leave uncovered)."""
    one = type_like(coverage[0], 1.0)
    coverage[:] = 0
    best[:] = -1
    for n in range(count):
        lo, hi = begin[n], end[n]
        add_coverage(alpha[n, lo:hi], coverage[lo:hi], rest[lo:hi], best[lo:hi], n, composition)
        if composition != SUM and composition != MAXIMUM:
            exclusive[n, lo:hi] = rest[lo:hi]
    if composition == SUM or composition == MAXIMUM:
        for n in range(count):
            for i in range(begin[n], end[n]):
                own = best[i] == n if composition == MAXIMUM else coverage[i] <= one
                exclusive[n, i] = one if own else one - one
        for i in range(coverage.size):
            coverage[i] = min(coverage[i], one) if composition == SUM else coverage[i]
        return
    rest[:] = one
    for n in range(count - 1, -1, -1):
        for i in range(begin[n], end[n]):
            exclusive[n, i] *= rest[i]
            rest[i] *= one - alpha[n, i]


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def colour_gradient(colour, n, limb, lo, hi, share, t, coverage, total, mean, g_image, g_share, g_t, g_colour):
    """Gradient through the mean colour of one limb's row: by its share, by its colours, and by t."""
    for i in range(lo, hi):
        g_share[n, i] = 0
    for c in range(mean.shape[0]):
        low, rise = colour[limb, 0, c], colour[limb, 1, c] - colour[limb, 0, c]
        at_start, at_end = low - low, low - low
        for i in range(lo, hi):
            g = g_image[1 + c, i] * coverage[i] / total[i]
            ti = t[n, i]
            g_share[n, i] += g * (low + rise * ti - mean[c, i])
            own = g * share[n, i]
            at_start += own
            at_end += own * ti
            g_t[n, i] += own * rise
        g_colour[limb, 0, c] += at_start - at_end
        g_colour[limb, 1, c] += at_end


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def occlusion_gradient(
    depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha, g_t, g_depth
):
    """Gradient through the visibility of `over`, for every pair of limbs that share pixels of the row."""
    one = type_like(sigma[0], 1.0)
    ceiling = type_like(sigma[0], OCCLUSION_CEILING)
    log2 = type_like(sigma[0], 0.6931471805599453)
    for n in range(count):
        for k in range(n):
            lo, hi = max(begin[n], begin[k]), min(end[n], end[k])
            if lo >= hi:
                continue
            z, w = depth[active[n]], depth[active[k]]
            in_front(z[0], z[1], t[n, lo:hi], w[0], w[1], t[k, lo:hi], inverse_temperature, sigma[lo:hi])
            rise_n, rise_k = z[1] - z[0], w[1] - w[0]
            sum_z, sum_n, sum_k = one - one, one - one, one - one
            for i in range(lo, hi):
                behind, before = sigma[i], one - sigma[i]
                lost_n = -g_share[n, i] * share[n, i] * ceiling / (one - ceiling * behind * alpha[k, i])
                lost_k = -g_share[k, i] * share[k, i] * ceiling / (one - ceiling * before * alpha[n, i])
                g_alpha[k, i] += lost_n * behind
                g_alpha[n, i] += lost_k * before
                g_sigma = lost_n * alpha[k, i] - lost_k * alpha[n, i]
                gz = g_sigma * behind * before * inverse_temperature * log2
                sum_z += gz
                sum_n += gz * t[n, i]
                sum_k += gz * t[k, i]
                g_t[n, i] += gz * rise_n
                g_t[k, i] -= gz * rise_k
            g_depth[active[n], 0] += sum_z - sum_n
            g_depth[active[n], 1] += sum_n
            g_depth[active[k], 0] -= sum_z - sum_k
            g_depth[active[k], 1] -= sum_k


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def blend_gradient(
    composition, depth, colour, count, active, begin, end, alpha, t, best, inverse_temperature,
    rows, layers, g_image, g_alpha, g_t, g_depth, g_colour,
):  # fmt: skip
    """Gradient through the mean colours of a row. `g_alpha` arrives as the coverage's derivative by each alpha."""
    coverage, total, sigma, seen = rows[0], rows[1], rows[2], rows[3]
    mean, share, g_share = layers[0, : g_image.shape[0] - 1], layers[1], layers[2]
    shares(composition, depth, count, active, begin, end, alpha, t, best, inverse_temperature, sigma, share)
    row_colour(colour, count, active, begin, end, share, t, coverage, total, mean)
    for i in range(seen.size):
        seen[i] = g_image[0, i]
        for c in range(mean.shape[0]):
            seen[i] += g_image[1 + c, i] * mean[c, i]
    for n in range(count):
        limb, lo, hi = active[n], begin[n], end[n]
        colour_gradient(colour, n, limb, lo, hi, share, t, coverage, total, mean, g_image, g_share, g_t, g_colour)
        for i in range(lo, hi):
            g_alpha[n, i] *= seen[i]
    if composition == OVER:
        visible = layers[3]
        row_visibility(depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, visible)
        for n in range(count):
            for i in range(begin[n], end[n]):
                g_alpha[n, i] += g_share[n, i] * visible[n, i]
        occlusion_gradient(
            depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha, g_t,
            g_depth,
        )  # fmt: skip
    elif composition != MAXIMUM:
        for n in range(count):
            for i in range(begin[n], end[n]):
                g_alpha[n, i] += g_share[n, i]


@njit(cache=True, nogil=True)
@no_type_check
def gradient_rows(
    limbs, weight, depth, colour, codes, scales, columns, rows, g_image, g_limbs, g_weight, g_depth, g_colour,
    samples, lines,
):  # fmt: skip
    """Add to the gradients of limbs, weight, depth and colour what rows `lines` of images `samples` contribute."""
    profile, composition, skip_zero = codes
    cut, softness, inverse_temperature = scales
    num_limbs, width, channels = limbs.shape[1], columns.size, colour.shape[3]
    planes = np.empty((5, num_limbs, width), limbs.dtype)
    h, t, alpha, g_alpha, g_t = planes[0], planes[1], planes[2], planes[3], planes[4]
    layers = np.empty((4, max(num_limbs, channels), width if channels > 0 else 0), limbs.dtype)
    lines_kept = np.empty((6, width), limbs.dtype)
    coverage, rest, by_distance2, by_width = lines_kept[0], lines_kept[2], lines_kept[4], lines_kept[5]
    best = np.empty(width, np.int32)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.int64), np.empty(num_limbs, np.int64)
    for b in range(samples[0], samples[1]):
        for row in range(lines[0], lines[1]):
            y = rows[row]
            count = gather_row(
                limbs[b], weight[b], y, columns, profile, softness, cut, skip_zero, active, begin, end, h, t
            )
            if count == 0:
                continue
            for n in range(count):
                w = weight[b, active[n]]
                for i in range(begin[n], end[n]):
                    alpha[n, i] = w * h[n, i]
                    g_t[n, i] = 0
            row_exclusive(count, begin, end, alpha, coverage, rest, best, composition, g_alpha)
            g_row = g_image[b, :, row]
            if channels > 0:
                blend_gradient(
                    composition, depth[b], colour[b], count, active, begin, end, alpha, t, best, inverse_temperature,
                    lines_kept, layers, g_row, g_alpha, g_t, g_depth[b], g_colour[b],
                )  # fmt: skip
            finish_row(
                limbs[b], weight[b], y, columns, profile, softness, count, active, begin, end, h, t, channels == 0,
                g_row[0], g_alpha, g_t, by_distance2, by_width, g_limbs[b], g_weight[b],
            )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def finish_row(
    limbs, weight, y, columns, profile, softness, count, active, begin, end, h, t, plain,
    g_coverage, g_alpha, g_t, by_distance2, by_width, g_limbs, g_weight,
):  # fmt: skip
    """From the gradient by alpha to that of geometry and weight; `plain` still lacks the factor of the coverage."""
    for n in range(count):
        limb, lo, hi = active[n], begin[n], end[n]
        w = weight[limb]
        by_weight = w - w
        for i in range(lo, hi):
            g = g_alpha[n, i] * g_coverage[i] if plain else g_alpha[n, i]
            by_weight += g * h[n, i]
            g_alpha[n, i] = g * w
        g_weight[limb] += by_weight
        if w == 0:
            continue
        near = columns[lo:hi]
        row_slopes(
            limbs[limb], y, near, profile, softness, h[n, lo:hi], t[n, lo:hi], by_distance2[lo:hi], by_width[lo:hi]
        )
        row_gradient(
            limbs[limb], y, near, t[n, lo:hi], g_alpha[n, lo:hi], by_distance2[lo:hi], by_width[lo:hi], g_t[n, lo:hi],
            g_limbs[limb],
        )  # fmt: skip
