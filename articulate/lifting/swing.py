"""Swing rotations between unit vectors: the part of a joint's rotation that positions can show (twist they cannot)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize


def perpendicular_axes(direction: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2 3"]:
    """Two unit axes that complete `direction` to a right-handed frame (axis 0 x axis 1 = direction).

    Axis 0 is perpendicular to the coordinate axis least aligned with `direction`, so that the choice repeats exactly.
    """
    least = torch.nn.functional.one_hot(direction.abs().argmin(-1), 3).to(direction)
    first = normalize(torch.linalg.cross(least, direction), dim=-1)
    return torch.stack([first, torch.linalg.cross(direction, first)], -2)


def swing_between(start: Float[Tensor, "*#batch 3"], end: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*out 4"]:
    """Unit quaternion (w, x, y, z) of the smallest rotation that takes unit vector `start` to unit vector `end`.

    q ~ (1 + start . end, start x end). For opposite vectors the axis is arbitrary: the first of `perpendicular_axes`.
    """
    start, end = torch.broadcast_tensors(start, end)
    real = 1 + (start * end).sum(-1, keepdim=True)
    quaternion = torch.cat([real, torch.linalg.cross(start, end)], -1)
    half_turn = torch.cat([torch.zeros_like(real), perpendicular_axes(start)[..., 0, :]], -1)
    # Below this the cross product has no reliable direction left in the given precision.
    opposite = real < 8 * torch.finfo(start.dtype).eps
    return normalize(torch.where(opposite, half_turn, quaternion), dim=-1)


def matrix_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix of a unit quaternion (w, x, y, z)."""
    w, x, y, z = quaternion.unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def swing_angles(rest: Float[Tensor, "L 3"], direction: Float[Tensor, "*batch L 3"]) -> Float[Tensor, "*batch L 2"]:
    """Rotation vector (rad) of the swing from `rest` to `direction`, in the two axes `perpendicular_axes(rest)`.

    Both are unit vectors in the frame of the parent bone. Exact inverse of `direction_from_swing` below a half turn.
    """
    axes = perpendicular_axes(rest)
    sideways = torch.einsum("lai,...li->...la", axes, torch.linalg.cross(*torch.broadcast_tensors(rest, direction)))
    sine = sideways.norm(dim=-1, keepdim=True)
    cosine = (rest * direction).sum(-1, keepdim=True)
    # At zero swing angle / sine tends to 1; the floor keeps the quotient finite there.
    ratio = torch.where(sine > 1e-12, torch.atan2(sine, cosine) / sine.clamp_min(1e-12), torch.ones_like(sine))
    return sideways * ratio


def direction_from_swing(
    rest: Float[Tensor, "L 3"], angles: Float[Tensor, "*batch L 2"]
) -> Float[Tensor, "*batch L 3"]:
    """Unit vector that the swing `angles` (rad, in `perpendicular_axes(rest)`) makes of `rest` (Rodrigues' formula)."""
    vector = torch.einsum("...la,lai->...li", angles, perpendicular_axes(rest))
    angle = vector.norm(dim=-1, keepdim=True)
    sine_ratio = torch.sinc(angle / torch.pi)  # sin(angle) / angle, finite at zero
    return torch.cos(angle) * rest + sine_ratio * torch.linalg.cross(*torch.broadcast_tensors(vector, rest))
