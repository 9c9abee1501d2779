"""The one-clip solver on a made-up body with known depth: right where the body turns, frank where it does not."""

import math

import numpy as np
import pytest
import torch

from articulate.errors import DataError
from articulate.lifting.confidence import ENOUGH_COVERAGE
from articulate.lifting.kinematics import bone_vectors, forward_kinematics
from articulate.lifting.one_clip import ClipSolution, OneClipConfig, search_distance, solve_clip

# A trunk of six points, two legs and two arms of two bones each; the root is the pelvis (0).
EDGES = torch.tensor(
    [
        [0, 1],
        [0, 2],
        [0, 3],
        [1, 4],
        [1, 5],
        [1, 6],
        [2, 7],
        [3, 8],
        [5, 9],
        [6, 10],
        [7, 11],
        [8, 12],
        [9, 13],
        [10, 14],
    ]
)
LENGTHS = torch.tensor([5.0, 2.0, 2.0, 2.0, 2.5, 2.5, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0, 2.5, 2.5], dtype=torch.float64)
FAST = OneClipConfig(sweeps=5, num_starts=4)


def walker(turn: float, frames: int = 120) -> torch.Tensor:
    """A body that swings its limbs and turns by `turn` radians about the vertical. x right, y down, z forward."""
    time = torch.linspace(0, 1, frames, dtype=torch.float64)
    swing = 0.4 * torch.sin(time * 8 * math.pi)
    reach = 0.3 * torch.sin(time * 5 * math.pi + 1)

    def hanging(angle: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.sin(angle), torch.cos(angle), torch.zeros_like(angle)], -1)

    def fixed(*direction: float) -> torch.Tensor:
        return torch.tensor(direction, dtype=torch.float64).expand(frames, 3)

    knee = 0.5 + 0.4 * torch.sin(time * 8 * math.pi + 1)
    bones = [
        fixed(0.1, -1, 0), fixed(0.1, 0.2, 1), fixed(0.1, 0.2, -1), fixed(0.4, -1, 0), fixed(0, -0.1, 1),
        fixed(0, -0.1, -1), hanging(swing), hanging(-swing), hanging(-reach), hanging(reach + 0.5),
        hanging(swing - knee), hanging(-swing - knee), hanging(-reach + knee), hanging(2 * reach + 1),
    ]  # fmt: skip
    yaw = turn * time
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    turned = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], -1)
    directions = torch.einsum("tij,tlj->tli", turned.view(-1, 3, 3), torch.stack(bones, 1))
    return forward_kinematics(torch.zeros(frames, 3, dtype=torch.float64), directions, LENGTHS, EDGES)


def depth_error(found: ClipSolution, true: torch.Tensor) -> float:
    """Mean depth error over that of the flat pose, after the better reflection of the clip."""
    z, target = (p[..., 2] - p[..., 2].mean(1, keepdim=True) for p in (found.joints, true))
    return float(min((z - target).abs().mean(), (z + target).abs().mean()) / target.abs().mean())


def test_a_turning_body_is_lifted_with_its_lengths():
    true = walker(6.0)
    found = solve_clip(true[..., :2], EDGES, config=FAST)
    assert depth_error(found, true) < 0.2
    assert torch.allclose(found.bone_lengths, LENGTHS, rtol=0.05)
    assert torch.allclose(found.joints[..., :2], true[..., :2], atol=1e-6)
    lengths = bone_vectors(found.joints, EDGES).norm(dim=-1)
    assert (lengths / found.bone_lengths - 1).abs().mean() < 0.01
    assert found.view_coverage > 0.4 and found.joints.dtype == torch.float64


def test_a_body_that_does_not_turn_is_said_to_be_undetermined():
    found = solve_clip(walker(0.05)[..., :2], EDGES, config=FAST)
    assert not found.determined and "does not determine depth" in found.statement


