"""Compiled drawing of coloured limbs: coverage, and coverage times mean colour, forward and backward."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.band_kernels import ROWS, band_places, load_band, store_band
from articulate.sketch.colour_kernels import band_colour, band_colour_gradient, band_visibility, occlusion_gradient
from articulate.sketch.kernels import FAST
from articulate.sketch.limb_kernels import (
    MAXIMUM,
    OVER,
    band_coverage,
    band_gradient,
    complete_exclusive,
    gather_band,
)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def draw_painting(
    limbs, weight, depth, colour, profile, composition, skip_zero, inverse_temperature, columns, rows, image,
    samples, lines,
):  # fmt: skip
    """Write rows `lines` of the images `samples` into image [B, 1 + C, H, W]."""
    num_limbs, width = limbs.shape[1], columns.size * ROWS
    across, down = band_places(columns, rows)
    planes = np.empty((5, num_limbs, width), limbs.dtype)
    h, t, alpha, exclusive, share = planes[0], planes[1], planes[2], planes[3], planes[4]
    spare, painted = np.empty((4, width), limbs.dtype), np.empty((colour.shape[3], width), limbs.dtype)
    coverage = spare[3]
    best = np.empty(width, np.int32)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    for b in range(samples[0], samples[1]):
        for first in range(lines[0], lines[1], ROWS):
            last = min(first + ROWS, lines[1])
            count = gather_band(
                limbs[b], weight[b], rows, first, last, columns.size, across, down, profile, skip_zero, active,
                begin, end, h, t,
            )  # fmt: skip
            if count == 0:
                continue
            band_coverage(count, active, begin, end, weight[b], h, alpha, composition, coverage, best, exclusive)
            complete_exclusive(count, begin, end, alpha, composition, coverage, best, spare[0], exclusive)
            if composition == OVER:
                band_visibility(depth[b], count, active, begin, end, alpha, t, inverse_temperature, spare[1], share)
            band_colour(composition, colour[b], count, active, begin, end, alpha, t, best, share, spare[2], painted)
            for c in range(painted.shape[0]):
                for i in range(width):
                    painted[c, i] *= coverage[i]
                store_band(painted[c], first, last, image[b, 1 + c])
            store_band(coverage, first, last, image[b, 0])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def share_gradient(composition, count, begin, end, g_share, visible, g_alpha):
    """Gradient by alpha through the shares: the visible part of `over`, all of `soft_or` and `sum`."""
    for n in range(count):
        if composition == OVER:
            for i in range(begin[n], end[n]):
                g_alpha[n, i] += g_share[n, i] * visible[n, i]
        elif composition != MAXIMUM:
            for i in range(begin[n], end[n]):
                g_alpha[n, i] += g_share[n, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def painting_gradient(
    limbs, weight, depth, colour, profile, composition, skip_zero, inverse_temperature, columns, rows, g_image,
    g_limbs, g_weight, g_depth, g_colour, samples, lines,
):  # fmt: skip
    """Add to the gradients of limbs, weights, depths and colours what rows `lines` of images `samples` contribute."""
    num_limbs, width = limbs.shape[1], columns.size * ROWS
    across, down = band_places(columns, rows)
    planes = np.empty((8, num_limbs, width), limbs.dtype)
    h, t, alpha, g_alpha, share = planes[0], planes[1], planes[2], planes[3], planes[4]
    g_share, g_t, visible = planes[5], planes[6], planes[7]
    spare, mean = np.empty((4, width), limbs.dtype), np.empty((colour.shape[3], width), limbs.dtype)
    g_band = np.empty((1 + colour.shape[3], width), limbs.dtype)
    coverage, rest, sigma, total = spare[0], spare[1], spare[2], spare[3]
    best = np.empty(width, np.int32)
    active, begin, end = np.empty(num_limbs, np.int64), np.empty(num_limbs, np.uint64), np.empty(num_limbs, np.uint64)
    for b in range(samples[0], samples[1]):
        for first in range(lines[0], lines[1], ROWS):
            last = min(first + ROWS, lines[1])
            count = gather_band(
                limbs[b], weight[b], rows, first, last, columns.size, across, down, profile, skip_zero, active,
                begin, end, h, t,
            )  # fmt: skip
            if count == 0:
                continue
            for c in range(g_band.shape[0]):
                load_band(g_image[b, c], first, last, g_band[c])
            band_coverage(count, active, begin, end, weight[b], h, alpha, composition, coverage, best, g_alpha)
            complete_exclusive(count, begin, end, alpha, composition, coverage, best, rest, g_alpha)
            if composition == OVER:
                band_visibility(depth[b], count, active, begin, end, alpha, t, inverse_temperature, sigma, share)
                for n in range(count):
                    for i in range(begin[n], end[n]):
                        visible[n, i] = share[n, i]
            band_colour(composition, colour[b], count, active, begin, end, alpha, t, best, share, total, mean)
            band_colour_gradient(
                colour[b], count, active, begin, end, share, t, coverage, total, mean, g_band, g_alpha,
                g_share, g_t, g_colour[b],
            )  # fmt: skip
            share_gradient(composition, count, begin, end, g_share, visible, g_alpha)
            if composition == OVER:
                occlusion_gradient(
                    depth[b], count, active, begin, end, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha,
                    g_t, g_depth[b],
                )  # fmt: skip
            for n in range(count):
                limb = active[n]
                g_weight[b, limb] += band_gradient(
                    limbs[b, limb], rows[first], across, down, profile, begin[n], end[n], h[n], t[n],
                    g_alpha[n], g_t[n], weight[b, limb], g_limbs[b, limb],
                )  # fmt: skip
