"""Parts of the one-clip solver against independent answers: exhaustive flips, direct energies, exact rigid motion."""

import itertools

import numpy as np
import pytest
import torch

from articulate.errors import DataError
from articulate.lifting.confidence import fit_calibration, view_coverage
from articulate.lifting.one_clip.factorisation import factorise, metric_upgrade, start_weights
from articulate.lifting.one_clip.groups import move_groups, pairs_within, tree_paths
from articulate.lifting.one_clip.lengths import magnitudes
from articulate.lifting.one_clip.moves import (
    joint_depths,
    pair_costs,
    pair_statistics,
    pose_costs,
    pose_slopes,
    pose_sweep,
)
from articulate.lifting.one_clip.observations import bridged, estimated_noise, observe
from articulate.lifting.one_clip.viterbi import best_order, flip_margins, jump_costs
from articulate.seeds import numpy_generator

EDGES = np.array([[0, 1], [0, 2], [1, 3], [3, 4]])


def total_cost(path: tuple[int, ...], unary: np.ndarray, jumps: np.ndarray) -> float:
    cost = sum(unary[s, t] for t, s in enumerate(path))
    for t in range(2, len(path)):
        for g in range(len(jumps)):
            before, last, now = ((path[t - d] >> g) & 1 for d in (2, 1, 0))
            cost += jumps[g, before ^ now, last ^ now, t]
    return cost


@pytest.mark.parametrize("num_groups", [1, 2])
def test_best_order_is_the_exhaustive_minimum(num_groups):
    draw = numpy_generator(0, "viterbi", num_groups)
    frames = 8 if num_groups == 1 else 5
    unary, jumps = draw.random((2**num_groups, frames)), draw.random((num_groups, 2, 2, frames))
    paths = list(itertools.product(range(2**num_groups), repeat=frames))
    best = min(paths, key=lambda p: total_cost(p, unary, jumps))
    assert tuple(best_order(unary, jumps, 0.0)) == best


def test_margins_are_exhaustive_min_marginals():
    draw = numpy_generator(0, "margins")
    unary, jumps = draw.random((2, 7)), draw.random((1, 2, 2, 7))
    costs = {p: total_cost(p, unary, jumps) for p in itertools.product(range(2), repeat=7)}
    for t, margin in enumerate(flip_margins(unary, jumps)):
        flipped = min(c for p, c in costs.items() if p[t] == 1)
        kept = min(c for p, c in costs.items() if p[t] == 0)
        assert margin == pytest.approx(flipped - kept)


def test_samples_follow_the_boltzmann_distribution():
    unary, jumps = np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros((1, 2, 2, 3))
    share = np.mean([best_order(unary, jumps, 0.5)[0] for _ in range(3000)])
    assert share == pytest.approx(1 / (1 + np.exp(2.0)), abs=0.03)  # exp(-1 / 0.5) against 1


def test_pose_and_pair_costs_equal_direct_evaluation():
    draw = numpy_generator(0, "costs")
    depth, deviation, view = draw.normal(size=(4, 6)), draw.normal(size=(6, 12)), draw.normal(size=(6, 3))
    root = draw.normal(size=(12, 12))
    precision = root @ root.T
    group = np.array([0, -1, 1, 1])
    slope, curvature = pose_slopes(deviation, view, precision)
    found = pose_costs(depth, slope, curvature, group)
    flat, trust = draw.random((10, 6)), draw.random((5, 6))
    pairs, _ = pairs_within(tree_paths(EDGES), 4)
    mean, weight = draw.random(len(pairs)), draw.random(len(pairs))
    pairwise = pair_costs(depth, EDGES, group, flat, trust, pairs, np.arange(len(pairs)), mean, weight)
    for state in range(4):
        sign = np.array([-1.0 if g >= 0 and (state >> g) & 1 else 1.0 for g in group])[:, None]
        moved = deviation + np.einsum("lt,ti->tli", (sign - 1) * depth, view).reshape(6, -1)
        change = [0.5 * (m @ precision @ m - d @ precision @ d) for m, d in zip(moved, deviation, strict=True)]
        assert np.allclose(found[state], change)
        z = joint_depths(sign * depth, EDGES)
        gap = np.sqrt(flat[: len(pairs)] + (z[pairs[:, 1]] - z[pairs[:, 0]]) ** 2) - mean[:, None]
        both = trust[pairs[:, 0]] * trust[pairs[:, 1]]
        assert np.allclose(pairwise[state], (weight[:, None] * both * gap**2).sum(0))


def test_slopes_follow_the_flips_of_a_sweep():
    draw = numpy_generator(0, "sweep")
    depth, deviation = draw.normal(size=(4, 12)), draw.normal(size=(12, 12))
    view, root = draw.normal(size=(12, 3)), draw.normal(size=(12, 12))
    before, precision = depth.copy(), root @ root.T
    slope, curvature = pose_slopes(deviation, view, precision)
    groups = move_groups(tree_paths(EDGES), EDGES)
    pose_sweep(depth, slope, curvature, groups, np.ones(4), np.ones(12), np.array([0.3, 1.0]), 1.0, 5)
    moved = deviation + np.einsum("lt,ti->tli", depth - before, view).reshape(12, -1)
    assert (depth != before).any() and np.allclose(abs(depth), abs(before))
    assert np.allclose(slope, pose_slopes(moved, view, precision)[0])


