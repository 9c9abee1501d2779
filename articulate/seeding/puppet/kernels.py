"""Compiled fit of one pose of a puppet to one mask: Levenberg-Marquardt over all of its points at once."""

from typing import no_type_check

import numpy as np
from numba import njit

FAR = 6.0  # pixels from which on a residual pulls no harder
STEP = 1.0  # pixels between samples along a limb


@no_type_check
@njit(cache=True, error_model="numpy")
def _foot(px, py, ax, ay, bx, by):
    """Parameter of the nearest point of a segment, and the distance to it."""
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 1e-9:  # a limb seen end on is a dot
        t = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / squared))
    ex, ey = px - ax - t * dx, py - ay - t * dy
    return t, np.sqrt(ex * ex + ey * ey)


@no_type_check
@njit(cache=True, error_model="numpy")
def _depth(field, x, y):
    """Bilinear value and gradient of the depth below the outline; beyond the picture it goes on falling."""
    size = field.shape[0]
    cx, cy = min(max(x, 0.0), size - 1.001), min(max(y, 0.0), size - 1.001)
    column, row = int(cx), int(cy)
    u, v = cx - column, cy - row
    a, b = field[row, column], field[row, column + 1]
    c, d = field[row + 1, column], field[row + 1, column + 1]
    gx = (1 - v) * (b - a) + v * (d - c)
    gy = (1 - u) * (c - a) + u * (d - b)
    value = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d) - abs(x - cx) - abs(y - cy)
    return value, gx - np.sign(x - cx), gy - np.sign(y - cy)


@no_type_check
@njit(cache=True, error_model="numpy")
def _pull(value):
    """Huber's weight of a residual, and what it costs."""
    if value <= FAR:
        return 1.0, value * value
    return FAR / value, FAR * (2.0 * value - FAR)


@no_type_check
@njit(cache=True, error_model="numpy")
def _add(matrix, vector, i, gx, gy, share, residual, weight):
    """Place of one point in a residual; the caller adds the mixed terms."""
    vector[2 * i] += weight * share * gx * residual
    vector[2 * i + 1] += weight * share * gy * residual
    matrix[2 * i, 2 * i] += weight * share * share * gx * gx
    matrix[2 * i + 1, 2 * i + 1] += weight * share * share * gy * gy
    matrix[2 * i, 2 * i + 1] += weight * share * share * gx * gy
    matrix[2 * i + 1, 2 * i] += weight * share * share * gx * gy


@no_type_check
@njit(cache=True, error_model="numpy")
def _add_pair(matrix, vector, i, j, gx, gy, s, t, residual, weight):
    """A residual whose gradient is s g at point i and t g at point j."""
    _add(matrix, vector, i, gx, gy, s, residual, weight)
    _add(matrix, vector, j, gx, gy, t, residual, weight)
    m = weight * s * t
    for a in range(2):
        for b in range(2):
            value = m * (gx if a == 0 else gy) * (gx if b == 0 else gy)
            matrix[2 * i + a, 2 * j + b] += value
            matrix[2 * j + a, 2 * i + b] += value


@no_type_check
@njit(cache=True, error_model="numpy")
def _even(points, triples, longest, even, matrix, vector):
    """Two limbs in a line (that meet at a point with no third) are foreshortened alike; returns the cost.

    The residual is l1 L2 / (L1 + L2) - l2 L1 / (L1 + L2) with l the lengths and L the longest; its weight falls with
    the bend as cos^4, because limbs at an angle to each other also differ in depth.
    """
    total = 0.0
    gradient, names = np.zeros((3, 2)), np.zeros(3, np.int64)
    for n in range(len(triples)):
        names[0], names[1], names[2] = triples[n, 0], triples[n, 1], triples[n, 2]
        one, other = longest[triples[n, 3]], longest[triples[n, 4]]
        ax, ay = points[names[0], 0] - points[names[1], 0], points[names[0], 1] - points[names[1], 1]
        bx, by = points[names[2], 0] - points[names[1], 0], points[names[2], 1] - points[names[1], 1]
        a, b = np.sqrt(ax * ax + ay * ay) + 1e-6, np.sqrt(bx * bx + by * by) + 1e-6
        alpha, beta = other / (one + other), one / (one + other)
        r = alpha * a - beta * b
        weight = even * max(0.0, -(ax * bx + ay * by) / (a * b)) ** 4
        total += weight * r * r
        gradient[0, 0], gradient[0, 1] = alpha * ax / a, alpha * ay / a
        gradient[2, 0], gradient[2, 1] = -beta * bx / b, -beta * by / b
        gradient[1, 0], gradient[1, 1] = -gradient[0, 0] - gradient[2, 0], -gradient[0, 1] - gradient[2, 1]
        for i in range(3):
            for c in range(2):
                vector[2 * names[i] + c] += weight * gradient[i, c] * r
                for j in range(3):
                    for d in range(2):
                        matrix[2 * names[i] + c, 2 * names[j] + d] += weight * gradient[i, c] * gradient[j, d]
    return total


