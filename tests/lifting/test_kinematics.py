"""Forward kinematics: rigid by construction, inverted exactly, and the articulated model that a motion shows."""

import math

import pytest
import torch

from articulate.errors import DataError
from articulate.lifting.articulation import articulation_from_motion, local_directions, rest_pose, swing_axes
from articulate.lifting.kinematics import (
    body_rotation,
    bone_directions,
    bone_vectors,
    forward_kinematics,
    joint_rotations,
    joints_from_rotations,
    parent_bones,
    path_matrix,
    retarget,
)
from articulate.lifting.swing import (
    direction_from_swing,
    matrix_from_quaternion,
    perpendicular_axes,
    swing_angles,
    swing_between,
)
from articulate.seeds import torch_generator

# Root 2, so that the root is not keypoint 0; 1 is a second branch point.
EDGES = torch.tensor([[2, 1], [2, 4], [1, 0], [1, 3], [4, 5]])


def random_motion(frames: int = 7, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch_generator(0, "kinematics")
    directions = torch.randn(frames, 5, 3, generator=generator, dtype=dtype)
    lengths = torch.rand(5, generator=generator, dtype=dtype) + 0.5
    root = torch.randn(frames, 3, generator=generator, dtype=dtype)
    return forward_kinematics(root, directions, lengths, EDGES), lengths


def test_lengths_are_constant_and_directions_invert():
    joints, lengths = random_motion()
    assert torch.allclose(bone_vectors(joints, EDGES).norm(dim=-1), lengths.expand(7, 5), atol=1e-12)
    again = forward_kinematics(joints[:, 2], bone_directions(joints, EDGES), lengths, EDGES)
    assert torch.allclose(again, joints, atol=1e-12)


def test_retarget_changes_lengths_alone():
    joints, lengths = random_motion()
    longer = retarget(joints, 2 * lengths, EDGES)
    assert torch.allclose(bone_directions(longer, EDGES), bone_directions(joints, EDGES), atol=1e-12)
    assert torch.allclose(longer - longer[:, 2:3], 2 * (joints - joints[:, 2:3]), atol=1e-12)


def test_rotations_give_the_positions_back_with_and_without_body_frame():
    joints, _ = random_motion()
    for body in (None, body_rotation(joints, joints[0], EDGES)):
        swings = joint_rotations(joints, joints[0], EDGES, body)
        again = joints_from_rotations(joints[:, 2], swings, joints[0], EDGES, body)
        assert torch.allclose(again, joints, atol=1e-10)
        # Swing only: no component about the bone's rest direction.
        twist = (swings[..., 1:] * bone_directions(joints[0], EDGES)).sum(-1)
        assert twist.abs().max() < 1e-12


def test_body_rotation_recovers_a_rigid_turn():
    joints, _ = random_motion(1)
    turn = matrix_from_quaternion(torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.7, 0.2]).double(), dim=0))
    assert torch.allclose(body_rotation(joints @ turn.T, joints[0], EDGES)[0], turn, atol=1e-10)


def test_opposite_vectors_have_a_half_turn():
    start = torch.eye(3, dtype=torch.float64)
    matrix = matrix_from_quaternion(swing_between(start, -start))
    assert torch.allclose(torch.einsum("kij,kj->ki", matrix, start), -start, atol=1e-12)
    assert torch.allclose(torch.linalg.det(matrix), torch.ones(3, dtype=torch.float64))


def test_swing_angles_invert_and_match_a_hinge():
    rest = torch.nn.functional.normalize(torch.randn(5, 3, generator=torch_generator(1, "rest")).double(), dim=-1)
    angles = torch.randn(20, 5, 2, generator=torch_generator(2, "angles")).double()
    assert torch.allclose(swing_angles(rest, direction_from_swing(rest, angles)), angles, atol=1e-9)
    axes = perpendicular_axes(rest)
    assert torch.allclose(torch.linalg.cross(axes[:, 0], axes[:, 1]), rest, atol=1e-12)


def test_gradients_are_finite_at_a_straight_chain_and_float32_is_kept():
    directions = torch.tensor([[0.0, 0, 1]] * 5).expand(2, 5, 3).clone().requires_grad_()
    joints = forward_kinematics(torch.zeros(2, 3), directions, torch.ones(5), EDGES)
    assert joints.dtype == torch.float32
    bone_directions(joints, EDGES).pow(2).sum().backward()
    assert directions.grad is not None and directions.grad.isfinite().all()


def hinge_motion() -> tuple[torch.Tensor, torch.Tensor]:
    """A body that turns about y while one limb swings between -0.4 and 1.0 rad about the body's z axis."""
    edges = torch.tensor([[0, 1], [0, 2], [0, 3], [3, 4], [4, 5]])
    frames = 400
    angle = 0.3 + 0.7 * torch.cos(torch.linspace(0, 8 * math.pi, frames, dtype=torch.float64))
    body = torch.eye(3, dtype=torch.float64)
    limb = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    trunk = body[[0, 1, 2, 1]].expand(frames, 4, 3)
    directions = torch.cat([trunk, limb[:, None]], 1)
    yaw = torch.linspace(0, 3, frames, dtype=torch.float64)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    turn = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], -1).view(-1, 3, 3)
    lengths = torch.tensor([1.0, 2.0, 1.5, 0.5, 0.8], dtype=torch.float64)
    return forward_kinematics(yaw[:, None].expand(-1, 3), directions @ turn.mT, lengths, edges), edges


def test_articulation_of_a_hinge():
    joints, edges = hinge_motion()
    found = articulation_from_motion(joints[None], edges, tuple("abcdef"), "metre")
    assert found.parents.tolist() == [-1, 0, 0, 0, 3, 4]
    assert torch.allclose(found.bone_lengths, torch.tensor([0, 1.0, 2, 1.5, 0.5, 0.8]).double(), atol=1e-6)
    width = (found.joint_ranges[..., 1] - found.joint_ranges[..., 0]).norm(dim=-1)
    assert width[:5].max() < 1e-5
    assert abs(float(width[5]) - 1.4) < 0.02  # from -0.4 to 1.0 rad
    local = local_directions(joints, found.rest_pose, edges)
    axis = swing_axes(found.rest_pose, edges)[5]
    assert axis.shape == (2, 3) and local.shape == (400, 5, 3)
    rest = rest_pose(joints, edges)
    assert torch.allclose(bone_vectors(rest, edges).norm(dim=-1), found.bone_lengths[1:], atol=1e-6)


def test_failures_name_the_place():
    with pytest.raises(DataError, match="bone 1 .3, 4. does not continue"):
        parent_bones(torch.tensor([[0, 1], [3, 4]]))
    with pytest.raises(DataError, match="no frame"):
        articulation_from_motion(torch.full((2, 6, 3), torch.nan), EDGES, tuple("abcdef"))
    with pytest.raises(DataError, match="found 2 for 6"):
        articulation_from_motion(random_motion()[0], EDGES, ("a", "b"))
    assert path_matrix(EDGES).sum(1).tolist() == [2, 1, 0, 2, 1, 2]
