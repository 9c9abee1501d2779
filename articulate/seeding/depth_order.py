"""Which limb lies in front: pixels that show one limb of the fitted figure where another one also lies.

A capsule is not quite the limb: it reaches beyond the corners of an egg, and beside the neck of a chest that is one
with its head. What shows there may lie behind. So a limb counts as covered only at places of its own where it shows
against the background whenever nothing else does.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Int
from numba import njit

from articulate.records import DepthOrder
from articulate.seeding.capsule_fit import Evidence, Figure
from articulate.seeding.covering import Covering, with_tilts
from articulate.seeding.parts.colour import OUTSIDE
from articulate.seeding.seams import find_tilts

INSET = 0.7  # pixels inside its outline in which a covered limb surely lies
SLACK = 0.5  # pixels beyond its outline in which a pixel still belongs to the limb that it shows
LEAST_PIXELS = 3  # fewer are the rim of a fit
ALONG, ACROSS = 8, 5  # places on a limb between its two ends, with one more at each of them, and from axis to outline
FILLED = 0.9  # share of the pixels at a place, of those that show limb or background, that show the limb


def find_depth_order(figure: Figure, evidence: Evidence, rows: Int[np.ndarray, " T"], size: int) -> DepthOrder:
    """One entry for every frame and pair of limbs of which one covers the other; frames by their number in `rows`.

    Straight limbs whose seams tell which end is nearer have entries for that (`seams.py`).
    Lengths are returned in units of the image.
    """
    edges = figure.edges
    sums = np.zeros((len(figure.points), len(edges), len(edges), 4), np.float32)
    seen = np.zeros((len(edges), ALONG + 2, ACROSS, 2))
    places(figure.points, edges, figure.radii, figure.parts, evidence.labels, seen)
    filled = seen[..., 0] >= FILLED * seen.sum(-1)
    overlaps(figure.points, edges, figure.radii, figure.parts, evidence.labels, filled, sums)
    frame, front, behind = np.nonzero(sums[..., 0] >= LEAST_PIXELS)
    pixels, by_front, by_behind, gap = sums[frame, front, behind].T
    share = np.stack([by_front, by_behind], -1) / pixels[:, None]
    found = Covering(frame, edges[front], edges[behind], share, gap / pixels * 2.0 / size, pixels)
    return with_tilts(found, figure, find_tilts(figure, evidence)).record(rows)


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def places(points, edges, radii, part_of_limb, labels, seen):
    """Adds to seen [L, ALONG + 2, ACROSS, 2] the pixels at every place of a limb that show it, and the background's."""
    size = labels.shape[1]
    for frame in range(len(points)):
        for limb in range(len(edges)):
            a, b = points[frame, edges[limb, 0]], points[frame, edges[limb, 1]]
            reach = max(radii[limb, 0], radii[limb, 1])
            top, bottom = max(0, int(min(a[1], b[1]) - reach)), min(size - 1, int(max(a[1], b[1]) + reach) + 1)
            left, right = max(0, int(min(a[0], b[0]) - reach)), min(size - 1, int(max(a[0], b[0]) + reach) + 1)
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    label = labels[frame, row, column]
                    if label != part_of_limb[limb] and label != OUTSIDE:
                        continue
                    foot, inside, half = _place(points[frame], edges[limb], radii[limb], column, row)
                    if inside > 0.0:
                        along, across = _bin(foot, inside, half)
                        seen[limb, along, across, int(label == OUTSIDE)] += 1.0


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def _bin(foot, inside, half):
    """Number of a place along and across a limb, from what `_place` says of it."""
    along = 0 if foot <= 0.0 else ALONG + 1 if foot >= 1.0 else 1 + min(ALONG - 1, int(foot * ALONG))
    # half^2 = radius^2 - distance^2 and inside = radius - distance.
    radius = 0.5 * (half * half / inside + inside)
    return along, min(ACROSS - 1, int((1.0 - inside / radius) * ACROSS))


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def overlaps(points, edges, radii, part_of_limb, labels, filled, sums):
    """Adds to sums [T, L, L, 4], for limb i seen at a pixel and limb j also there: 1, the foot along i, the foot along
    j, and how much thicker i is there than j (half the depth of a round limb at the pixel), in pixels."""
    num_limbs, size = len(edges), labels.shape[1]
    limb_of_part = np.full(max(1, part_of_limb.max() + 1), -1, np.int64)
    for limb in range(num_limbs):
        if part_of_limb[limb] >= 0:
            limb_of_part[part_of_limb[limb]] = limb
    for frame in range(len(points)):
        for row in range(size):
            for column in range(size):
                part = labels[frame, row, column]
                if part < 0 or part >= len(limb_of_part) or limb_of_part[part] < 0:
                    continue
                own = limb_of_part[part]
                foot, inside, half = _place(points[frame], edges[own], radii[own], column, row)
                if inside < -SLACK:
                    continue
                for limb in range(num_limbs):
                    if limb == own:
                        continue
                    other_foot, inside, other_half = _place(points[frame], edges[limb], radii[limb], column, row)
                    if inside <= INSET:
                        continue
                    along, across = _bin(other_foot, inside, other_half)
                    if part_of_limb[limb] < 0 or filled[limb, along, across]:
                        sums[frame, own, limb, 0] += 1.0
                        sums[frame, own, limb, 1] += foot
                        sums[frame, own, limb, 2] += other_foot
                        sums[frame, own, limb, 3] += half - other_half


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True, inline="always")
def _place(points, edge, radii, x, y):
    """Foot of a pixel on a limb (0 to 1), how far inside the outline it is, and the limb's half depth there."""
    ax, ay = points[edge[0], 0], points[edge[0], 1]
    dx, dy = points[edge[1], 0] - ax, points[edge[1], 1] - ay
    squared = dx * dx + dy * dy
    foot = 0.5
    if squared > 1e-6:  # a limb seen end on is a disc
        foot = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / squared))
    nx, ny = x - ax - foot * dx, y - ay - foot * dy
    radius = radii[0] + foot * (radii[1] - radii[0])
    distance = np.sqrt(nx * nx + ny * ny)
    return foot, radius - distance, np.sqrt(max(radius * radius - distance * distance, 0.0))
