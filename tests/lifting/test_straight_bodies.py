"""A body of two straight limbs of two bones each: what it means for bones at a constant distance and for signs."""

import torch

from articulate.lifting.body_energy import Body, mirrored_bones
from articulate.lifting.depth_evidence import depth_evidence
from articulate.lifting.joint_prior import chain_of
from articulate.lifting.order_signs import ordered_joints
from articulate.records import DepthOrder

EDGES = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])


def two_limbs(bend: float) -> torch.Tensor:
    """Joints of limbs of length 2 that swing through the picture's plane, each bent by `bend` in its middle."""
    time = torch.arange(200).double()
    angles = torch.stack([0.05 * time, 1.3 * torch.sin(0.08 * time) + 0.3])
    turns = torch.stack([0.07 * time, -0.06 * time])
    bones = []
    for angle, turn in zip(angles, turns, strict=True):
        for part in (turn, turn + bend):
            flat = torch.stack([part.cos(), part.sin()], -1)
            bones.append(torch.cat([angle.cos()[:, None] * flat, angle.sin()[:, None]], -1))
    joints = torch.cat([torch.zeros(200, 1, 3).double(), torch.stack(bones, 1).cumsum(1)], 1)
    return joints - joints.mean(1, keepdim=True)


def body_of(joints: torch.Tensor) -> Body:
    """With the nearer end of the first limb in every fourth frame."""
    frame = torch.arange(0, 200, 4)
    near = torch.where(joints[frame, 0, 2] < joints[frame, 2, 2], 0, 2)
    front, behind = (torch.stack([end, torch.ones_like(end)], -1) for end in (near, 2 - near))
    count = len(frame)
    order = DepthOrder(frame, front, behind, torch.zeros(count, 2), torch.zeros(count), torch.full((count,), 10.0))
    evidence = depth_evidence(order, torch.ones(200, dtype=torch.bool), 1.0)
    ones = torch.ones(joints.shape[:2]).double()
    clip = torch.zeros(200, dtype=torch.int64)
    return Body(joints[..., :2], ones, clip, EDGES, evidence, mirrored_bones(EDGES, None), chain_of(EDGES), ones)


def test_ends_of_straight_limbs_keep_their_distance_in_a_body_made_of_these():
    straight, bent = body_of(two_limbs(0.0)), body_of(two_limbs(0.7))
    assert straight.is_straight
    assert straight.bones.tolist() == [*EDGES.tolist(), [0, 2], [2, 4]]
    assert not bent.is_straight
    assert bent.bones.tolist() == EDGES.tolist()


def test_bones_of_a_straight_limb_get_one_sign():
    joints = two_limbs(0.0)
    start = torch.cat([joints[..., :2], torch.zeros(200, 5, 1).double()], -1)
    found = ordered_joints(start, body_of(joints), 0.03, 0.05)
    steps, truth = (one[:, 1:, 2] - one[:, :-1, 2] for one in (found, joints))
    assert (steps[:, 0] * steps[:, 1] >= 0).all()
    right = (truth[:, :2].abs() * (steps[:, :2] * truth[:, :2] > 0)).sum() / truth[:, :2].abs().sum()
    assert right > 0.95
