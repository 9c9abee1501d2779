"""Compiled pieces of the renderer that work on one row of pixels of one limb.

Every inner loop runs over neighbouring pixels without branches, so that the compiler vectorises it.
The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from math import ceil, floor, sqrt
from typing import no_type_check

import numpy as np
from numba import njit, types
from numba.extending import overload

from articulate.sketch.profiles import LENGTH2_FLOOR, SPINE_ROUNDING

# Reordering of sums and fused multiply-add; NaN and infinity keep their meaning.
FAST = {"reassoc", "nsz", "arcp", "contract", "afn"}
LOG_2 = 0.6931471805599453


def halving(v):
    """2^(-v) for v >= 0: the native precision of the argument (compiled code only)."""
    return 2.0 ** (-v)


@overload(halving, inline="always")
@no_type_check
def halving_overload(v):
    """float32: exponent bits times a minimax polynomial of degree 6 (relative error 1.4e-9 before rounding)."""
    if v is types.float32:

        def fast(v):
            bounded = min(v, np.float32(125.0))
            whole = np.int32(bounded)
            f = bounded - np.float32(whole)
            p = np.float32(0.0001093875238579369) * f - np.float32(0.0012757162170694415)
            p = p * f + np.float32(0.00958005845367681)
            p = p * f - np.float32(0.055491035284043144)
            p = p * f + np.float32(0.240224355465394)
            p = p * f - np.float32(0.6931470472976821)
            p = p * f + np.float32(0.9999999986493102)
            return p * np.int32((np.int32(127) - whole) << np.int32(23)).view(np.float32)

        return fast

    return lambda v: np.exp(-v * LOG_2)


@njit(cache=True, nogil=True, inline="never")
@no_type_check
def columns_near(ax, ay, dx, dy, reach, y, num_columns):
    """First and one-past-last column of row y within `reach` of the segment (a capsule meets a row in one interval)."""
    low, high = 4.0, -4.0
    reach2 = reach * reach
    for end in range(2):
        v = y - (ay + end * dy)
        if v * v <= reach2:
            half = sqrt(reach2 - v * v)
            low = min(low, ax + end * dx - half)
            high = max(high, ax + end * dx + half)
    # The band between the two end discs: |cross product| <= reach |d| and 0 <= dot product <= |d|^2.
    uy = y - ay
    length2 = dx * dx + dy * dy
    side = reach * sqrt(length2)
    first, last = -1e9, 1e9
    if abs(dy) > 1e-12:
        p, q = (uy * dx - side) / dy, (uy * dx + side) / dy
        first, last = max(first, min(p, q)), min(last, max(p, q))
    elif abs(uy * dx) > side:
        first = 1e9
    if abs(dx) > 1e-12:
        p, q = -uy * dy / dx, (length2 - uy * dy) / dx
        first, last = max(first, min(p, q)), min(last, max(p, q))
    elif uy * dy < 0.0 or uy * dy > length2:
        first = 1e9
    if first <= last:
        low = min(low, ax + first)
        high = max(high, ax + last)
    if low > high:
        return 0, 0
    begin = ceil(((max(low, -2.0) + 1.0) * num_columns - 1.0) * 0.5)
    end = floor(((min(high, 2.0) + 1.0) * num_columns - 1.0) * 0.5) + 1
    return max(0, begin), min(num_columns, end)


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_intensity(limb, y, columns, profile, softness, h, t):
    """Fill h and t (intensity, position along the limb) at the columns given."""
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    one = width0 / width0
    inverse = one / (dx * dx + dy * dy + type_like(one, LENGTH2_FLOOR))
    rounding = type_like(one, SPINE_ROUNDING)
    uy = y - ay
    for i in range(columns.size):
        ux = columns[i] - ax
        s = min(max((ux * dx + uy * dy) * inverse, one - one), one)
        qx, qy = ux - s * dx, uy - s * dy
        t[i] = s
        h[i] = qx * qx + qy * qy
    if profile == 0:
        for i in range(columns.size):
            r = width0 + taper * t[i]
            h[i] = halving(h[i] / (r * r))
    elif profile == 1:
        for i in range(columns.size):
            h[i] = halving((sqrt(h[i] + rounding * rounding) - rounding) / (width0 + taper * t[i]))
    elif profile == 2:
        for i in range(columns.size):
            r = width0 + taper * t[i]
            h[i] = r * r / (r * r + h[i])
    else:
        scale = one / (softness + softness)
        for i in range(columns.size):
            distance = sqrt(h[i] + rounding * rounding) - rounding
            k = min(max((width0 + taper * t[i] + softness - distance) * scale, one - one), one)
            h[i] = k * k * (one + one + one - k - k)


def type_like(example, value):
    """`value` in the type of `example` (compiled code only)."""
    return value


@overload(type_like, inline="always")
@no_type_check
def type_like_overload(example, value):
    """Keeps float32 arithmetic from being widened by a Python constant."""
    if example is types.float32:
        return lambda example, value: np.float32(value)
    return lambda example, value: value


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_slopes(limb, y, columns, profile, softness, h, t, by_distance2, by_width):
    """Fill the derivatives of the intensity by squared distance and by half-width."""
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    one = width0 / width0
    rounding = type_like(one, SPINE_ROUNDING)
    log2 = type_like(one, LOG_2)
    half = one / (one + one)
    uy = y - ay
    if profile == 0 or profile == 2:
        for i in range(columns.size):
            qx, qy = columns[i] - ax - t[i] * dx, uy - t[i] * dy
            by_distance2[i] = qx * qx + qy * qy
        for i in range(columns.size):
            inverse = one / (width0 + taper * t[i])
            slope = log2 * h[i] if profile == 0 else h[i] * h[i]
            slope *= inverse * inverse
            by_width[i] = slope * (by_distance2[i] + by_distance2[i]) * inverse
            by_distance2[i] = -slope
        return
    scale = half / softness
    for i in range(columns.size):
        qx, qy = columns[i] - ax - t[i] * dx, uy - t[i] * dy
        root = sqrt(qx * qx + qy * qy + rounding * rounding)
        r = width0 + taper * t[i]
        if profile == 1:
            slope = log2 * h[i] / r
            by_width[i] = slope * (root - rounding) / r
        else:
            k = min(max((r + softness - root + rounding) * scale, one - one), one)
            slope = (one - k) * k * (one + one + one) * (scale + scale)
            by_width[i] = slope
        by_distance2[i] = -slope * half / root


@njit(cache=True, nogil=True, fastmath=FAST)
@no_type_check
def row_gradient(limb, y, columns, t, g_h, by_distance2, by_width, g_t_extra, grad):
    """Add one row's share to the gradient of one limb's (start, end, half-widths).

    Chain rule through d2 = |p - a - t d|^2, r = w0 + t (w1 - w0) and t = (p - a).d / (|d|^2 + floor) where t is inside.
    """
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    one = width0 / width0
    zero = one - one
    inverse = one / (dx * dx + dy * dy + type_like(one, LENGTH2_FLOOR))
    uy = y - ay
    sx, sy, stx, sty = zero, zero, zero, zero
    r0, r1 = zero, zero
    s, su, st = zero, zero, zero
    for i in range(columns.size):
        ti = t[i]
        ux = columns[i] - ax
        qx, qy = ux - ti * dx, uy - ti * dy
        g = g_h[i] * by_distance2[i]
        gx, gy = (g + g) * qx, (g + g) * qy
        sx += gx
        sy += gy
        stx += gx * ti
        sty += gy * ti
        gr = g_h[i] * by_width[i]
        r0 += gr
        r1 += gr * ti
        inside = one if (ti > zero and ti < one) else zero
        gt = inside * (gr * taper + g_t_extra[i] - gx * dx - gy * dy)
        s += gt
        su += gt * ux
        st += gt * ti
    grad[0] += stx - sx + inverse * (st * (dx + dx) - s * dx - su)
    grad[1] += sty - sy + inverse * (st * (dy + dy) - s * dy - s * uy)
    grad[2] += inverse * (su - st * (dx + dx)) - stx
    grad[3] += inverse * (s * uy - st * (dy + dy)) - sty
    grad[4] += r0 - r1
    grad[5] += r1