@pytest.mark.parametrize("turn", [0.05, 0.5])
def test_no_bone_is_longer_than_it_was_seen(turn):
    true = walker(turn)
    found = solve_clip(true[..., :2], EDGES, config=OneClipConfig(sweeps=1, polish_sweeps=1, heading_start=False))
    longest = bone_vectors(true, EDGES)[..., :2].norm(dim=-1).amax(0)
    assert (found.bone_lengths < 1.01 * longest + 0.02).all()


def test_where_depth_is_not_determined_it_is_drawn_towards_flat():
    true = walker(0.05)
    free = solve_clip(true[..., :2], EDGES, config=OneClipConfig(sweeps=3, num_starts=2, hedge=False))
    held = solve_clip(true[..., :2], EDGES, config=OneClipConfig(sweeps=3, num_starts=2))
    assert not held.determined and "towards flat" in held.statement and "towards flat" not in free.statement
    expected = bone_vectors(free.joints, EDGES)[..., 2] * (2 * free.confidence - 1)
    expected = expected * min(1.0, free.view_coverage / ENOUGH_COVERAGE)
    assert torch.allclose(bone_vectors(held.joints, EDGES)[..., 2], expected)
    assert torch.equal(held.joints[..., :2], free.joints[..., :2]) and (held.confidence >= 0.5).all()


def test_missing_points_noise_and_scores_are_respected():
    true = walker(6.0)
    generator = np.random.default_rng(0)
    xy = true[..., :2] + 0.05 * torch.from_numpy(generator.normal(size=(*true.shape[:2], 2)))
    score = torch.ones(xy.shape[:2], dtype=torch.float64)
    xy[40:50, 7] = torch.nan
    xy[70:75, 13] += 30.0
    score[70:75, 13] = 0.0
    found = solve_clip(xy, EDGES, score, FAST)
    assert found.joints.isfinite().all()
    assert depth_error(found, true) < 0.35
    unseen = (EDGES[:, 1] == 13).nonzero()[0, 0]
    assert torch.all(found.confidence[70:75, unseen] == 0.5)


def test_same_generator_same_answer_and_a_given_depth_is_a_start():
    true = walker(2.0, 60)
    one, two = (solve_clip(true[..., :2], EDGES, config=FAST, generator=np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.joints, two.joints)
    informed = solve_clip(true[..., :2], EDGES, config=FAST, initial_depth=true[..., 2])
    assert informed.diagnostics["starts"] == 6  # four factorisations, the heading model of the clip, and what was given
    assert informed.energy <= one.energy + 0.5
    assert depth_error(informed, true) < 0.2


def test_thinned_search_carries_over_to_all_frames_and_distances_run():
    true = walker(6.0)
    thin = solve_clip(true[..., :2], EDGES, config=OneClipConfig(sweeps=5, num_starts=4, max_frames=60))
    assert thin.joints.shape == true.shape and depth_error(thin, true) < 0.25
    other = solve_clip(true[..., :2], EDGES, config=OneClipConfig(sweeps=4, num_starts=1, method="distances"))
    assert other.joints.isfinite().all()


@pytest.mark.xfail(reason="known weakness: 0.39 of flat with a close camera of known distance, wanted 0.25")
def test_perspective_is_undone_when_its_distance_is_known():
    true = walker(6.0)
    seen = true[..., :2] / (1 + true[..., 2:] / 40)
    known = solve_clip(seen, EDGES, config=OneClipConfig(sweeps=5, num_starts=4, perspective_distance=40.0))
    assert torch.isfinite(known.joints).all() and depth_error(known, true) < 0.25
    distance, best = search_distance(seen, EDGES, [40.0, 1e6], config=FAST)
    assert distance in (40.0, 1e6) and best.energy <= known.energy + 1.0


def test_edges_out_of_order_are_refused():
    with pytest.raises(DataError, match="breadth-first"):
        solve_clip(walker(1.0, 10)[..., :2], EDGES.flip(0))
