"""Compiled pieces of the renderer that work on one band of pixels of one limb.

A band is a few neighbouring rows, stored column by column, so that the columns a limb meets are one range of pixels:
long enough that the compiler's vectors are full even where strokes are thin. Inner loops run over it without calls or
branches. A profile is passed as a named tuple of its own type: each is compiled alone, the first time that it is used.
Ranges are unsigned, because an index that might be negative stops the vectoriser.
The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from math import ceil, exp, floor, sqrt
from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit, types
from numba.extending import overload

from articulate.sketch.profiles import LENGTH2_FLOOR, SPINE_ROUNDING

# Reordering of sums and fused multiply-add; NaN and infinity keep their meaning.
FAST = {"reassoc", "nsz", "arcp", "contract", "afn"}
LOG_2 = 0.6931471805599453


class Gaussian(NamedTuple):
    """2^(-u^2), drawn up to `cut` half-widths."""

    cut: float
    softness: float


class Exponential(NamedTuple):
    """2^(-u), drawn up to `cut` half-widths."""

    cut: float
    softness: float


class Student(NamedTuple):
    """1 / (1 + u^2), drawn up to `cut` half-widths."""

    cut: float
    softness: float


class SmoothStep(NamedTuple):
    """Cubic step of half-length `softness` around the half-width."""

    cut: float
    softness: float


KERNEL_PROFILES = {"gaussian": Gaussian, "exponential": Exponential, "student": Student, "smooth_step": SmoothStep}


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


def halving(v):
    """2^(-v) for v >= 0 in the precision of the argument (compiled code only)."""
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

    return lambda v: exp(-v * LOG_2)


def stroke(profile, distance2, r):
    """Intensity at a squared distance for half-width r: `profiles.intensity` (compiled code only)."""
    raise NotImplementedError


@overload(stroke, inline="always")
@no_type_check
def stroke_overload(profile, distance2, r):
    """The profile's formula, chosen by its type."""
    if profile.instance_class is Gaussian:
        return lambda profile, distance2, r: halving(distance2 / (r * r))
    if profile.instance_class is Student:
        return lambda profile, distance2, r: r * r / (r * r + distance2)

    def exponential(profile, distance2, r):
        rounding = type_like(r, SPINE_ROUNDING)
        return halving((sqrt(distance2 + rounding * rounding) - rounding) / r)

    def smooth_step(profile, distance2, r):
        rounding = type_like(r, SPINE_ROUNDING)
        s = profile.softness
        k = (r + s + rounding - sqrt(distance2 + rounding * rounding)) / (s + s)
        k = min(max(k, type_like(r, 0.0)), type_like(r, 1.0))
        return k * k * (type_like(r, 3.0) - k - k)

    return exponential if profile.instance_class is Exponential else smooth_step


def slopes(profile, distance2, r, h):
    """Derivatives of the intensity h by squared distance and by half-width (compiled code only)."""
    raise NotImplementedError


@overload(slopes, inline="always")
@no_type_check
def slopes_overload(profile, distance2, r, h):
    """The derivatives of the profile's formula, chosen by its type."""

    def gaussian(profile, distance2, r, h):
        inverse = type_like(r, 1.0) / r
        slope = type_like(r, LOG_2) * h * inverse * inverse
        return -slope, slope * (distance2 + distance2) * inverse

    def student(profile, distance2, r, h):
        inverse = type_like(r, 1.0) / r
        slope = h * h * inverse * inverse
        return -slope, slope * (distance2 + distance2) * inverse

    def exponential(profile, distance2, r, h):
        rounding = type_like(r, SPINE_ROUNDING)
        root = sqrt(distance2 + rounding * rounding)
        slope = type_like(r, LOG_2) * h / r
        return -slope * type_like(r, 0.5) / root, slope * (root - rounding) / r

    def smooth_step(profile, distance2, r, h):
        rounding = type_like(r, SPINE_ROUNDING)
        root = sqrt(distance2 + rounding * rounding)
        scale = type_like(r, 0.5) / profile.softness
        k = (r + profile.softness + rounding - root) * scale
        k = min(max(k, type_like(r, 0.0)), type_like(r, 1.0))
        slope = k * (type_like(r, 1.0) - k) * type_like(r, 6.0) * scale
        return -slope * type_like(r, 0.5) / root, slope

    chosen = {Gaussian: gaussian, Student: student, Exponential: exponential}
    return chosen.get(profile.instance_class, smooth_step)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def chord(ax, ay, dx, dy, reach, y):
    """Left and right end of the points at height y within `reach` of the segment (left > right: none)."""
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
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def columns_near(ax, ay, dx, dy, reach, top, bottom, num_columns):
    """First and one-past-last column within `reach` of the segment in the rows between heights `top` and `bottom`.

    A capsule is convex: its extent in a strip is reached on the strip's border, or at an end that lies in the strip.
    """
    low, high = chord(ax, ay, dx, dy, reach, top)
    if bottom > top:
        low_bottom, high_bottom = chord(ax, ay, dx, dy, reach, bottom)
        low, high = min(low, low_bottom), max(high, high_bottom)
        for end in range(2):
            if top <= ay + end * dy <= bottom:
                low = min(low, ax + end * dx - reach)
                high = max(high, ax + end * dx + reach)
    if low > high:
        return 0, 0
    begin = ceil(((max(low, -2.0) + 1.0) * num_columns - 1.0) * 0.5)
    end = floor(((min(high, 2.0) + 1.0) * num_columns - 1.0) * 0.5) + 1
    return max(0, begin), min(num_columns, end)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_intensity(limb, y, across, down, profile, n, lo, hi, h, t):
    """Fill h[n] and t[n] (intensity, position along the limb) at pixels lo to hi of the band whose first row is y."""
    ax, ay, width0 = limb[0], limb[1], limb[4]
    dx, dy, taper = limb[2] - ax, limb[3] - ay, limb[5] - width0
    zero, one = type_like(ax, 0.0), type_like(ax, 1.0)
    inverse = one / (dx * dx + dy * dy + type_like(ax, LENGTH2_FLOOR))
    top = y - ay
    for i in range(lo, hi):
        ux, uy = across[i] - ax, down[i] + top
        s = min(max((ux * dx + uy * dy) * inverse, zero), one)
        qx, qy = ux - s * dx, uy - s * dy
        t[n, i] = s
        h[n, i] = stroke(profile, qx * qx + qy * qy, width0 + taper * s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_gradient(limb, y, across, down, profile, n, lo, hi, h, t, g_alpha, g_t, weight, grad):
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
        ti = t[n, i]
        ux, uy = across[i] - ax, down[i] + top
        qx, qy = ux - ti * dx, uy - ti * dy
        by_distance2, by_width = slopes(profile, qx * qx + qy * qy, width0 + taper * ti, h[n, i])
        by_weight += g_alpha[n, i] * h[n, i]
        g = g_alpha[n, i] * weight
        gr = g * by_width
        g = (g + g) * by_distance2
        gx, gy = g * qx, g * qy
        sx += gx
        sy += gy
        stx += gx * ti
        sty += gy * ti
        r0 += gr
        r1 += gr * ti
        gt = gr * taper + g_t[n, i] - gx * dx - gy * dy
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
