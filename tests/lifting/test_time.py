"""Poses in the order of time: the smoother against dense algebra, headings against enumeration, a body with noise."""

import itertools
import math

import numpy as np
import pytest
import torch
from moving_figure import EDGES, error, moving_body, started

from articulate.lifting.from_views import PoseConfig, lift_from_views
from articulate.lifting.heading_chain import chained_headings, forward_backward, smoothed_angles
from articulate.lifting.settle import bone_lengths, fused_depth
from articulate.lifting.smoother import rates, smooth, smooth_long, transition
from articulate.lifting.view_tree import flexible_share


def test_smoother_is_the_dense_gaussian_posterior():
    draw = np.random.default_rng(0)
    num, rate = 25, np.array([0.1, 0.4, 1.2])
    seen, what = draw.normal(size=(num, 4, 3)), draw.normal(size=(num, 4))
    precision, evidence = np.einsum("tmi,tmj->tij", seen, seen) / 0.3, np.einsum("tmi,tm->ti", seen, what) / 0.3
    apart = np.abs(np.arange(num)[:, None] - np.arange(num))
    prior, data = np.zeros((num, 3, num, 3)), np.zeros((num, 3, num, 3))
    for i, a in enumerate(rate):
        prior[:, i, :, i] = (1 + a * apart) * np.exp(-a * apart)
    data[np.arange(num), :, np.arange(num)] = precision
    covariance = np.linalg.inv(np.linalg.inv(prior.reshape(75, 75)) + data.reshape(75, 75))
    found = smooth(precision, evidence, rate)
    assert np.allclose(found.mean.ravel(), covariance @ evidence.ravel(), atol=1e-6)
    own = covariance.reshape(num, 3, num, 3)[np.arange(num), :, np.arange(num)]
    assert np.allclose(found.covariance, own, atol=1e-6)
    pieces = smooth_long(precision, evidence, rate, longest=10, overlap=12)
    assert np.allclose(pieces.mean, found.mean, atol=0.02)


def test_rates_are_found_below_white_noise():
    rate, draw = np.array([0.1, 0.5]), np.random.default_rng(1)
    matrix, fresh = transition(rate)
    state, root, path = np.zeros(4), np.linalg.cholesky(fresh), []
    for _ in range(6000):
        state = matrix @ state + root @ draw.normal(size=4)
        path.append(state[:2])
    noisy = np.array(path) + draw.normal(size=(6000, 2))
    assert np.allclose(rates([noisy[:2900], noisy[2900:]]), rate, rtol=0.25)
    assert (rates([draw.normal(size=(1, 2))]) == 3.0).all()


