"""Signs of depth from what covers what: a swinging chain whose depths are known, and refinements that start from it."""

import torch

from articulate.geometry.rotations import rotation_about
from articulate.lifting.body_energy import Body, mirrored_bones
from articulate.lifting.body_refinement import Refined, likeliest
from articulate.lifting.depth_evidence import depth_evidence
from articulate.lifting.from_order import is_thin, refined_from_order
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.joint_prior import chain_of
from articulate.lifting.order_signs import depth_sizes, ordered_joints
from articulate.lifting.refinement_config import RefinementConfig
from articulate.records import DepthOrder

EDGES = torch.tensor([[0, 1], [1, 2], [2, 3]])


def swinging_chain(frames: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints in the camera's frame of two clips of three bones of length 1 that swing through the plane; the clips."""
    time = torch.arange(frames).double()
    angles = torch.stack(
        [1.2 * torch.sin(0.15 * time), 1.4 * torch.sin(0.11 * time + 1), 1.3 * torch.sin(0.13 * time + 2)]
    )
    bones = torch.stack([0.3 * angles.cos().T, angles.cos().T * 0.91**0.5, angles.sin().T], -1)
    joints = torch.cat([torch.zeros(frames, 1, 3).double(), bones.cumsum(1)], 1)
    return joints - joints.mean(1, keepdim=True), (time >= frames / 2).long()


def neighbours_in_order(joints: torch.Tensor, every: int = 2) -> DepthOrder:
    """In every second frame, which of two bones that meet is nearer, a fifth of the way from where they meet."""
    entries = []
    for t in range(0, len(joints), every):
        for first, second in ((0, 1), (1, 2)):
            depth = [0.8 * joints[t, first + 1, 2] + 0.2 * joints[t, first, 2]]
            depth.append(0.8 * joints[t, second, 2] + 0.2 * joints[t, second + 1, 2])
            limbs, feet = [EDGES[first].tolist(), EDGES[second].tolist()], [0.8, 0.2]
            near = int(depth[1] < depth[0])
            entries.append((t, limbs[near], limbs[1 - near], [feet[near], feet[1 - near]]))
    frame, front, behind, share = zip(*entries, strict=True)
    count = len(entries)
    return DepthOrder(
        torch.tensor(frame),
        torch.tensor(front),
        torch.tensor(behind),
        torch.tensor(share),
        torch.zeros(count),
        torch.full((count,), 20.0),
    )


def body_of(joints: torch.Tensor, clip: torch.Tensor, order: DepthOrder) -> Body:
    """The chain with exact points."""
    evidence = depth_evidence(order, torch.ones(len(joints), dtype=torch.bool), 1.0)
    known = torch.ones(joints.shape[:2]).double()
    return Body(joints[..., :2], known, clip, EDGES, evidence, mirrored_bones(EDGES, None), chain_of(EDGES), known)


def right_signs(found: torch.Tensor, joints: torch.Tensor) -> float:
    """Share of right signs of dz, weighted by |dz|."""
    steps = [one[:, EDGES[:, 1], 2] - one[:, EDGES[:, 0], 2] for one in (found, joints)]
    return (steps[1].abs() * (steps[0] * steps[1] > 0)).sum().div(steps[1].abs().sum()).item()


def test_signs_follow_from_which_of_two_limbs_that_meet_is_in_front():
    joints, clip = swinging_chain()
    body = body_of(joints, clip, neighbours_in_order(joints))
    start = joints.clone()
    start[..., 2] = 0.1 * torch.arange(4).double()  # every bone points away
    assert right_signs(start, joints) < 0.7
    found = ordered_joints(start, body, 0.03, 0.05)
    assert right_signs(found, joints) > 0.9
    assert torch.equal(found[..., :2], joints[..., :2])
    assert (found[..., 2] - joints[..., 2]).abs().mean() < 0.15


def test_without_any_order_first_signs_stay():
    joints, clip = swinging_chain()
    none = DepthOrder(*(value[:0] for value in vars(neighbours_in_order(joints)).values()))
    assert right_signs(ordered_joints(joints, body_of(joints, clip, none), 0.03, 0.05), joints) > 0.97


def test_depths_follow_from_the_longest_look_and_a_bone_that_is_never_seen_has_none():
    apparent = torch.tensor([[3.0, 1.0], [5.0, 1.0], [4.0, 1.0]]).double().numpy()
    known = torch.tensor([[True, False]] * 3).numpy()
    found = depth_sizes(apparent, known)
    assert abs(found[2, 0] - 3) < 0.15
    assert (found[:, 1] == 0).all()


def test_a_pole_that_bends_to_all_sides_is_read_by_its_order_at_its_own_elevation():
    """Its mean pose tells no heading, so that the views' reading, given here as the mirror image, is worse."""
    joints, clip = swinging_chain(160)
    upright = joints[..., [0, 1, 2]]
    camera = rotation_about(0, torch.tensor(0.3).double()) @ rotation_about(1, 0.05 * torch.arange(160).double())
    joints = torch.einsum("nij,nkj->nki", camera, upright)
    body = body_of(joints, clip, neighbours_in_order(joints, 1))
    model = HeadingModel(upright.mean(0), 0.1 * torch.eye(12).double(), 0.0, 0.03, 36)
    rival = Refined(joints * joints.new_tensor([1.0, 1.0, -1.0]), 0.0, model.mean, 0.0)
    config = RefinementConfig(rounds=6, steps=15)
    best = likeliest(refined_from_order(joints * torch.tensor([1.0, 1.0, 0.1]), model, body, config, rival))
    assert right_signs(best.joints, joints) > 0.9


def test_a_pose_is_thin_where_it_has_no_front_and_back() -> None:
    arm = torch.tensor([[0.0, 0.0, 0.0], [0.3, 1.0, 0.02], [0.8, 1.2, -0.02]])
    pole = torch.tensor([[0.0, 0.0, 0.0], [0.05, 1.0, 0.0], [0.0, 2.0, 0.05]])
    person = torch.tensor([[0.0, 0.0, 0.0], [0.2, 1.0, 0.1], [-0.2, 1.0, 0.1], [0.1, -1.0, -0.1], [-0.1, -1.0, -0.1]])
    turn = rotation_about(1, torch.tensor(0.8))
    for pose, thin in ((arm, True), (pole, True), (person, False)):
        assert is_thin(pose) is thin
        assert is_thin(pose @ turn.to(pose).T) is thin
