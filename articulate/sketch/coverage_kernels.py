"""Compiled coverage of an image, limb by limb over a state of one number per pixel.

The state of a pixel is what its limbs leave uncovered (soft_or, over), their sum, or the greatest of them. Divided by
what a limb itself leaves, the first is the product over the *other* limbs, so that the backward pass needs the state
alone: nothing is kept per limb and pixel.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.band_kernels import ROWS, limb_reach, limb_spans, store_band
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
def draw_coverage(limbs, profile, composition, across, down, rows, least, image, states, owners, first, last):
    """Write rows `first` to `last` of one image [H, W] of limbs [L, 7]; `states` and `owners` are kept, by bands."""
    spare, spans = np.empty((3, across.size), across.dtype), np.empty((2, rows.size // ROWS + 1), np.uint64)
    h, t, coverage, lo, hi = spare[0], spare[1], spare[2], spans[0], spans[1]
    until = (last + ROWS - 1) // ROWS
    states[first // ROWS : until] = type_like(least, 0.0) if composition in (SUM, MAXIMUM) else type_like(least, 1.0)
    if composition == MAXIMUM:
        owners[first // ROWS : until] = -1
    for n in range(limbs.shape[0]):
        p, w = limbs[n], limbs[n, 6]
        if w == 0.0:
            continue
        begin, end = limb_spans(p, limb_reach(profile, p), rows, image.shape[1], first, last, lo, hi)
        short = composition not in (SUM, MAXIMUM) and p[4] == p[5]
        for band in range(begin, end):
            if lo[band] >= hi[band]:
                continue
            y = rows[band * ROWS]
            if short:
                leave_uncovered(p, w, y, across, down, profile, lo[band], hi[band], least, states[band])
            else:
                band_intensity(p, y, across, down, profile, lo[band], hi[band], h, t)
                owner = owners[band] if composition == MAXIMUM else owners[0]
                add_limb(composition, n, w, lo[band], hi[band], least, h, states[band], owner)
    for band in range(first // ROWS, until):
        coverage_of(composition, states[band], coverage)
        store_band(coverage, band * ROWS, min(band * ROWS + ROWS, last), image)
