"""Where a ray first meets a tapered capsule (the union of spheres of linearly changing radius along a segment)."""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check
@njit(cache=True, error_model="numpy")
def _sphere(ox, oy, dx, dy, c, radius):
    """First depth s of ray (ox, oy, 0) + s (dx, dy, 1) on a sphere, inf when it misses."""
    px, py, pz = ox - c[0], oy - c[1], -c[2]
    dd = dx * dx + dy * dy + 1.0
    half = px * dx + py * dy + pz
    disc = half * half - dd * (px * px + py * py + pz * pz - radius * radius)
    return (-half - np.sqrt(disc)) / dd if disc >= 0 else np.inf


@no_type_check
@njit(cache=True, error_model="numpy")
def ray_hit(ox, oy, dx, dy, a, b, ra, rb):
    """Depth z of the first hit (inf: none) and the place t in [0, 1] of the sphere that is touched there.

    For a point q the sphere that covers it best minimises g(t) = |q - a - t (b - a)|^2 - (ra + t (rb - ra))^2, convex
    when |b - a| > |rb - ra|: t* = ((q - a).(b - a) + ra (rb - ra)) / k with k = |b - a|^2 - (rb - ra)^2. Setting
    g(t*) = 0 along the ray is a quadratic for the side of the cone, valid where 0 <= t* <= 1; the end spheres do the
    rest. With k <= 0 one end sphere holds the whole capsule.
    """
    best, where = np.inf, 0.0
    z = _sphere(ox, oy, dx, dy, a, ra)
    if z < best:
        best, where = z, 0.0
    z = _sphere(ox, oy, dx, dy, b, rb)
    if z < best:
        best, where = z, 1.0
    ux, uy, uz, dr = b[0] - a[0], b[1] - a[1], b[2] - a[2], rb - ra
    k = ux * ux + uy * uy + uz * uz - dr * dr
    if k <= 0:
        return best, where
    px, py, pz = ox - a[0], oy - a[1], -a[2]
    m0 = px * ux + py * uy + pz * uz + ra * dr
    m1 = dx * ux + dy * uy + uz
    quad = dx * dx + dy * dy + 1.0 - m1 * m1 / k
    half = px * dx + py * dy + pz - m0 * m1 / k
    rest = px * px + py * py + pz * pz - ra * ra - m0 * m0 / k
    disc = half * half - quad * rest
    if disc < 0 or abs(quad) < 1e-12:  # a ray along the side of the cone is caught by the end spheres
        return best, where
    root = np.sqrt(disc)
    for sign in (-1.0, 1.0):
        z = (-half + sign * root) / quad
        t = (m0 + z * m1) / k
        if 0.0 <= t <= 1.0 and z < best:
            best, where = z, t
    return best, where