def test_chain_of_headings_is_the_sum_over_all_paths():
    likelihood = torch.rand(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moves = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    weight, pairs = forward_backward(likelihood, moves)
    expected = torch.zeros_like(likelihood)
    for path in itertools.product(range(3), repeat=4):
        mass = math.prod(likelihood[t, s].item() for t, s in enumerate(path))
        mass *= math.prod(moves[a, b].item() for a, b in itertools.pairwise(path))
        expected[torch.arange(4), torch.tensor(path)] += mass
    assert torch.allclose(weight, expected / expected.sum(1, keepdim=True))
    assert pairs.sum().item() == pytest.approx(3)


def test_a_frame_that_could_be_either_way_follows_its_neighbours():
    clear = torch.full((30, 8), -20.0)
    clear[torch.arange(30), torch.arange(30) // 6] = 0.0
    clear[14] = 0.0
    assert chained_headings(clear, torch.zeros(30, dtype=torch.int64))[14].argmax() == 2


def test_headings_that_turn_smoothly_lose_their_noise_and_jumps_stay():
    g = torch.Generator().manual_seed(0)
    true = 3.0 + 2.5 * torch.sin(0.03 * torch.arange(300, dtype=torch.float64))
    noisy = true + 0.05 * torch.randn(300, generator=g, dtype=torch.float64)
    error = torch.full((300,), 0.05**2, dtype=torch.float64)
    found, variance = smoothed_angles(noisy, error)
    assert (found - true).square().mean() < 0.3 * 0.05**2
    assert variance.mean() == pytest.approx((found - true).square().mean().item(), rel=1.0)
    jumps = 6 * torch.rand(300, generator=g, dtype=torch.float64)
    turns = (smoothed_angles(jumps, error)[0] - jumps) / (2 * math.pi)
    assert (turns - turns.round()).abs().max() < 0.01


def test_time_takes_noise_away_and_finds_its_size():
    true = moving_body()
    noisy = true[..., :2] + 0.06 * torch.randn(400, 7, 2, generator=torch.Generator().manual_seed(3))
    lifter, clip = started(noisy), torch.arange(400) // 200
    in_time, sure = lift_from_views(noisy, None, clip, EDGES, lifter, PoseConfig())
    as_set, _ = lift_from_views(noisy, None, clip, EDGES, lifter, PoseConfig(order="set"))
    # What is left is mostly the model of so small a body, the same for both.
    assert error(in_time, true) < 0.85 * error(as_set, true)
    plane = (in_time - in_time.mean(1, keepdim=True) - true)[..., :2].norm(dim=-1).mean()
    assert plane < 0.7 * (noisy - noisy.mean(1, keepdim=True) - true[..., :2]).norm(dim=-1).mean()
    assert ((sure >= 0) & (sure <= 1)).all()


def test_gaps_are_bridged_where_the_points_were():
    true = moving_body()
    xy, score = true[..., :2].clone() + 1, torch.ones(400, 7)
    lifter = started(xy)
    xy[50:60, 4], score[50:60, 4] = torch.nan, 0
    found, _ = lift_from_views(xy, score, torch.zeros(400, dtype=torch.int64), EDGES, lifter, PoseConfig())
    reach = true[50:60, 4, :2].norm(dim=-1).mean()
    assert (found[50:60, 4, :2] - 1 - true[50:60, 4, :2]).norm(dim=-1).mean() < 0.15 * reach


@pytest.mark.parametrize("order", ["time", "set"])
def test_a_trunk_that_stretches_is_not_made_rigid(order):
    true = moving_body(stretch=0.25)
    lifter = started(true[..., :2])
    clip = torch.zeros(400, dtype=torch.int64)
    found, _ = lift_from_views(true[..., :2], None, clip, EDGES, lifter, PoseConfig(order=order))
    flat = true * torch.tensor([1.0, 1.0, 0.0])
    assert error(found, true) < 0.25 * error(flat, true)


def test_fused_depth_takes_the_surer_of_both():
    true = moving_body(50)
    vectors = true[:, EDGES[:, 1]] - true[:, EDGES[:, 0]]
    lengths, order = vectors.norm(dim=-1), torch.tensor([3, 5, 0, 1, 4, 2])
    guess = 0.5 * true[..., 2]
    edges, variance = EDGES[order], torch.full((50, 6), 0.04)
    rigid = fused_depth(true[..., :2], guess, edges, lengths[:, order], variance, torch.zeros(6))
    assert torch.allclose(rigid, true[..., 2], atol=1e-3)
    loose = fused_depth(true[..., :2], guess, edges, lengths[:, order], 1e-6 * variance, torch.full((6,), 0.5))
    assert torch.allclose(loose, guess, atol=1e-3)


def test_lengths_do_not_grow_with_noise_and_flexible_bones_are_noticed():
    g = torch.Generator().manual_seed(0)
    yaw = 2 * math.pi * torch.rand(3000, generator=g)
    end = torch.stack([yaw.cos(), torch.zeros(3000), yaw.sin()], -1)
    joints = torch.stack([-end / 2, end / 2], 1)
    noisy = joints[..., :2] + 0.1 * torch.randn(3000, 2, 2, generator=g)
    edge, weight = torch.tensor([[0, 1]]), torch.ones(3000, 2)
    plain = bone_lengths(noisy, joints[..., 2], edge, weight).item()
    aware = bone_lengths(noisy, joints[..., 2], edge, weight, noise=0.1).item()
    assert abs(aware - 1) < 0.03 < plain - 1
    assert flexible_share(joints[..., :2], edge) < 1e-3
    longer = joints * (1 + 0.2 * torch.randn(3000, 1, 1, generator=g))
    assert flexible_share(longer[..., :2], edge) == pytest.approx(0.04, rel=0.5)
