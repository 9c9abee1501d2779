"""Keypoint metrics against cases worked out by hand, and their invariances."""

import math

import pytest
import torch

from articulate.evaluation import identity
from articulate.evaluation.keypoints import (
    body_size,
    half_split,
    match_keypoints,
    on_joint_scores,
    regressed_scores,
    take_matched,
)


def walk(num_frames: int = 40, num_joints: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    steps = 0.02 * torch.randn(num_frames, num_joints, 2, generator=generator, dtype=torch.float64)
    return 0.3 * torch.randn(num_joints, 2, generator=generator, dtype=torch.float64) + steps.cumsum(0)


def test_matching_undoes_a_permutation_and_marks_what_is_left():
    truth = walk()
    order = torch.tensor([2, 0, 3, 1])
    assert match_keypoints(truth[:, order], truth).tolist() == torch.argsort(order).tolist()
    few = match_keypoints(truth[:, [3, 1]], truth)
    assert few.tolist() == [-1, 1, -1, 0]


def test_matching_is_global_not_greedy():
    """The nearest pair (k0, j1) is given up because the sum is lower: 3 + 2.5 < 2 + 6."""
    truth = torch.tensor([[[0.0, 0.0], [5.0, 0.0]]])
    predicted = torch.tensor([[[3.0, 0.0], [7.5, 0.0]]])
    assert match_keypoints(predicted, truth).tolist() == [0, 1]


def test_body_size_is_the_median_diagonal():
    truth = torch.tensor([[[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [0.1, 0.0]]])
    assert body_size(truth).item() == pytest.approx(5.0)


def test_on_joint_error_by_hand():
    truth = torch.tensor([[[0.0, 0.0], [0.6, 0.8]]]).expand(4, 2, 2)  # diagonal 1
    predicted = truth.clone()
    predicted[:, 1, 0] += 0.08  # 4 % of the image side, 8 % of the body, between both PCK radii
    scores = on_joint_scores(predicted, truth)
    assert scores["error_image"] == pytest.approx(2.0, rel=1e-5)
    assert scores["error_body"] == pytest.approx(4.0, rel=1e-5)
    assert (scores["pck_05"], scores["pck_10"]) == (50.0, 100.0)


def test_unmatched_and_lost_landmarks_are_misses():
    truth = walk()
    scores = on_joint_scores(truth[:, :2], truth)
    assert scores["pck_10"] == 50.0 and scores["unmatched"] == 2.0 and scores["error_body"] == pytest.approx(0.0)
    lost = truth.clone()
    lost[:10] = math.nan
    scores = on_joint_scores(lost, truth)
    assert scores["pck_05"] == pytest.approx(75.0) and scores["found"] == pytest.approx(75.0)


def test_hidden_landmarks_do_not_count():
    truth = walk()
    visible = torch.ones(truth.shape[:2], dtype=torch.bool)
    visible[:, 0] = False
    predicted = truth.clone()
    predicted[:, 0] += 5
    assert on_joint_scores(predicted, truth, visible, torch.arange(4))["error_image"] == pytest.approx(0.0)


def test_regression_recovers_any_linear_image_of_the_truth():
    truth = walk(200)
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(8, 12, generator=generator, dtype=torch.float64)
    predicted = (truth.flatten(1) @ mixing).view(200, 6, 2) + 1.0
    fit, score = half_split(torch.zeros(200, dtype=torch.int64))
    assert regressed_scores(predicted, truth, fit, score, ridge=1e-10)["error_image"] < 1e-3
    constant = regressed_scores(torch.zeros(200, 6, 2), truth, fit, score)["error_image"]
    floor = (truth[score] - truth[fit].mean(0)).norm(dim=-1).mean().item() * 50
    assert constant == pytest.approx(floor)


def test_a_dead_keypoint_that_jumps_later_changes_no_regressed_error():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(200, 4, 2, generator=generator) - 0.5
    fit = torch.arange(200) < 100
    dead = 1e-4 * torch.randn(200, 1, 2, generator=generator)
    dead[150:] = 0.8
    alone = regressed_scores(truth, truth, fit, ~fit)
    both = regressed_scores(torch.cat([truth, dead], 1), truth, fit, ~fit)
    assert both["error_body"] == pytest.approx(alone["error_body"], abs=1e-6)
    assert (alone["moving"], both["moving"]) == (4, 4)


def test_halves_are_halves_of_every_clip():
    fit, score = half_split(torch.tensor([0, 0, 0, 1, 1, 1, 1]))
    assert fit.tolist() == [True, True, False, True, True, False, False]
    assert (fit ^ score).all()


def test_identity_switch_is_counted_once_per_landmark():
    truth = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]).repeat(100, 1, 1)
    predicted = truth.clone()
    clip = torch.zeros(100, dtype=torch.int64)
    assert identity.identity_switches(predicted, truth, clip, 1.0) == 0
    predicted[50:] = predicted[50:, [1, 0]]
    assert identity.identity_switches(predicted, truth, clip, 1.0) == pytest.approx(20.0)
    assert identity.identity_switches(predicted, truth, (torch.arange(100) >= 50).long(), 1.0) == 0  # another clip