def test_pair_statistics_are_weighted_moments():
    draw = numpy_generator(0, "statistics")
    z, flat, trust = draw.normal(size=(3, 9)), draw.random((1, 9)), draw.random((3, 9))
    mean, variance = np.zeros(1), np.zeros(1)
    pair_statistics(z, flat, trust, np.array([[0, 2]]), np.array([0]), mean, variance)
    distance, weight = np.sqrt(flat[0] + (z[2] - z[0]) ** 2), trust[0] * trust[2]
    centre = np.average(distance, weights=weight)
    assert mean[0] == pytest.approx(centre)
    assert variance[0] == pytest.approx(np.average((distance - centre) ** 2, weights=weight))


def test_jumps_prefer_crossing_to_bouncing():
    depth = np.array([[-3.0, -1.0, 1.0, 3.0]])
    costs = jump_costs(depth, np.zeros(1, np.int64), np.array([0.5]), 1)[0]
    assert costs[0, 0].sum() == 0  # straight through zero
    assert costs[1, 1, 2] > 0.9  # bouncing off it


def rigid_motion(frames: int = 80) -> tuple[np.ndarray, np.ndarray]:
    draw = numpy_generator(0, "rigid")
    angle, tilt = np.linspace(0, 5, frames), 0.4 * np.sin(np.linspace(0, 9, frames))
    zero, one = np.zeros(frames), np.ones(frames)
    yaw = np.stack([np.cos(angle), zero, np.sin(angle), zero, one, zero, -np.sin(angle), zero, np.cos(angle)], -1)
    nod = np.stack([one, zero, zero, zero, np.cos(tilt), -np.sin(tilt), zero, np.sin(tilt), np.cos(tilt)], -1)
    return nod.reshape(-1, 3, 3) @ yaw.reshape(-1, 3, 3), draw.normal(size=(9, 3)) * 10


def test_factorisation_recovers_a_rigid_body_up_to_one_reflection():
    rotation, shape = rigid_motion()
    bones = np.einsum("tij,lj->tli", rotation, shape)
    fit = factorise(bones[..., :2], np.ones(9))
    depth = np.einsum("ti,li->tl", fit["rotation"][:, 2], fit["mean"])
    error = min(np.abs(depth - bones[..., 2]).max(), np.abs(depth + bones[..., 2]).max())
    assert error < 1e-6 and fit["residual"].max() < 1e-6 and fit["metric"] > 0.01
    assert view_coverage(fit["rotation"]) == pytest.approx(view_coverage(rotation), abs=1e-6)


def test_metric_upgrade_makes_axes_orthonormal():
    rotation, _ = rigid_motion()
    mixing = numpy_generator(1, "rigid").normal(size=(3, 3))
    upgrade, _ = metric_upgrade(rotation[:, :2] @ mixing)
    axes = rotation[:, :2] @ mixing @ upgrade
    assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(2), atol=1e-8)


def test_moves_cover_every_bone_alone_and_every_subtree():
    moves = {tuple(m) for m in move_groups(tree_paths(EDGES), EDGES)}
    for bone in range(4):
        assert tuple(0 if b == bone else -1 for b in range(4)) in moves
    assert (0, -1, 0, 0) in moves and max(map(max, moves)) == 1
    assert len(start_weights(EDGES, 3)) == 3


def test_observations_bridge_gaps_and_measure_noise():
    time = np.arange(60.0)
    xy = np.stack([np.stack([time, np.sin(0.1 * time + k)], -1) for k in range(5)], 1) * np.arange(1, 6)[:, None]
    seen = np.ones(xy.shape[:2], bool)
    seen[10:13, 2] = False
    assert np.allclose(bridged(np.where(seen[..., None], xy, 0), seen)[11, 2, 0], xy[11, 2, 0])
    shaken = xy + 0.5 * numpy_generator(0, "noise").normal(size=xy.shape)
    assert estimated_noise(xy) < 0.01 and estimated_noise(shaken) == pytest.approx(0.5, rel=0.15)
    with pytest.raises(DataError, match="keypoint 2 is seen in no frame"):
        observe(np.where(np.arange(5)[:, None] == 2, np.nan, xy), seen.astype(float), EDGES, 0.2)
    with pytest.raises(DataError, match="3 frames"):
        observe(xy[:3], seen[:3].astype(float), EDGES, 0.2)


def test_magnitudes_of_a_two_bone_arm_are_closed_form():
    flat = np.array([[[3.0, 0.0], [0.0, 1.0]], [[5.0, 0.0], [2.0, 0.0]]])
    assert magnitudes(flat, np.array([5.0, 1.0])).tolist() == [[4.0, 0.0], [0.0, 0.0]]


def test_calibration_recovers_a_logistic_law():
    draw = numpy_generator(0, "calibration")
    features = draw.normal(size=(20000, 5))
    chance = 1 / (1 + np.exp(-(1.5 * features[:, 0] - 0.5 * features[:, 3] + 0.3)))
    found = fit_calibration(features, (draw.random(20000) < chance).astype(float), np.ones(20000))
    assert np.allclose([found.gap, found.size, found.coverage, found.constant], [1.5, 0.0, -0.5, 0.3], atol=0.1)
    assert torch.is_tensor(torch.from_numpy(found.probability(features[:3])))
