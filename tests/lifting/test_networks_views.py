"""View lifter, settled depths, coverage and several cameras on a small body that turns, with exact truth."""

import math

import pytest
import torch

from articulate.errors import DataError
from articulate.geometry.cameras import perspective, transform
from articulate.geometry.rotations import rotation_about, rotation_from_axis_angle
from articulate.lifting.coverage import CoverageConfig, blended, decided, heading_coverage, width_coverage
from articulate.lifting.heading_fit import HeadingFitConfig
from articulate.lifting.multiview import (
    ConsistentConfig,
    ConsistentFactorisation,
    ReprojectionConfig,
    TransformReprojection,
)
from articulate.lifting.settle import settle_clips, settled_depth
from articulate.lifting.view_training import train_view_lifter
from articulate.lifting.view_tree import length_moments, tree_from_views
from articulate.lifting.views import ViewLifter, ViewsConfig
from articulate.lifting.views_losses import sliced_wasserstein, turn_about_vertical

QUICK = HeadingFitConfig(elevation_starts=(0.1,), directions=(1, 2), start_frames=300, start_rounds=10, rounds=4)
EDGES = torch.tensor([[0, 1], [1, 2], [1, 3], [3, 4], [0, 5], [5, 6]])
REST = torch.tensor(
    [[0, 0.5, 0], [0, -0.5, 0], [0, -0.9, 0.2], [0.4, -0.5, 0], [0.7, -0.1, 0], [0.2, 0.5, 0], [0.3, 1.3, 0]]
)


def body(num: int, arc: float = 2 * math.pi, seed: int = 0) -> torch.Tensor:
    """A trunk with a nose in front, one arm and one leg that swing; headings over `arc`."""
    g = torch.Generator().manual_seed(seed)
    swing = 0.8 * torch.rand(num, 2, generator=g) - 0.4
    joints = REST.expand(num, -1, -1).clone()
    forearm = rotation_about(0, swing[:, 0] - 0.8) @ (REST[4] - REST[3])
    shin = rotation_about(0, swing[:, 1] + 0.3) @ (REST[6] - REST[5])
    joints[:, 4], joints[:, 6] = joints[:, 3] + forearm, joints[:, 5] + shin
    yaw = arc * torch.rand(num, generator=g)
    return (joints @ rotation_about(1, yaw).mT) - joints.mean(1, keepdim=True)


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    """Mean distance after centring, under the better of the two depth reflections."""
    a, b = found - found.mean(1, keepdim=True), true - true.mean(1, keepdim=True)
    return min((a * a.new_tensor([1, 1, s]) - b).norm(dim=-1).mean().item() for s in (1.0, -1.0))


def test_training_finds_depth_and_fills_gaps():
    true = body(600)
    config = ViewsConfig(steps=100, bone_phase=0.4, width=64, batch_size=128, learning_rate=3e-3, heading=QUICK)
    score = torch.ones(600, 7)
    score[:50, 4] = 0
    xy = true[..., :2].clone()
    xy[:50, 4] = torch.nan
    lifter, found = train_view_lifter(xy, score, EDGES, config, torch.Generator().manual_seed(0))
    flat = torch.cat([true[..., :2], torch.zeros(600, 7, 1)], -1)
    joints = lifter(xy, score)
    assert torch.isfinite(joints).all() and torch.isfinite(torch.tensor(found.distance_of_views))
    assert error(joints[50:], true[50:]) < 0.35 * error(flat, true)
    settled, lengths = settle_clips(joints[50:], None, EDGES)
    assert error(settled, true[50:]) < 0.3 * error(flat, true)
    true_lengths = (REST[EDGES[:, 0]] - REST[EDGES[:, 1]]).norm(dim=-1)
    assert torch.allclose(lengths[0], true_lengths, rtol=0.08)
    gap = (joints[:50, 4, :2] - true[:50, 4, :2]).norm(dim=-1).mean()
    assert gap < 0.6 * true[:, 4, :2].norm(dim=-1).mean()


def test_resumed_losses_are_the_same():
    config, xy = ViewsConfig(steps=10, width=16), body(32)[..., :2]
    first, second = (ViewLifter(7, config, torch.Generator().manual_seed(s)) for s in (0, 1))
    for _ in range(6):
        first.losses(xy, None, EDGES)
    second.load_state_dict(first.state_dict())
    a, b = first.losses(xy, None, EDGES), second.losses(xy, None, EDGES)
    assert {k: v.item() for k, v in a.items()} == {k: v.item() for k, v in b.items()}
    assert a["bones"] > 0


def test_too_few_frames_are_named():
    with pytest.raises(DataError, match="at least 16"):
        train_view_lifter(body(8)[..., :2], None, EDGES, ViewsConfig(), torch.Generator())


def test_perspective_search_runs_and_keeps_a_distance():
    config = ViewsConfig(steps=8, width=16, camera="perspective", distances=(5.0, 20.0), heading=QUICK)
    lifter, found = train_view_lifter(body(64)[..., :2], None, EDGES, config, torch.Generator().manual_seed(0))
    assert len(found.start_distances) == 2 and lifter.rays in (5.0, 20.0)


