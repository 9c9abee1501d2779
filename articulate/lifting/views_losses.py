"""Terms that compare lifted poses seen from new views with what was observed."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.geometry.cameras import from_perspective_offset, perspective_offset
from articulate.geometry.rotations import rotation_about


def turn_about_vertical(
    joints: Float[Tensor, "N K 3"], angle: Float[Tensor, " N"], elevation: Float[Tensor, ""]
) -> Float[Tensor, "N K 3"]:
    """Poses after a yaw of the subject by `angle`, in a camera whose vertical is tilted by `elevation` (rad).

    R = R_x(e) R_y(angle) R_x(e)^T: to the upright frame, turn, and back. A positive e looks down at the subject.
    """
    tilt = rotation_about(0, elevation)
    return joints @ (tilt @ rotation_about(1, angle) @ tilt.mT).mT


def sliced_wasserstein(
    first: Float[Tensor, "N D"], second: Float[Tensor, "N D"], directions: Float[Tensor, "D R"]
) -> Float[Tensor, ""]:
    """Squared sliced 2-Wasserstein distance of two sets of equal size, times D: mean over directions of the mean
    squared difference of sorted projections (Bonneel 2015). With D the value is per point in D dimensions.

    `directions` are unit columns. Two samples of one distribution are O(1/N) apart, not zero.
    """
    a = (first @ directions).sort(0).values
    b = (second @ directions).sort(0).values
    return (a - b).square().mean() * first.shape[1]


def random_directions(dimension: int, number: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, "D R"]:
    """Unit columns, uniform on the sphere."""
    raw = torch.randn(dimension, number, generator=generator, device=generator.device)
    return (raw / raw.norm(dim=0, keepdim=True)).to(like)


def random_angles(number: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, " N"]:
    """Angles, uniform on the full circle."""
    return 2 * math.pi * torch.rand(number, generator=generator, device=generator.device).to(like)


def lift_with_camera(
    points: Float[Tensor, "N K 2"], depth: Float[Tensor, "N K"], distance: float | None
) -> Float[Tensor, "N K 3"]:
    """Joints of image points with depths; `distance` in subject sizes for a perspective camera, None: parallel rays."""
    if distance is None:
        return torch.cat([points, depth[..., None]], -1)
    return from_perspective_offset(points, depth, distance)


def see_with_camera(joints: Float[Tensor, "N K 3"], distance: float | None) -> Float[Tensor, "N K 2"]:
    """Image of joints; inverse of `lift_with_camera`."""
    return joints[..., :2] if distance is None else perspective_offset(joints, distance)
