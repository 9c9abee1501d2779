"""Heading model: against brute force over headings, depth of a small body, gaps, noise, rigid poses, whole runs."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from articulate.errors import DataError
from articulate.geometry.rotations import rotation_about
from articulate.lifting.heading_fit import HeadingFitConfig, track_noise
from articulate.lifting.heading_model import HeadingModel, filled_points
from articulate.lifting.heading_settle import likely_poses, rigid_poses
from articulate.lifting.one_clip.config import OneClipConfig
from articulate.lifting.run import RunConfig, lift_run
from articulate.lifting.view_training import choose_start, view_data
from articulate.lifting.views import ViewLifter, ViewsConfig

EDGES = torch.tensor([[0, 1], [1, 2], [1, 3], [3, 4], [0, 5], [5, 6]])
REST = torch.tensor(
    [[0, 0.5, 0], [0, -0.5, 0], [0, -0.9, 0.2], [0.4, -0.5, 0], [0.7, -0.1, 0], [0.2, 0.5, 0], [0.3, 1.3, 0]]
)
QUICK = HeadingFitConfig(elevation_starts=(0.1,), start_frames=300, frames=600, start_rounds=10, rounds=4)


def turning_body(num: int = 600, elevation: float = 0.15, seed: int = 0) -> torch.Tensor:
    """A trunk with a nose in front, a forearm and a shin that swing; all headings; centred, camera frame."""
    g = torch.Generator().manual_seed(seed)
    swing = 0.8 * torch.rand(num, 2, generator=g) - 0.4
    joints = REST.expand(num, -1, -1).clone()
    joints[:, 4] = joints[:, 3] + rotation_about(0, swing[:, 0] - 0.8) @ (REST[4] - REST[3])
    joints[:, 6] = joints[:, 5] + rotation_about(0, swing[:, 1] + 0.3) @ (REST[6] - REST[5])
    yaw = 2 * math.pi * torch.rand(num, generator=g)
    turned = joints @ rotation_about(1, yaw).mT @ rotation_about(0, torch.tensor(elevation)).mT
    return turned - turned.mean(1, keepdim=True)


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    """Mean distance under the better of the two depth reflections."""
    return min((found * found.new_tensor([1, 1, s]) - true).norm(dim=-1).mean().item() for s in (1.0, -1.0))


def started(xy: torch.Tensor, score: torch.Tensor | None = None, clip: torch.Tensor | None = None) -> ViewLifter:
    """A lifter with its teacher, for these frames."""
    config = ViewsConfig(width=16, heading=QUICK)
    return choose_start(config, view_data(xy, score, clip, EDGES), EDGES, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def fitted() -> tuple[torch.Tensor, HeadingModel, ViewLifter]:
    true = turning_body()
    lifter = started(true[..., :2])
    assert lifter.teacher.model is not None
    # Points of this body are used as they are in most tests, so its size is taken out of the model here.
    return true / lifter.scale, lifter.teacher.model, lifter


def small_model() -> HeadingModel:
    g = torch.Generator().manual_seed(3)
    root = 0.3 * torch.randn(9, 9, generator=g, dtype=torch.float64)
    return HeadingModel(torch.randn(3, 3, generator=g, dtype=torch.float64), root @ root.T, 0.2, 0.1, 4)


def test_likelihood_and_expectation_against_dense_gaussians():
    model, points = small_model(), torch.randn(2, 3, 2, dtype=torch.float64)
    log_joint, poses = [], []
    for t in range(4):
        turn = rotation_about(0, torch.tensor(0.2).double()) @ rotation_about(1, torch.tensor(math.pi / 2 * t).double())
        show = torch.kron(torch.eye(3, dtype=torch.float64), turn[:2])
        seen = show @ model.covariance @ show.T + 0.01 * torch.eye(6, dtype=torch.float64)
        middle = show @ model.mean.flatten()
        gaussian = torch.distributions.MultivariateNormal(middle, seen)
        log_joint.append(gaussian.log_prob(points.flatten(1)) - math.log(4))
        pose = model.mean.flatten() + (points.flatten(1) - middle) @ torch.linalg.solve(seen, show @ model.covariance)
        poses.append(pose.unflatten(1, (3, 3)) @ turn.T)
    expected = torch.stack(log_joint, 1)
    assert torch.allclose(model.log_likelihood(points), expected)
    share = expected.softmax(1)
    mean = sum(share[:, t, None, None] * poses[t] for t in range(4))
    joints, away, weight = model.posterior(points, torch.tensor([[0, 1]]), least=0.0)
    assert torch.allclose(joints, mean) and torch.allclose(weight, share)
    assert joints.dtype == torch.float64 and ((away > 0) & (away < 1)).all()


def test_depth_reflection_with_opposite_elevation_shows_the_same_pictures():
    model, points = small_model(), torch.randn(3, 3, 2, dtype=torch.float64)
    flip = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    wide = flip.repeat(3)
    other = replace(
        model, mean=model.mean * flip, covariance=model.covariance * wide * wide[:, None], elevation=-model.elevation
    )
    likelihoods = [m.log_likelihood(points).logsumexp(1) for m in (model, other)]
    assert torch.allclose(*likelihoods)


def test_fit_finds_depth_and_elevation(fitted):
    true, model, _ = fitted
    joints, away, _ = model.posterior(true[..., :2], EDGES)
    flat = torch.cat([true[..., :2], torch.zeros(600, 7, 1)], -1)
    assert error(joints, true) < 0.3 * error(flat, true)
    assert abs(abs(model.elevation) - 0.15) < 0.08
    fresh = turning_body(200, seed=5) / fitted[2].scale
    assert error(model.posterior(fresh[..., :2])[0], fresh) < 0.3 * error(flat, true)
    # Sure signs are right: the truth up to one reflection of everything.
    ahead = true[:, EDGES[:, 1], 2] > true[:, EDGES[:, 0], 2]
    long = (true[:, EDGES[:, 1], 2] - true[:, EDGES[:, 0], 2]).abs() > 0.1
    same = ((away > 0.5) == ahead)[long & ((away - 0.5).abs() > 0.45)].double().mean()
    assert max(same, 1 - same) > 0.97


def test_gaps_are_filled_where_the_points_were(fitted):
    true, model, _ = fitted
    points, weight = true[..., :2].clone(), torch.ones(600, 7)
    points[:40, 4], weight[:40, 4] = torch.nan, 0
    filled = filled_points(model, points.nan_to_num(0.0), weight)
    filled = filled - (filled - true[..., :2])[:, :4].mean(1, keepdim=True)
    away = (filled[:40, 4] - true[:40, 4, :2]).norm(dim=-1).mean()
    assert away < 0.3 * true[:40, 4, :2].norm(dim=-1).mean()
    assert torch.equal(filled_points(model, true[..., :2], torch.ones(600, 7)), true[..., :2])


def test_rigid_poses_have_the_lengths(fitted):
    true, model, _ = fitted
    lengths = (true[:, EDGES[:, 0]] - true[:, EDGES[:, 1]]).norm(dim=-1)
    likely = model.posterior(true[..., :2])[2].argmax(1)
    start = likely_poses(model, true[..., :2], likely)
    rigid = rigid_poses(model, true[..., :2], likely, EDGES, lengths)
    found = (rigid[:, EDGES[:, 0]] - rigid[:, EDGES[:, 1]]).norm(dim=-1)
    assert (found - lengths).abs().mean() < 0.03
    assert error(rigid, true) < error(start, true)


def test_noise_of_tracks_is_found():
    body = turning_body(2000)[..., :2]
    noisy = body + 0.05 * torch.randn(body.shape, generator=torch.Generator().manual_seed(1))
    noisy = noisy - noisy.mean(1, keepdim=True)
    assert track_noise(body, torch.ones(2000, 7)) < 0.02
    assert track_noise(noisy, torch.ones(2000, 7)) == pytest.approx(0.05, rel=0.3)


def test_start_teaches_and_survives_saving(fitted):
    true, _, lifter = fitted
    lifter = copy.deepcopy(lifter)
    xy = true[:64, :, :2] * lifter.scale
    other = ViewLifter(7, lifter.config, torch.Generator().manual_seed(1))
    assert other.teacher.model is None
    other.load_state_dict(lifter.state_dict())
    assert other.teacher.model is not None and other.teacher.model.elevation == pytest.approx(lifter.elevation.item())
    a, b = lifter.losses(xy, None, EDGES), other.losses(xy, None, EDGES)
    assert {k: v.item() for k, v in a.items()} == {k: v.item() for k, v in b.items()}
    assert a["completion"] > 0.1


def test_run_lifts_keeps_order_of_edges_and_says_what_it_saw():
    true = 3 * turning_body()
    xy, score = true[..., :2] + 1, torch.ones(600, 7)
    xy[7] = torch.nan
    xy[9:60, 4], score[9:60, 4] = torch.nan, 0
    clip, good = torch.arange(600) // 300, torch.arange(600) != 7
    lifter = started(xy, score, clip).eval()
    run = lift_run(xy, score, clip, EDGES, lifter)
    assert run.coverage.choice == "views" and "360" in run.statement
    assert torch.isnan(run.joints[7]).all() and run.confidence[7].max() == 0
    assert torch.isfinite(run.joints[good]).all()
    centred = run.joints[good] - run.joints[good].mean(1, keepdim=True)
    flat = true * torch.tensor([1.0, 1.0, 0.0])
    assert error(centred, true[good]) < 0.25 * error(flat, true)
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    other = lift_run(xy, score, clip, EDGES[order], lifter, RunConfig(method="views"))
    assert torch.allclose(other.confidence, run.confidence[:, order], atol=0.02)


def test_run_of_a_still_body_asks_the_solver(fitted):
    still = REST.expand(40, -1, -1) + 0.02 * torch.randn(40, 7, 3, generator=torch.Generator().manual_seed(2))
    few = OneClipConfig(num_starts=1, sweeps=1, polish_sweeps=1)
    run = lift_run(still[..., :2], None, None, EDGES, fitted[2], RunConfig(method="one_clip"), None, few)
    assert "Clip 0:" in run.statement and run.coverage.choice == "one_clip"
    assert torch.isfinite(run.joints).all() and run.confidence.shape == (40, 6)


def test_turns_within_the_picture_leave_every_sign_open(fitted):
    angle = torch.linspace(0, 6.28, 200)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], -2)
    xy = torch.einsum("tij,kj->tki", turn, REST[:, :2] * torch.tensor([1.0, 4.0]))
    run = lift_run(xy, None, None, EDGES, fitted[2], RunConfig(method="views"))
    assert "within the picture" in run.statement and run.confidence.max() <= 0.5


def test_too_few_frames_for_a_start():
    with pytest.raises(DataError, match="at least 16"):
        data = view_data(turning_body(8)[..., :2], None, None, EDGES)
        choose_start(ViewsConfig(), data, EDGES, torch.Generator())
