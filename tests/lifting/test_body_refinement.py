"""Refinement of a run as one body, on a made-up chain that turns: known depths, known order, known answers."""

import math
from dataclasses import replace

import pytest
import torch

from articulate.geometry.rotations import rotation_about
from articulate.lifting.body_energy import Body, mirrored_bones
from articulate.lifting.body_prior import body_prior, likeliest_path
from articulate.lifting.body_refinement import Refined, first_lengths, refine_body
from articulate.lifting.coverage import Coverage
from articulate.lifting.depth_evidence import DepthEvidence, depth_evidence
from articulate.lifting.elevations import other_readings
from articulate.lifting.heading_fit import HeadingFit
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.inputs import prepare, trusted
from articulate.lifting.joint_prior import chain_of
from articulate.lifting.motion import is_flat
from articulate.lifting.parabola import vertex
from articulate.lifting.refined_run import agreement, flat_run
from articulate.lifting.refinement_config import RefinementConfig
from articulate.lifting.rereading import model_of_poses, read_again
from articulate.lifting.run import LiftedRun
from articulate.lifting.views import ViewLifter, ViewsConfig
from articulate.records import DepthOrder, Seeds

EDGES = torch.tensor([[0, 1], [1, 2], [2, 3], [1, 4], [4, 5]])
REST = torch.tensor(
    [[0, 0.6, 0], [0, -0.4, 0], [0.5, -0.4, 0.1], [0.6, 0.1, 0.3], [-0.5, -0.4, 0.1], [-0.6, 0.0, 0.5]]
).double()
ELEVATION = 0.15


def refined(joints: torch.Tensor, energy: float) -> Refined:
    """A finished refinement of which only joints and energy matter."""
    return Refined(joints, energy, REST, ELEVATION)


