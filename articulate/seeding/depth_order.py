"""Which limb lies in front: pixels that show one limb of the fitted figure where another one also lies."""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Int
from numba import njit

from articulate.records import DepthOrder
from articulate.seeding.capsule_fit import Evidence, Figure

INSET = 0.7  # pixels inside its outline in which a covered limb surely lies
SLACK = 0.5  # pixels beyond its outline in which a pixel still belongs to the limb that it shows
LEAST_PIXELS = 3  # fewer are the rim of a fit


def find_depth_order(figure: Figure, evidence: Evidence, rows: Int[np.ndarray, " T"], size: int) -> DepthOrder:
    """One entry for every frame and pair of limbs of which one covers the other; frames by their number in `rows`.

    Lengths are returned in units of the image.
    """
    edges = figure.edges
    sums = np.zeros((len(figure.points), len(edges), len(edges), 4), np.float32)
    overlaps(figure.points, edges, figure.radii, figure.parts, evidence.labels, sums)
    frame, front, behind = np.nonzero(sums[..., 0] >= LEAST_PIXELS)
    pixels, by_front, by_behind, gap = sums[frame, front, behind].T
    return DepthOrder(
        frame=torch.from_numpy(rows[frame]),
        front=torch.from_numpy(edges[front].astype(np.int64)),
        behind=torch.from_numpy(edges[behind].astype(np.int64)),
        share=torch.from_numpy(np.stack([by_front, by_behind], -1) / pixels[:, None]),
        gap=torch.from_numpy(gap / pixels * 2.0 / size),
        pixels=torch.from_numpy(pixels),
    )


@no_type_check
@njit(cache=True, error_model="numpy", fastmath=True)
def overlaps(points, edges, radii, part_of_limb, labels, sums):
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
                    if inside > INSET:
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
