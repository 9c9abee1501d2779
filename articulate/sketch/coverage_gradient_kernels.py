"""Compiled derivatives of the coverage of an image (see `coverage_kernels`): the state alone is read, limb by limb."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.sketch.band_kernels import ROWS, limb_reach, limb_spans, load_band
from articulate.sketch.kernels import FAST, slopes, stroke, type_like
from articulate.sketch.limb_kernels import MAXIMUM, SUM, band_gradient, band_intensity
from articulate.sketch.profiles import LENGTH2_FLOOR

# The foot point's own gradient is left out where the length's floor changes it by less than 1e-6.
PLAIN_LENGTH2 = 1e6 * LENGTH2_FLOOR


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def end_gradient(limb, weight, y, across, down, profile, lo, hi, least, pull, grad):
    """Add one band's share to the gradient of a limb of one width by its ends, for `soft_or`.

    Where only ends are asked for, the chain rule through d2 = |p - a - t d|^2 needs no derivative of t: the offset is
    orthogonal to the limb, or t is clamped. `pull` is the gradient of the pixel times its state.
    """
    ax, ay, r = limb[0], limb[1], limb[4]
    dx, dy, top = limb[2] - ax, limb[3] - ay, y - ay
    zero, one = type_like(ax, 0.0), type_like(ax, 1.0)
    inverse = one / (dx * dx + dy * dy + type_like(ax, LENGTH2_FLOOR))
    by_x, by_y = dx * inverse, dy * inverse
    at_zero = top * by_y - ax * by_x
    sx, sy, stx, sty = zero, zero, zero, zero
    for i in range(lo, hi):
        s = min(max(across[i] * by_x + (down[i] * by_y + at_zero), zero), one)
        qx, qy = (across[i] - ax) - s * dx, (down[i] + top) - s * dy
        distance2 = qx * qx + qy * qy
        h = stroke(profile, distance2, r)
        by_distance2, _ = slopes(profile, distance2, r, h)
        g = pull[i] / max(one - weight * h, least) * by_distance2
        gx, gy = g * qx, g * qy
        sx += gx
        sy += gy
        stx += gx * s
        sty += gy * s
    twice = weight + weight
    grad[0] += twice * (stx - sx)
    grad[1] += twice * (sty - sy)
    grad[2] -= twice * stx
    grad[3] -= twice * sty


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def load_pull(composition, g_image, first, last, state, pull):
    """Gradient of a band's pixels by their state, up to what each limb adds to it (see `limb_pull`)."""
    zero, one = type_like(state[0], 0.0), type_like(state[0], 1.0)
    load_band(g_image, first, last, pull)
    if composition == SUM:
        for i in range(pull.size):
            pull[i] = pull[i] if state[i] <= one else zero
    elif composition != MAXIMUM:
        for i in range(pull.size):
            pull[i] *= state[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def limb_pull(composition, number, weight, lo, hi, least, h, pull, owner, g_alpha):
    """Gradient of a band's pixels by the intensity of one limb."""
    zero, one = type_like(least, 0.0), type_like(least, 1.0)
    if composition == SUM:
        for i in range(lo, hi):
            g_alpha[i] = pull[i]
    elif composition == MAXIMUM:
        for i in range(lo, hi):
            g_alpha[i] = pull[i] if owner[i] == number else zero
    else:
        for i in range(lo, hi):
            g_alpha[i] = pull[i] / max(one - weight * h[i], least)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def coverage_gradient(
    limbs, profile, composition, across, down, rows, least, ends_alone, skip_zero, states, owners, g_image, g_limbs,
    first, last,
):  # fmt: skip
    """Add to the gradients of the limbs [L, 7] of one image what its rows `first` to `last` contribute.

    With `ends_alone` neither half-widths nor weights are asked for, and limbs of one width take the short way.
    """
    spare, spans = np.zeros((4, across.size), across.dtype), np.empty((2, rows.size // ROWS + 1), np.uint64)
    h, t, g_alpha, g_t, lo, hi = spare[0], spare[1], spare[2], spare[3], spans[0], spans[1]
    base, until = first // ROWS, (last + ROWS - 1) // ROWS
    pulls = np.empty((until - base, across.size), across.dtype)
    for band in range(base, until):
        top, bottom = band * ROWS, min(band * ROWS + ROWS, last)
        load_pull(composition, g_image, top, bottom, states[band], pulls[band - base])
    for n in range(limbs.shape[0]):
        p, w = limbs[n], limbs[n, 6]
        if skip_zero and w == 0.0:
            continue
        short = ends_alone and composition not in (SUM, MAXIMUM) and p[4] == p[5]
        short = short and (p[2] - p[0]) ** 2 + (p[3] - p[1]) ** 2 > PLAIN_LENGTH2
        begin, end = limb_spans(p, limb_reach(profile, p), rows, g_image.shape[1], first, last, lo, hi)
        for band in range(begin, end):
            if lo[band] >= hi[band]:
                continue
            y, pull = rows[band * ROWS], pulls[band - base]
            if short:
                end_gradient(p, w, y, across, down, profile, lo[band], hi[band], least, pull, g_limbs[n])
            else:
                band_intensity(p, y, across, down, profile, lo[band], hi[band], h, t)
                owner = owners[band] if composition == MAXIMUM else owners[0]
                limb_pull(composition, n, w, lo[band], hi[band], least, h, pull, owner, g_alpha)
                g_limbs[n, 6] += band_gradient(
                    p, y, across, down, profile, lo[band], hi[band], h, t, g_alpha, g_t, w, g_limbs[n]
                )
