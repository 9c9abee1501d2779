"""Compiled profiles of a stroke: intensity and its derivatives, in the precision of their arguments.

A profile is passed to the kernels as a named tuple of its own type: each is compiled alone, the first time that it is
used. The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from math import exp, sqrt
from typing import NamedTuple, no_type_check

import numpy as np
from numba import types
from numba.extending import overload

from articulate.sketch.profiles import SPINE_ROUNDING

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


def rounding_step(example):
    """Half a rounding step below 1 in the type of `example` (compiled code only)."""
    return example


@overload(rounding_step, inline="always")
@no_type_check
def rounding_step_overload(example):
    """What a limb leaves uncovered never falls below it, so that the others' product can be formed by division."""
    if example is types.float32:
        least = np.float32(0.5 * np.finfo(np.float32).eps)
    else:
        least = np.float64(0.5 * np.finfo(np.float64).eps)
    return lambda example: least


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