def turning_body(frames: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints in the camera's frame of two clips that turn, with arms that swing; clip of every frame."""
    time = torch.arange(frames).double()
    swing = 0.6 * torch.sin(time / 7)
    pose = REST.repeat(frames, 1, 1)
    for start, end, sign in ((2, 3, 1.0), (4, 5, -1.0)):
        bend = rotation_about(0, sign * swing)
        pose[:, end] = pose[:, start] + torch.einsum("nij,j->ni", bend, REST[end] - REST[start])
    camera = rotation_about(0, torch.tensor(ELEVATION).double()) @ rotation_about(1, 0.07 * time)
    joints = torch.einsum("nij,nkj->nki", camera, pose)
    return joints - joints.mean(1, keepdim=True), (time >= frames / 2).long()


def body_of(points: torch.Tensor, clip: torch.Tensor, evidence: DepthEvidence | None) -> Body:
    """All points known, all joints at one pace."""
    ones = torch.ones(points.shape[:2]).double()
    return Body(points, ones, clip, EDGES, evidence, mirrored_bones(EDGES, None), chain_of(EDGES), ones)


def true_order(joints: torch.Tensor) -> DepthOrder:
    """In every frame, which of the two lower arms is nearer at its middle."""
    right, left = joints[:, [2, 3], 2].mean(1), joints[:, [4, 5], 2].mean(1)
    arms = torch.tensor([[2, 3], [4, 5]])
    nearer = (left < right).long()
    count = len(joints)
    half = torch.full((count, 2), 0.5)
    return DepthOrder(
        torch.arange(count), arms[nearer], arms[1 - nearer], half, torch.zeros(count), torch.full((count,), 20.0)
    )


@pytest.mark.parametrize("mirrored", [False, True])
def test_refinement_recovers_depths_and_takes_the_reflection_that_was_seen(mirrored):
    joints, clip = turning_body()
    generator = torch.Generator().manual_seed(0)
    start = joints.clone()
    start[..., 2] *= 0.7 * (-1.0 if mirrored else 1.0)
    start[..., 2] += 0.15 * torch.randn(start.shape[:2], generator=generator, dtype=torch.float64)
    points = joints[..., :2] + 0.01 * torch.randn(joints[..., :2].shape, generator=generator, dtype=torch.float64)
    # One keypoint in twenty lies somewhere else altogether.
    wrong = torch.rand(points.shape[:2], generator=generator) < 0.05
    points[wrong] += 0.5
    evidence = depth_evidence(true_order(joints), torch.ones(len(joints), dtype=torch.bool), 1.0)
    body = body_of(points, clip, evidence)
    mean, elevation = REST - REST.mean(0), -ELEVATION if mirrored else ELEVATION
    if mirrored:
        mean = mean * mean.new_tensor([1.0, 1.0, -1.0])
    found = refine_body(start, body, mean, elevation, RefinementConfig(rounds=8, steps=20))
    before = (start[..., 2] - joints[..., 2]).abs().mean()
    after = (found.joints[..., 2] - joints[..., 2]).abs().mean()
    assert after < 0.35 * before
    assert evidence.violated(found.joints[..., 2]) < 0.05
    lengths = (found.joints[:, EDGES[:, 1]] - found.joints[:, EDGES[:, 0]]).norm(dim=-1)
    assert (lengths.std(0) / lengths.mean(0)).max() < 0.1


def test_mirrored_bones_are_paired_and_get_one_length_when_that_is_believed():
    twins = mirrored_bones(EDGES, torch.tensor([-1, -1, 4, 5, 2, 3]))
    assert twins.tolist() == [[1, 3], [2, 4]]
    assert len(mirrored_bones(EDGES, None)) == 0
    joints, clip = turning_body(40)
    body = replace(body_of(joints[..., :2], clip, None), twins=twins)
    mean = REST - REST.mean(0)
    apart = []
    for symmetry in (0.0, 0.001):
        config = RefinementConfig(rounds=3, steps=15, symmetry=symmetry)
        found = refine_body(joints, body, mean, ELEVATION, config).joints
        length = (found[:, EDGES[:, 1]] - found[:, EDGES[:, 0]]).norm(dim=-1).mean(0)
        apart.append((length[2] / length[4]).log().abs().item())
    assert apart[1] < 0.5 * apart[0]


def test_evidence_is_zero_where_the_order_holds_and_counts_what_it_contradicts():
    joints, _ = turning_body(40)
    order = true_order(joints)
    everything = torch.ones(40, dtype=torch.bool)
    evidence = depth_evidence(order, everything, 1.0)
    assert evidence.violated(joints[..., 2]) == 0
    assert evidence.violated(-joints[..., 2]) == 1
    some = everything.clone()
    some[::2] = False
    fewer = depth_evidence(order, some, 1.0)
    assert len(fewer.frame) == 20
    assert fewer.violated(joints[some][..., 2]) == 0


def test_headings_follow_a_steady_turn_and_the_prior_is_that_of_the_body():
    joints, clip = turning_body()
    prior = body_prior(joints, REST - REST.mean(0), ELEVATION, clip, 0.05, rounds=2)
    assert prior.frames(joints).mean() < 0.5 * 3 * len(REST)
    assert (prior.mean - (REST - REST.mean(0))).abs().max() < 0.15


def test_the_cheapest_path_equals_brute_force():
    generator = torch.Generator().manual_seed(1)
    cost = 3 * torch.rand(4, 5, generator=generator, dtype=torch.float64)
    apart = torch.arange(5).double()
    apart = torch.minimum(apart, 5 - apart) * (2 * math.pi / 5)
    turn = (0.5 * (apart / 0.08).square()).clamp_max(9.0)
    every = torch.cartesian_prod(*[torch.arange(5)] * 4)
    total = cost[torch.arange(4), every].sum(1)
    for t in range(3):
        total += turn[(every[:, t + 1] - every[:, t]) % 5]
    assert likeliest_path(cost, torch.zeros(4).long()).tolist() == every[total.argmin()].tolist()


def test_a_parabola_is_lowest_or_highest_at_its_vertex():
    values = [(0.4 - x) ** 2 for x in (-1.0, 0.0, 1.0)]
    assert vertex(*values) == pytest.approx(0.4)
    assert vertex(*values, highest=True) is None
    assert vertex(*(-v for v in values), highest=True) == pytest.approx(0.4)
    assert vertex(1.0, 1.0, 1.0) is None


def test_refinements_that_disagree_are_not_sure():
    joints, _ = turning_body(20)
    mirror = joints * joints.new_tensor([1.0, 1.0, -1.0])
    same = agreement(refined(joints, 0.0), [refined(joints, 0.0)], EDGES)
    apart = agreement(refined(joints, 0.0), [refined(joints, 0.0), refined(mirror, 1.0)], EDGES)
    assert same.min() >= 0.5
    assert (apart - 0.5).abs().max() < 0.05
    assert first_lengths(joints, EDGES).isfinite().all()


def test_seeds_keep_the_order_through_a_file(tmp_path):
    joints, _ = turning_body(12)
    seeds = Seeds(joints[None, ..., :2], torch.ones(1, 12, 6), EDGES, "made up", true_order(joints))
    seeds.save(tmp_path / "seeds.npz")
    again = Seeds.load(tmp_path / "seeds.npz")
    assert again.order is not None
    assert torch.equal(again.order.front, seeds.order.front)
    seeds = Seeds(seeds.xy, seeds.score, EDGES)
    seeds.save(tmp_path / "none.npz")
    assert Seeds.load(tmp_path / "none.npz").order is None


def test_guessed_places_of_hidden_points_do_not_steer_the_lifting():
    assert trusted(torch.tensor([0.0, 0.05, 0.2, 1.0])).tolist() == [0, 0, 1, 1]


def test_poses_read_again_mend_frames_that_were_read_in_the_mirror():
    """Every third frame turned inside out: the other frames' Gaussian reads most of them rightly again."""
    joints, clip = turning_body(240)
    generator = torch.Generator().manual_seed(0)
    lifter = ViewLifter(6, ViewsConfig(), generator)
    lifter.calibrate(joints[..., :2].float(), None)
    scale = lifter.scale.item()
    prepared = prepare(joints[..., :2].float(), None, lifter.scale)
    mean = (REST - REST.mean(0)) / scale
    lifter.learn_from(HeadingFit(HeadingModel(mean, 0.05 * torch.eye(18).double(), ELEVATION, 0.03, 36), 0.0, 0.01))
    wrong = joints / scale
    wrong[::3, :, 2] *= -1
    model = model_of_poses(wrong, clip, mean, ELEVATION, 0.1, lifter.teacher.model)
    again, better = read_again(model, prepared, clip, EDGES, lifter, 10)
    centred = again - again.mean(1, keepdim=True)
    before = (wrong - joints / scale)[..., 2].abs().mean()
    after = (centred - joints / scale)[..., 2].abs().mean()
    assert after < 0.4 * before
    assert better.elevation == ELEVATION


def test_a_steep_camera_is_among_the_other_readings():
    """Eight points in the plane of the ground, which bend and turn, seen from 0.9 rad above."""
    time = torch.arange(240).double()
    along = torch.linspace(-1, 1, 8).double()
    bend = 0.3 * torch.sin(3 * along[None] + 0.2 * time[:, None])
    pose = torch.stack([along.expand(240, -1), torch.zeros(240, 8).double(), bend], -1)
    camera = rotation_about(0, torch.tensor(0.9).double()) @ rotation_about(1, 0.11 * time)
    joints = torch.einsum("nij,nkj->nki", camera, pose)
    joints = joints - joints.mean(1, keepdim=True)
    clip, edges = torch.zeros(240).long(), torch.stack([torch.arange(7), torch.arange(1, 8)], 1)
    lifter = ViewLifter(8, ViewsConfig(), torch.Generator().manual_seed(0))
    lifter.calibrate(joints[..., :2].float(), None)
    level = HeadingModel(torch.zeros(8, 3).double(), 0.1 * torch.eye(24).double(), 0.1, 0.02, 36)
    lifter.learn_from(HeadingFit(level, 0.0, 0.005))
    prepared = prepare(joints[..., :2].float(), None, lifter.scale)
    found = list(other_readings(level, prepared, clip, edges, lifter, (0.1, 0.9)))
    assert [model.elevation for _, model in found] == [0.1, 0.9]
    assert all(poses.shape == joints.shape and poses.isfinite().all() for poses, _ in found)


def test_a_run_without_depth_is_flat_and_trusts_no_sign():
    joints, _ = turning_body(20)
    coverage = Coverage(1.0, 1.0, "views")
    found = flat_run(LiftedRun(joints, torch.full((20, 5), 0.9), "", coverage))
    assert (found.joints[..., 2] == 0).all()
    assert torch.equal(found.joints[..., :2], joints[..., :2])
    assert found.confidence.max() == 0.5
    assert "flat" in found.statement
    assert is_flat(found.joints) and not is_flat(joints)
