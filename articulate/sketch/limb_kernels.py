"""Compiled limbs of one band of pixels: intensities, composition and the chain rule from intensities to end points.

Inner loops run over a range of the band without calls or branches. Nothing larger than a band per limb is kept.
The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from typing import no_type_check

from numba import njit

from articulate.sketch.band_kernels import limb_bands, limb_pixels, limb_reach
from articulate.sketch.kernels import FAST, slopes, stroke, type_like
from articulate.sketch.profiles import LENGTH2_FLOOR

SOFT_OR, SUM, MAXIMUM, OVER = 0, 1, 2, 3


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_intensity(limb, y, across, down, profile, lo, hi, h, t):
    """Fill h and t (intensity, position along the limb) at pixels lo to hi of the band whose first row is y."""
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    zero, one = type_like(ax, 0.0), type_like(ax, 1.0)
    inverse = one / (dx * dx + dy * dy + type_like(ax, LENGTH2_FLOOR))
    top = y - ay
    for i in range(lo, hi):
        ux, uy = across[i] - ax, down[i] + top
        s = min(max((ux * dx + uy * dy) * inverse, zero), one)
        qx, qy = ux - s * dx, uy - s * dy
        t[i] = s
        h[i] = stroke(profile, qx * qx + qy * qy, width0 + taper * s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_gradient(limb, y, across, down, profile, lo, hi, h, t, g_alpha, g_t, weight, grad):
    """Add one band's share to the gradient of one limb's (start, end, half-widths); returns that of its weight.

    Chain rule through d2 = |p - a - t d|^2, r = w0 + t (w1 - w0) and t = (p - a).d / (|d|^2 + floor) where t is inside.
    """
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    zero, one = type_like(ax, 0.0), type_like(ax, 1.0)
    inverse = one / (dx * dx + dy * dy + type_like(ax, LENGTH2_FLOOR))
    top = y - ay
    sx, sy, stx, sty = zero, zero, zero, zero
    r0, r1, sux, suy, st, s_all, by_weight = zero, zero, zero, zero, zero, zero, zero
    for i in range(lo, hi):
        ti = t[i]
        ux, uy = across[i] - ax, down[i] + top
        qx, qy = ux - ti * dx, uy - ti * dy
        by_distance2, by_width = slopes(profile, qx * qx + qy * qy, width0 + taper * ti, h[i])
        by_weight += g_alpha[i] * h[i]
        g = g_alpha[i] * weight
        gr = g * by_width
        g = (g + g) * by_distance2
        gx, gy = g * qx, g * qy
        sx += gx
        sy += gy
        stx += gx * ti
        sty += gy * ti
        r0 += gr
        r1 += gr * ti
        gt = gr * taper + g_t[i] - gx * dx - gy * dy
        gt = gt if (ti > zero and ti < one) else zero
        sux += gt * ux
        suy += gt * uy
        st += gt * ti
        s_all += gt
    grad[0] += stx - sx + inverse * (st * (dx + dx) - s_all * dx - sux)
    grad[1] += sty - sy + inverse * (st * (dy + dy) - s_all * dy - suy)
    grad[2] += inverse * (sux - st * (dx + dx)) - stx
    grad[3] += inverse * (suy - st * (dy + dy)) - sty
    grad[4] += r0 - r1
    grad[5] += r1
    return by_weight


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def gather_band(
    limbs, weight, rows, first, last, num_columns, across, down, profile, skip_zero, active, begin, end, h, t
):
    """Intensities of the limbs that touch rows `first` to `last`; returns how many there are."""
    count = 0
    for limb in range(limbs.shape[0]):
        if skip_zero and weight[limb] == 0.0:
            continue
        p = limbs[limb]
        reach = limb_reach(profile, p)
        from_band, to_band = limb_bands(p, reach, rows.size, first, last)
        if from_band >= to_band:
            continue
        lo, hi = limb_pixels(p, reach, rows[first], rows[last - 1], num_columns)
        if lo < hi:
            active[count], begin[count], end[count] = limb, lo, hi
            band_intensity(p, rows[first], across, down, profile, lo, hi, h[count], t[count])
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