def test_turn_is_undone_and_keeps_lengths():
    joints, angle, e = body(5).double(), torch.rand(5).double(), torch.tensor(0.3).double()
    turned = turn_about_vertical(joints, angle, e)
    assert torch.allclose(turn_about_vertical(turned, -angle, e), joints)
    assert torch.allclose(torch.cdist(turned, turned), torch.cdist(joints, joints))


def test_sliced_wasserstein_of_shifted_sets():
    x, d = torch.randn(64, 3).double(), torch.eye(3).double()
    assert sliced_wasserstein(x, x[torch.randperm(64)], d) == 0
    # A shift of (1, 2, 2) has mean square 3 per axis; three dimensions make 9 = its squared length.
    assert torch.allclose(sliced_wasserstein(x, x + torch.tensor([1.0, 2.0, 2.0]), d), torch.tensor(9.0).double())


def test_settled_depth_is_exact_with_true_signs_and_lengths():
    true = body(20).double()
    lengths = (true[0, EDGES[:, 0]] - true[0, EDGES[:, 1]]).norm(dim=-1)
    weight = torch.ones(20, 7).double()
    z = settled_depth(true[..., :2], 0.3 * true[..., 2], EDGES, lengths, weight)
    assert torch.allclose(z, true[..., 2] - true[..., 2].mean(1, keepdim=True), atol=1e-5)


def test_moments_of_views_give_the_variance_of_3d_lengths():
    true = body(6000)
    squared = torch.cdist(true, true).square()
    mean, variance = length_moments(true[..., :2])
    assert torch.allclose(mean, squared.mean(0), atol=0.06)
    assert (variance - squared.var(0)).abs().max() < 0.1 * squared.max() ** 2 / 4
    moving = squared.var(0) > 0.05
    assert variance[moving].mean() > 5 * variance[~moving].abs().mean()


def test_tree_from_views_ignores_the_order_of_keypoints_and_gaps():
    xy = body(2000)[..., :2].clone()
    xy[::7, 4] = torch.nan
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    first = {frozenset(e) for e in tree_from_views(xy).tolist()}
    second = {frozenset(order[e].tolist()) for e in tree_from_views(xy[:, order])}
    assert first == second
    # The only bones that bend: forearm and shin hang on elbow and hip.
    assert {frozenset((3, 4)), frozenset((5, 6))} <= first


def test_coverage_tells_a_turning_body_from_a_still_one():
    turning, still = body(500), body(500, arc=0.3)
    assert width_coverage(turning[..., :2]).share > 0.8
    assert heading_coverage(turning).choice == "views"
    assert heading_coverage(still).share < 0.2 and heading_coverage(still).choice == "one_clip"
    assert width_coverage(still[..., :2]).share < width_coverage(turning[..., :2]).share
    assert "360" in heading_coverage(still).statement()


def test_blend_goes_from_one_to_the_other():
    a, b = body(10), body(10, seed=1)
    b[..., :2] = a[..., :2]
    confidence = torch.zeros(10, 6)
    views = blended(a, b, confidence, EDGES, decided(1.0, CoverageConfig()))
    assert torch.allclose(views[..., 2], a[..., 2] - a[..., 2].mean(1, keepdim=True), atol=1e-5)
    clip = blended(a, -b, confidence, EDGES, decided(0.0, CoverageConfig()))
    assert torch.allclose(clip[..., 2].abs(), (b[..., 2] - b[..., 2].mean(1, keepdim=True)).abs(), atol=1e-5)


def train(lifter, losses, steps: int) -> None:
    optimiser = torch.optim.Adam([{**g, "lr": 2e-3} for g in lifter.parameter_groups()])
    for _ in range(steps):
        total = torch.stack(list(losses().values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()


def test_calibrated_pair_gives_absolute_depth():
    world = body(256)
    rotations = (torch.eye(3), rotation_from_axis_angle(torch.tensor([0.0, 1.2, 0.0])))
    centres = tuple(-4 * r[2] for r in rotations)
    cameras = [transform(world, r, c) for r, c in zip(rotations, centres, strict=True)]
    first, second = (perspective(c) for c in cameras)
    config = ReprojectionConfig(width=64, rig_distance=4.0)
    lifter = TransformReprojection(7, config, torch.Generator().manual_seed(0))
    train(lifter, lambda: lifter.losses_of_pair(first, second, rotations, centres), 150)
    flat = (cameras[0] - cameras[0] * torch.tensor([1.0, 1.0, 0.0]) - torch.tensor([0, 0, 4.0])).norm(dim=-1).mean()
    assert (lifter(first) - cameras[0]).norm(dim=-1).mean() < 0.5 * flat


def test_uncalibrated_pair_agrees_on_one_shape():
    world = body(128)
    first, second = world[..., :2], (world @ rotation_about(1, torch.tensor(1.2)).mT)[..., :2]
    lifter = ConsistentFactorisation(7, ConsistentConfig(width=64), torch.Generator().manual_seed(0))
    before = lifter.losses_of_pair(first, second)
    train(lifter, lambda: lifter.losses_of_pair(first, second), 120)
    after = lifter.losses_of_pair(first, second)
    assert after["reprojection"] < 0.1 * before["reprojection"]
    assert after["consistency"] < 0.1
    assert torch.allclose(lifter(first)[..., :2].mean(1), first.mean(1), atol=1e-5)
