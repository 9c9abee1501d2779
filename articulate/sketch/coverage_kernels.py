"""Compiled coverage of an image, limb by limb over a state of one number per pixel.

The state of a pixel is what its limbs leave uncovered (soft_or, over), their sum, or the greatest of them. Divided by
what a limb itself leaves, the first is the product over the *other* limbs, so that the backward pass needs the state
alone: nothing is kept per limb and pixel.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.band_kernels import ROWS, STRIP, band_places, limb_bands, limb_pixels, limb_reach, store_band
from articulate.sketch.kernels import FAST, stroke, type_like
from articulate.sketch.limb_kernels import MAXIMUM, SUM, band_intensity
from articulate.sketch.profiles import LENGTH2_FLOOR


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def leave_uncovered(limb, weight, y, across, down, profile, lo, hi, least, state):
    """Multiply pixels lo to hi of a band by what a limb of one width leaves uncovered, at least `least`."""
    ax, ay, r = limb[0], limb[1], limb[4]
    dx, dy, top = limb[2] - ax, limb[3] - ay, y - ay
    zero, one = type_like(ax, 0.0), type_like(ax, 1.0)
    inverse = one / (dx * dx + dy * dy + type_like(ax, LENGTH2_FLOOR))
    by_x, by_y = dx * inverse, dy * inverse
    at_zero = top * by_y - ax * by_x
    for i in range(lo, hi):
        s = min(max(across[i] * by_x + (down[i] * by_y + at_zero), zero), one)
        qx, qy = (across[i] - ax) - s * dx, (down[i] + top) - s * dy
        state[i] *= max(one - weight * stroke(profile, qx * qx + qy * qy, r), least)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def add_limb(composition, number, weight, lo, hi, least, h, state, owner):
    """Bring a limb's intensities into the state of a band, whatever the composition."""
    one = type_like(least, 1.0)
    if composition == SUM:
        for i in range(lo, hi):
            state[i] += weight * h[i]
    elif composition == MAXIMUM:
        for i in range(lo, hi):
            if weight * h[i] > state[i]:
                state[i] = weight * h[i]
                owner[i] = number
    else:
        for i in range(lo, hi):
            state[i] *= max(one - weight * h[i], least)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def coverage_of(composition, state, coverage):
    """Coverage of a band from its state."""
    one = type_like(state[0], 1.0)
    for i in range(state.size):
        if composition == SUM:
            coverage[i] = min(state[i], one)
        elif composition == MAXIMUM:
            coverage[i] = state[i]
        else:
            coverage[i] = one - state[i]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def draw_coverage(
    limbs, weight, profile, composition, skip_zero, columns, rows, least, image, states, owners, samples, lines
):
    """Write rows `lines` of the images `samples` into image [B, 1, H, W]; `states` and `owners` are kept, by bands."""
    across, down = band_places(columns, rows)
    h, t, coverage = np.empty_like(across), np.empty_like(across), np.empty_like(across)
    start = type_like(least, 0.0) if composition in (SUM, MAXIMUM) else type_like(least, 1.0)
    strip = max(1, STRIP // across.size) * ROWS
    for b in range(samples[0], samples[1]):
        for first in range(lines[0], lines[1], strip):
            last = min(first + strip, lines[1])
            states[b, first // ROWS : (last + ROWS - 1) // ROWS] = start
            for n in range(limbs.shape[1]):
                p, w = limbs[b, n], weight[b, n]
                if skip_zero and w == 0.0:
                    continue
                reach = limb_reach(profile, p)
                begin, end = limb_bands(p, reach, rows.size, first, last)
                for band in range(begin, end):
                    y, bottom = rows[band * ROWS], rows[min(band * ROWS + ROWS, rows.size) - 1]
                    lo, hi = limb_pixels(p, reach, y, bottom, columns.size)
                    if lo >= hi:
                        continue
                    if composition not in (SUM, MAXIMUM) and p[4] == p[5]:
                        leave_uncovered(p, w, y, across, down, profile, lo, hi, least, states[b, band])
                    else:
                        band_intensity(p, y, across, down, profile, lo, hi, h, t)
                        owner = owners[b, band] if composition == MAXIMUM else owners[0, 0]
                        add_limb(composition, n, w, lo, hi, least, h, states[b, band], owner)
            for band in range(first // ROWS, (last + ROWS - 1) // ROWS):
                coverage_of(composition, states[b, band], coverage)
                store_band(coverage, band * ROWS, min(band * ROWS + ROWS, last), image[b, 0])
