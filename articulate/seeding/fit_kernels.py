"""Compiled misfit between capsules and labelled pixels, with its gradient: a limb explains the pixels of its part."""

from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def _cover(px, py, ax, ay, bx, by, ra, rb, softness):
    """Coverage of a pixel by a capsule, its derivative, the foot's parameter, and the unit vector away from the foot.

    Coverage is 1/2 + u / (2 sqrt(1 + u^2)) with u = (radius - distance) / softness: tails that still pull from afar.
    """
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    foot = 0.5
    if squared > 1e-6:  # a limb seen end on is a disc
        foot = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / squared))
    nx, ny = px - ax - foot * dx, py - ay - foot * dy
    distance = np.sqrt(nx * nx + ny * ny + 1e-6)  # keeps the gradient finite on the axis
    u = (ra + foot * (rb - ra) - distance) / softness
    root = np.sqrt(1.0 + u * u)
    return 0.5 + 0.5 * u / root, 0.5 / (root * root * root * softness), foot, nx / distance, ny / distance


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def misfit(points, edges, radii, part_of_limb, labels, mask, softness, foreign, loss, gradient, radius_gradient):
    """Fills loss [T, L, 2] (by the nearer end), gradient [T, K, 2] and radius_gradient [L, 2]; all in pixels.

    A pixel of limb l's own part costs m (1 - c)^2 + (1 - m) c^2 with m its mask; a pixel of the background c^2; one of
    another part `foreign` c^2, because that part may lie in front; an unsure one nothing. Limbs without a part
    (`part_of_limb` -1) cost nothing.
    """
    num_parts = 0
    for limb in range(len(edges)):
        num_parts = max(num_parts, part_of_limb[limb] + 1)
    limb_of_part = np.full(num_parts, -1, np.int64)
    for limb in range(len(edges)):
        if part_of_limb[limb] >= 0:
            limb_of_part[part_of_limb[limb]] = limb
    for frame in range(len(labels)):
        _own_pixels(frame, points, edges, radii, limb_of_part, labels, mask, softness, loss, gradient, radius_gradient)
        for limb in range(len(edges)):
            if part_of_limb[limb] >= 0:
                _other_pixels(
                    frame, limb, part_of_limb[limb], points, edges, radii, labels, mask, softness, foreign,
                    loss, gradient, radius_gradient,
                )  # fmt: skip


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def _own_pixels(frame, points, edges, radii, limb_of_part, labels, mask, softness, loss, gradient, radius_gradient):
    """Pixels that have a part, wherever they are: they pull its limb."""
    size = labels.shape[1]
    for row in range(size):
        for column in range(size):
            part = labels[frame, row, column]
            if part < 0 or part >= len(limb_of_part) or limb_of_part[part] < 0:
                continue
            limb = limb_of_part[part]
            a, b = edges[limb, 0], edges[limb, 1]
            c, slope, foot, nx, ny = _cover(
                column, row, points[frame, a, 0], points[frame, a, 1], points[frame, b, 0], points[frame, b, 1],
                radii[limb, 0], radii[limb, 1], softness,
            )  # fmt: skip
            m = mask[frame, row, column]
            loss[frame, limb, int(foot >= 0.5)] += m * (1.0 - c) ** 2 + (1.0 - m) * c * c
            push = 2.0 * slope * (c - m)
            _add(gradient, radius_gradient, frame, limb, a, b, push, foot, nx, ny)


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def _other_pixels(
    frame, limb, part, points, edges, radii, labels, mask, softness, foreign, loss, gradient, radius_gradient
):
    """Pixels near a limb that are not of its part: they push it away."""
    size = labels.shape[1]
    a, b = edges[limb, 0], edges[limb, 1]
    ax, ay, bx, by = points[frame, a, 0], points[frame, a, 1], points[frame, b, 0], points[frame, b, 1]
    reach = max(radii[limb, 0], radii[limb, 1]) + 2.0 * softness
    top, bottom = max(0, int(np.floor(min(ay, by) - reach))), min(size - 1, int(np.ceil(max(ay, by) + reach)))
    left, right = max(0, int(np.floor(min(ax, bx) - reach))), min(size - 1, int(np.ceil(max(ax, bx) + reach)))
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            label = labels[frame, row, column]
            # Without a price, pixels of other parts add nothing; to skip them saves their coverage.
            if label in (part, -2) or (label >= 0 and foreign == 0.0):
                continue
            c, slope, foot, nx, ny = _cover(column, row, ax, ay, bx, by, radii[limb, 0], radii[limb, 1], softness)
            weight = foreign if label >= 0 else 1.0 - mask[frame, row, column]
            loss[frame, limb, int(foot >= 0.5)] += weight * c * c
            _add(gradient, radius_gradient, frame, limb, a, b, 2.0 * slope * weight * c, foot, nx, ny)


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def _add(gradient, radius_gradient, frame, limb, a, b, push, foot, nx, ny):
    """Chain rule through radius - distance: moving an end along the normal brings the capsule nearer to the pixel."""
    gradient[frame, a, 0] += push * (1.0 - foot) * nx
    gradient[frame, a, 1] += push * (1.0 - foot) * ny
    gradient[frame, b, 0] += push * foot * nx
    gradient[frame, b, 1] += push * foot * ny
    radius_gradient[limb, 0] += push * (1.0 - foot)
    radius_gradient[limb, 1] += push * foot