@no_type_check
@njit(cache=True, error_model="numpy")
def assemble(
    points, edges, triples, radii, longest, pixels, pixel_weight, field, prior, pull, stretch, even, matrix, vector
):
    """Normal equations of all residuals at `points`; returns what the picture, the lengths and the prior cost."""
    matrix[:] = 0.0
    vector[:] = 0.0
    picture, lengths, motion = 0.0, 0.0, 0.0
    for n in range(len(pixels)):
        px, py = pixels[n, 0], pixels[n, 1]
        best, best_t, limb = 1e9, 0.0, 0
        for e in range(len(edges)):
            a, b = edges[e, 0], edges[e, 1]
            t, d = _foot(px, py, points[a, 0], points[a, 1], points[b, 0], points[b, 1])
            if d - radii[e] < best:
                best, best_t, limb = d - radii[e], t, e
        if best <= 0.0:
            continue
        a, b = edges[limb, 0], edges[limb, 1]
        nx = px - points[a, 0] - best_t * (points[b, 0] - points[a, 0])
        ny = py - points[a, 1] - best_t * (points[b, 1] - points[a, 1])
        d = best + radii[limb]
        w, cost = _pull(best)
        picture += pixel_weight * cost
        _add_pair(matrix, vector, a, b, -nx / d, -ny / d, 1 - best_t, best_t, best, w * pixel_weight)
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        dx, dy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
        size = np.sqrt(dx * dx + dy * dy)
        count = int(np.ceil(size / STEP)) + 1
        for k in range(count):
            t = (k + 0.5) / count
            value, gx, gy = _depth(field, points[a, 0] + t * dx, points[a, 1] + t * dy)
            r = radii[e] - value
            if r > 0:
                w, cost = _pull(r)
                picture += cost
                _add_pair(matrix, vector, a, b, -gx, -gy, 1 - t, t, r, w)
        if size > longest[e]:
            r = size - longest[e]
            lengths += stretch * r * r
            _add_pair(matrix, vector, a, b, dx / size, dy / size, -1.0, 1.0, r, stretch)
    lengths += _even(points, triples, longest, even, matrix, vector)
    for k in range(len(points)):
        for a in range(2):
            r = points[k, a] - prior[k, a]
            motion += pull[k] * r * r
            matrix[2 * k + a, 2 * k + a] += pull[k]
            vector[2 * k + a] += pull[k] * r
    return picture, lengths, motion


@no_type_check
@njit(cache=True, error_model="numpy")
def fit_pose(points, edges, triples, radii, longest, pixels, pixel_weight, field, prior, pull, stretch, even, rounds):
    """The pose after at most `rounds` accepted steps (Marquardt 1963), and its three costs."""
    num = 2 * len(points)
    matrix, vector = np.zeros((num, num)), np.zeros(num)
    trial_matrix, trial_vector = np.zeros((num, num)), np.zeros(num)
    pose = points.copy()
    picture, lengths, motion = assemble(
        pose, edges, triples, radii, longest, pixels, pixel_weight, field, prior, pull, stretch, even, matrix, vector
    )
    damping = 0.3
    for _ in range(rounds):
        system = matrix.copy()
        for i in range(num):
            system[i, i] += damping * (1.0 + matrix[i, i])
        trial = pose - np.linalg.solve(system, vector).reshape(pose.shape)
        p, q, m = assemble(
            trial, edges, triples, radii, longest, pixels, pixel_weight, field, prior, pull, stretch, even,
            trial_matrix, trial_vector,
        )  # fmt: skip
        before, after = picture + lengths + motion, p + q + m
        if after < before:
            pose, picture, lengths, motion = trial, p, q, m
            matrix[:] = trial_matrix
            vector[:] = trial_vector
            damping = max(0.01, 0.3 * damping)
            if before - after < 1e-3 * (1.0 + before):
                break
        else:
            damping *= 5.0
            if damping > 1e4:
                break
    return pose, picture, lengths, motion
