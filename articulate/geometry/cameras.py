"""Cameras: orthographic, weak perspective and perspective. Camera frame: x right, y down, z forward."""

import torch
from jaxtyping import Float
from torch import Tensor


def orthographic(points: Float[Tensor, "... 3"]) -> Float[Tensor, "... 2"]:
    """Projection along z: the first two coordinates, in the unit of the points."""
    return points[..., :2]


def weak_perspective(
    points: Float[Tensor, "*B K 3"], scale: Float[Tensor, "*#B"], translation: Float[Tensor, "*#B 2"]
) -> Float[Tensor, "*B K 2"]:
    """Scaled orthographic projection: image = scale * (x, y) + translation."""
    return scale[..., None, None] * points[..., :2] + translation[..., None, :]


def from_weak_perspective(
    xy: Float[Tensor, "*B K 2"],
    depth: Float[Tensor, "*B K"],
    scale: Float[Tensor, "*#B"],
    translation: Float[Tensor, "*#B 2"],
) -> Float[Tensor, "*B K 3"]:
    """Camera points that project to `xy` and lie at `depth`; inverse of `weak_perspective`. scale must not be 0."""
    plane = (xy - translation[..., None, :]) / scale[..., None, None]
    return torch.cat([plane, depth[..., None]], -1)


def perspective(
    points: Float[Tensor, "... 3"], focal: float | Float[Tensor, "#*B"] = 1.0, nearest: float = 1e-3
) -> Float[Tensor, "... 2"]:
    """Pinhole projection image = focal * (x, y) / z; z is clamped at `nearest`, so points behind give finite values."""
    return focal * points[..., :2] / points[..., 2:].clamp_min(nearest)


def from_perspective(
    xy: Float[Tensor, "... 2"], depth: Float[Tensor, "..."], focal: float = 1.0
) -> Float[Tensor, "... 3"]:
    """Camera points on the ray of `xy` at the absolute distance `depth` along z; inverse of `perspective`."""
    return torch.cat([xy * depth[..., None] / focal, depth[..., None]], -1)


def from_perspective_offset(
    xy: Float[Tensor, "*B K 2"], offset: Float[Tensor, "*B K"], distance: float | Tensor
) -> Float[Tensor, "*B K 3"]:
    """Camera points, centred in depth at 0, of a pinhole camera that sees a subject `distance` away.

    `xy` is in units of the subject at that distance (focal = distance): X = x (1 + z / D), so that D -> infinity is
    the orthographic camera. `offset` z is limited to > -0.9 D, because a point behind the camera has no image.
    """
    limited = torch.maximum(offset, torch.as_tensor(-0.9 * distance, dtype=offset.dtype, device=offset.device))
    return torch.cat([xy * (1 + limited / distance)[..., None], limited[..., None]], -1)


def perspective_offset(points: Float[Tensor, "*B K 3"], distance: float | Tensor) -> Float[Tensor, "*B K 2"]:
    """Projection of points centred at depth 0, seen from `distance`: x = X / (1 + Z / D), with Z > -0.9 D."""
    nearness = (1 + points[..., 2:] / distance).clamp_min(0.1)
    return points[..., :2] / nearness


def transform(
    points: Float[Tensor, "*B K 3"], rotation: Float[Tensor, "*#B 3 3"], centre: Float[Tensor, "*#B 3"]
) -> Float[Tensor, "*B K 3"]:
    """Points in the frame of a camera whose centre is `centre` and whose rows of `rotation` are its axes: R (X - c)."""
    return (points - centre[..., None, :]) @ rotation.mT


def relative_pose(
    first_rotation: Float[Tensor, "*B 3 3"],
    first_centre: Float[Tensor, "*B 3"],
    second_rotation: Float[Tensor, "*B 3 3"],
    second_centre: Float[Tensor, "*B 3"],
) -> tuple[Float[Tensor, "*B 3 3"], Float[Tensor, "*B 3"]]:
    """Rotation and centre of a second camera in the frame of a first one (Li 2020, section 3.4.2).

    R = R2 R1^T, c = R1 (c2 - c1), for cameras written as X_camera = R (X_world - c).
    """
    rotation = second_rotation @ first_rotation.mT
    centre = (first_rotation @ (second_centre - first_centre)[..., None])[..., 0]
    return rotation, centre
