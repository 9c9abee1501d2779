"""Rotations: orthonormal, invertible, float64 kept, gradients finite at the bad points; scipy as second opinion."""

import itertools
import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from articulate.geometry.euler import euler_from_rotation
from articulate.geometry.rotations import (
    axis_angle_from_rotation,
    normalise,
    rotation_from_axis_angle,
    rotation_from_euler,
    rotation_from_six_numbers,
    six_numbers_from_rotation,
    swing_between,
)

EYE = torch.eye(3, dtype=torch.float64)


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def is_rotation(r: torch.Tensor) -> bool:
    return torch.allclose(r @ r.mT, EYE.expand_as(r), atol=1e-9) and bool((torch.linalg.det(r) > 0).all())


def test_axis_angle_against_scipy_and_back():
    v = points(0, 50, 3) * torch.linspace(0, 0.9, 50, dtype=torch.float64)[:, None]
    r = rotation_from_axis_angle(v)
    assert is_rotation(r)
    assert torch.allclose(r, torch.from_numpy(Rotation.from_rotvec(v.numpy()).as_matrix()))
    assert torch.allclose(axis_angle_from_rotation(r), v, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, math.pi - 1e-7, math.pi])
def test_axis_angle_at_the_hard_angles(angle):
    v = torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64) * angle
    r = rotation_from_axis_angle(v)
    back = rotation_from_axis_angle(axis_angle_from_rotation(r))
    assert torch.allclose(back, r, atol=1e-7)


@pytest.mark.parametrize("bad", [torch.zeros(2, 3), torch.full((2, 3), 1e-8)])
def test_gradients_are_finite_at_zero(bad):
    v = bad.double().requires_grad_()
    six = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    total = rotation_from_axis_angle(v).sum() + axis_angle_from_rotation(rotation_from_axis_angle(v)).sum()
    (total + rotation_from_six_numbers(six).sum() + swing_between(v, v).sum()).backward()
    assert torch.isfinite(v.grad).all() and torch.isfinite(six.grad).all()


def test_six_numbers_round_trip():
    r = rotation_from_six_numbers(points(1, 20, 6))
    assert is_rotation(r)
    assert torch.allclose(rotation_from_six_numbers(six_numbers_from_rotation(r)), r)


def test_swing_takes_source_to_target_without_twist():
    s, t = points(2, 30, 3), points(3, 30, 3)
    r = swing_between(s, t)
    assert is_rotation(r)
    assert torch.allclose((r @ normalise(s)[..., None])[..., 0], normalise(t), atol=1e-9)
    # No twist: the axis of the rotation is perpendicular to both directions.
    axis = normalise(axis_angle_from_rotation(r))
    assert (axis * normalise(s)).sum(-1).abs().max() < 1e-7


def test_swing_between_equal_and_opposite_directions():
    s = points(4, 10, 3)
    assert torch.allclose(swing_between(s, 2 * s), EYE.expand(10, 3, 3), atol=1e-7)
    back = swing_between(s, -s)
    assert is_rotation(back)
    assert torch.allclose((back @ s[..., None])[..., 0], -s, atol=1e-9)


@pytest.mark.parametrize("order", ["".join(p) for p in itertools.permutations("xyz")])
def test_euler_against_scipy_and_back(order):
    angles = (torch.rand(40, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 0.5) * 3
    r = rotation_from_euler(angles, order)
    assert torch.allclose(r, torch.from_numpy(Rotation.from_euler(order.upper(), angles.numpy()).as_matrix()))
    assert torch.allclose(euler_from_rotation(r, order), angles, atol=1e-9)


@pytest.mark.parametrize("order", ["xyz", "zyx", "yxz"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_euler_at_gimbal_lock_gives_the_same_rotation(order, sign):
    r = rotation_from_euler(torch.tensor([[0.4, sign * math.pi / 2, -0.7]], dtype=torch.float64), order)
    assert torch.allclose(rotation_from_euler(euler_from_rotation(r, order), order), r, atol=1e-5)


def test_float32_stays_float32():
    v = points(6, 3, 3).float()
    r = rotation_from_axis_angle(v)
    for result in (
        r,
        axis_angle_from_rotation(r),
        swing_between(v, -v),
        rotation_from_euler(v),
        euler_from_rotation(r),
    ):
        assert result.dtype == torch.float32
