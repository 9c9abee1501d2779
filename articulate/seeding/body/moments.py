"""The solid body inside a mask: what remains without limbs and tails, its centre and its long axis.

Coordinates are pixels of the stored frame (x right, y down, integer = pixel centre); angles in radians from x to y.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

SURE = 250  # level of a soft mask from which a pixel is surely the subject, not its shadow or a faint wing


@dataclass(frozen=True)
class BodyMoments:
    """Per frame: centre, direction of the long axis (without sign), half lengths, and the area of the core."""

    centre: Float[np.ndarray, "T 2"]
    angle: Float[np.ndarray, " T"]
    spread: Float[np.ndarray, "T 2"]  # standard deviations along the long and the short axis
    area: Float[np.ndarray, " T"]


def solid_core(mask: UInt8[np.ndarray, "S S"], opening: float) -> Bool[np.ndarray, "S S"]:
    """The mask opened by a disc of `opening` of its largest inner radius: the largest piece."""
    sure = mask >= SURE
    if sure.sum() < 0.25 * (mask >= 128).sum():
        sure = mask >= 128
    if not sure.any():
        return sure
    depth = ndimage.distance_transform_edt(np.pad(sure, 1))[1:-1, 1:-1]
    radius = opening * depth.max()
    labels, count = ndimage.label(depth > radius)
    if count > 1:
        labels = np.where(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]), 1, 0)
    return ndimage.distance_transform_edt(labels == 0) <= radius


def body_moments(mask: UInt8[np.ndarray, "T S S"], opening: float) -> BodyMoments:
    """First and second moments of the solid core of every mask (Hu 1962). Frames must not be empty."""
    count = len(mask)
    centre, angle = np.zeros((count, 2)), np.zeros(count)
    spread, area = np.zeros((count, 2)), np.zeros(count)
    for t in range(count):
        y, x = np.nonzero(solid_core(mask[t], opening))
        points = np.stack([x, y], -1).astype(np.float64)
        centre[t], area[t] = points.mean(0), len(points)
        values, vectors = np.linalg.eigh(np.cov(points.T, bias=True) + 1e-9 * np.eye(2))
        angle[t] = np.arctan2(vectors[1, 1], vectors[0, 1])
        spread[t] = np.sqrt(np.maximum(values[::-1], 0))
    return BodyMoments(centre, angle, spread, area)