def test_losing_a_landmark_is_no_switch():
    truth = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]).repeat(9, 1, 1)
    predicted = truth.clone()
    predicted[3:6] = math.nan
    assert identity.identity_switches(predicted, truth, torch.zeros(9, dtype=torch.int64), 1.0) == 0


def test_left_right_flips_by_hand():
    truth = torch.tensor([[[-0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]]).repeat(10, 1, 1)
    matched = truth.clone()
    matched[:3] = matched[:3, [1, 0, 2]]
    assert identity.left_right_flips(matched, truth, [(0, 1)], 1.0) == pytest.approx(30.0)
    assert math.isnan(identity.left_right_flips(matched, truth * 0.01, [(0, 1)], 1.0))  # too near to tell


def test_jitter_ignores_steady_motion_and_cuts():
    steady = torch.linspace(0, 1, 20)[:, None, None].repeat(1, 2, 2)
    clip, frame = torch.zeros(20, dtype=torch.int64), torch.arange(20)
    assert identity.temporal_jitter(steady, clip, frame).abs().max() < 1e-4
    jumping = steady.clone()
    jumping[10:] += 0.5
    cut = (torch.arange(20) >= 10).long()
    assert identity.temporal_jitter(jumping, cut, frame).abs().max() < 1e-4
    shaking = torch.zeros(20, 1, 2)
    shaking[::2, :, 0] = 0.02  # one pixel in 100 to and fro: always 1 % of the side off the midpoint
    assert identity.temporal_jitter(shaking, clip, frame).item() == pytest.approx(1.0)


def test_coverage_counts_points_on_the_mask():
    mask = torch.zeros(4, 1, 8, 8)
    mask[:, :, :, :4] = 1  # the left half
    xy = torch.tensor([[-0.5, 0.0], [0.5, 0.0]]).repeat(4, 1, 1)
    xy[0, 1, 0] = -0.5
    xy[1] = math.nan
    assert identity.on_mask(xy, mask).tolist() == pytest.approx([100.0, 100 / 3])


def test_dead_keypoints_are_named_with_their_reason():
    xy = walk(60, 5).float()
    xy[:, 1] = 0.25
    xy[:, 2] = xy[:, 0] + 0.001
    xy[:40, 3] = math.nan
    dead = identity.dead_keypoints(xy, torch.ones(60, 5), torch.zeros(60, dtype=torch.int64))
    assert dead == {"missing": [3], "still": [1], "off": [], "double": [2]}
    covered = torch.tensor([100.0, 100.0, 90.0, 80.0, 20.0])
    dead = identity.dead_keypoints(xy, torch.ones(60, 5), torch.zeros(60, dtype=torch.int64), covered)
    assert dead["still"] == [] and dead["off"] == [4]


def test_taking_matched_points_keeps_the_landmarks_order():
    truth = walk()
    taken = take_matched(truth, torch.tensor([1, -1, 0]))
    assert torch.equal(taken[:, 0], truth[:, 1]) and taken[:, 1].isnan().all() and taken.dtype == torch.float64
