"""Rotations as 3 x 3 matrices that multiply column vectors; angles in radians; gradients finite everywhere."""

import torch
from jaxtyping import Float
from torch import Tensor


def cross_matrix(vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Matrix [v]x with [v]x w = v x w."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def safe_norm(vector: Float[Tensor, "*B D"], tiny: float = 1e-12) -> Float[Tensor, "*B"]:
    """Length of vectors, sqrt(|v|^2 + tiny): the tiny square keeps the gradient finite at the zero vector."""
    return (vector.square().sum(-1) + tiny).sqrt()


def normalise(vector: Float[Tensor, "*B D"], tiny: float = 1e-12) -> Float[Tensor, "*B D"]:
    """Unit vectors; the zero vector stays zero, with a finite gradient."""
    return vector / safe_norm(vector, tiny)[..., None]


def rotation_from_axis_angle(vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Matrix of a rotation about `vector` by its length (Rodrigues' formula), exact and smooth at zero.

    R = I + a [v]x + b [v]x^2 with a = sin(t)/t, b = (1 - cos t)/t^2, by series below t^2 = 1e-6.
    """
    squared = vector.square().sum(-1)
    small = squared < 1e-6
    # The branch that is not taken must not divide by zero, or its gradient is NaN.
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    a = torch.where(small, 1 - squared / 6 + squared.square() / 120, angle.sin() / angle)
    b = torch.where(small, 0.5 - squared / 24 + squared.square() / 720, (1 - angle.cos()) / safe)
    k = cross_matrix(vector)
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return identity + a[..., None, None] * k + b[..., None, None] * (k @ k)


def quaternion_from_rotation(rotation: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 4"]:
    """Unit quaternion (w, x, y, z), w >= 0: the best conditioned of the four closed forms (Shepperd 1978)."""
    m00, m11, m22 = rotation[..., 0, 0], rotation[..., 1, 1], rotation[..., 2, 2]
    m01, m02, m12 = rotation[..., 0, 1], rotation[..., 0, 2], rotation[..., 1, 2]
    m10, m20, m21 = rotation[..., 1, 0], rotation[..., 2, 0], rotation[..., 2, 1]
    squares = torch.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], -1)
    rows = [
        torch.stack([squares[..., 0], m21 - m12, m02 - m20, m10 - m01], -1),
        torch.stack([m21 - m12, squares[..., 1], m10 + m01, m02 + m20], -1),
        torch.stack([m02 - m20, m10 + m01, squares[..., 2], m12 + m21], -1),
        torch.stack([m10 - m01, m20 + m02, m21 + m12, squares[..., 3]], -1),
    ]
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quaternion = normalise(torch.stack(rows, -2).gather(-2, best)[..., 0, :])
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def axis_angle_from_rotation(rotation: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 3"]:
    """Axis times angle in [0, pi] of a rotation matrix, through its quaternion, so that pi is no special case."""
    quaternion = quaternion_from_rotation(rotation)
    real, imaginary = quaternion[..., 0], quaternion[..., 1:]
    squared = imaginary.square().sum(-1)
    small = squared < 1e-12
    length = torch.where(small, torch.ones_like(squared), squared).sqrt()
    factor = torch.where(small, 2 / real.clamp_min(0.5), 2 * torch.atan2(length, real) / length)
    return factor[..., None] * imaginary


def rotation_from_six_numbers(six: Float[Tensor, "*B 6"]) -> Float[Tensor, "*B 3 3"]:
    """Rotation whose first two columns are the Gram-Schmidt form of the two vectors in `six` (Zhou 2019, section 4).

    Zero or parallel vectors give a finite but not orthonormal matrix.
    """
    first = normalise(six[..., :3])
    rest = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdim=True) * first
    second = normalise(rest)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def six_numbers_from_rotation(rotation: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 6"]:
    """First two columns of a rotation, one after the other; inverse of `rotation_from_six_numbers`."""
    return torch.cat([rotation[..., :, 0], rotation[..., :, 1]], -1)


def swing_between(source: Float[Tensor, "*B 3"], target: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Shortest rotation that takes the direction of `source` to that of `target`: a swing without twist.

    R = I + [v]x + [v]x^2 / (1 + c) with v = s x t, c = s . t. Opposite directions turn by pi about an axis that is
    perpendicular to `source` (the choice is arbitrary); zero vectors give the identity.
    """
    s, t = normalise(source), normalise(target)
    v = torch.linalg.cross(s, t)
    c = (s * t).sum(-1)
    opposite = c < -1 + 1e-7
    k = cross_matrix(v)
    divisor = torch.where(opposite, torch.ones_like(c), 1 + c)
    identity = torch.eye(3, dtype=source.dtype, device=source.device)
    swing = identity + k + (k @ k) / divisor[..., None, None]
    return torch.where(opposite[..., None, None], half_turn(perpendicular(s)), swing)


def perpendicular(vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """A unit vector at right angles to `vector`: its cross product with the axis it is least along."""
    least = vector.abs().argmin(-1)
    axis = torch.nn.functional.one_hot(least, 3).to(vector.dtype)
    return normalise(torch.linalg.cross(vector, axis))


def half_turn(axis: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """Rotation by pi about a unit axis: 2 a a^T - I."""
    identity = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return 2 * axis[..., :, None] * axis[..., None, :] - identity


def rotation_about(axis: int, angle: Float[Tensor, "*B"]) -> Float[Tensor, "*B 3 3"]:
    """Right-handed rotation by `angle` about coordinate axis 0, 1 or 2."""
    c, s = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    rows = {
        0: [one, zero, zero, zero, c, -s, zero, s, c],
        1: [c, zero, s, zero, one, zero, -s, zero, c],
        2: [c, -s, zero, s, c, zero, zero, zero, one],
    }[axis]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def rotation_from_euler(angles: Float[Tensor, "*B 3"], order: str = "xyz") -> Float[Tensor, "*B 3 3"]:
    """Product of the rotations about the axes in `order`, left to right: R = R_order[0] R_order[1] R_order[2].

    This is the order of the channels of a BVH file, and intrinsic (each axis turns with the ones before).
    """
    first, second, third = ("xyz".index(letter) for letter in order.lower())
    return (
        rotation_about(first, angles[..., 0])
        @ rotation_about(second, angles[..., 1])
        @ rotation_about(third, angles[..., 2])
    )
