"""Euler angles of a rotation, apart from `rotations` because they need the case of a gimbal lock."""

import torch
from jaxtyping import Float
from torch import Tensor


def euler_from_rotation(rotation: Float[Tensor, "*B 3 3"], order: str = "xyz") -> Float[Tensor, "*B 3"]:
    """Angles of `rotation_from_euler` for an order of three different axes; the middle one is in [-pi/2, pi/2].

    At a gimbal lock (middle angle +-pi/2) only a sum or difference of the outer angles is defined: the last is 0.
    """
    i, j, k = ("xyz".index(letter) for letter in order.lower())
    assert len({i, j, k}) == 3, f"order {order!r} must name three different axes"
    sign = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    # Clamping at less than one keeps the derivative of the arc sine finite.
    sine = (sign * rotation[..., i, k]).clamp(-1 + 1e-12, 1 - 1e-12)
    middle = torch.asin(sine)
    locked = rotation[..., i, k].abs() > 1 - 1e-9
    first = torch.atan2(-sign * rotation[..., j, k], rotation[..., k, k])
    last = torch.atan2(-sign * rotation[..., i, j], rotation[..., i, i])
    locked_first = torch.atan2(sign * rotation[..., k, j], rotation[..., j, j])
    first = torch.where(locked, locked_first, first)
    last = torch.where(locked, torch.zeros_like(last), last)
    return torch.stack([first, middle, last], -1)
