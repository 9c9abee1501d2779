"""Left and right from lengths alone, and the least tree that respects them."""

import itertools

import networkx as nx
import numpy as np
import pytest
import torch

from articulate.data.synthetic.clips import make_scene
from articulate.data.synthetic.options import SyntheticOptions
from articulate.skeleton import ConnectivityConfig, discover_skeleton, pair_statistics
from articulate.skeleton.mirror import find_mirrors
from articulate.skeleton.symmetry import symmetric_edges


def least_symmetric_weight(cost: torch.Tensor, mirror: list[int]) -> float:
    """By trying every tree."""
    size, best = len(mirror), float("inf")
    for edges in itertools.combinations(itertools.combinations(range(size), 2), size - 1):
        mapped = {tuple(sorted((mirror[a], mirror[b]))) for a, b in edges}
        if mapped == set(edges) and nx.is_connected(nx.Graph(edges)) and len({k for e in edges for k in e}) == size:
            best = min(best, sum(float(cost[a, b]) for a, b in edges))
    return best


@pytest.mark.parametrize(
    "mirror", [[0, 2, 1, 4, 3], [0, 1, 2, 4, 3], [1, 0, 3, 2, 5, 4], [0, 1, 3, 2, 5, 4], [0, 1, 2]]
)
def test_least_symmetric_tree_is_that_of_brute_force(mirror: list[int]) -> None:
    for seed in range(5):
        cost = torch.rand(len(mirror), len(mirror), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        cost = cost + cost.mT
        edges = symmetric_edges(cost, torch.tensor(mirror))
        assert nx.is_tree(nx.Graph(edges.tolist())) and len(edges) == len(mirror) - 1
        weight = float(cost[edges[:, 0], edges[:, 1]].sum())
        assert weight == pytest.approx(least_symmetric_weight(cost, mirror), abs=1e-12)


def scene(family: str, seed: int = 0):
    options = SyntheticOptions(family=family, num_clips=1, num_frames=300, seed=seed)
    made = make_scene(options, 0)
    return torch.from_numpy(np.array(made.xyz)).double(), made.family.edges


def test_twins_of_a_quadruped_are_found_whatever_the_order_of_keypoints() -> None:
    points, _ = scene("quadruped")
    order = torch.randperm(points.shape[1], generator=torch.Generator().manual_seed(1))
    for kept in (torch.arange(points.shape[1]), order):
        statistics = pair_statistics(points[:, kept])
        mirror = find_mirrors(statistics.mean, statistics.variance.sqrt())[0].twin
        name = kept[mirror]
        back = torch.empty_like(name)
        back[kept] = name
        expected = {(6, 14), (7, 15), (8, 16), (9, 17), (10, 18), (11, 19), (12, 20), (13, 21)}
        assert {(a, b) for a, b in enumerate(back.tolist()) if a < b} == expected


def test_twins_are_found_where_every_keypoint_is_placed_a_little_off() -> None:
    """Tracks of networks are biased by keypoint: no length agrees with that of its twin as well as none would."""
    g = torch.Generator().manual_seed(0)
    side = torch.rand(6, 3, generator=g, dtype=torch.float64) * torch.tensor([0.4, 1.0, 0.3]) + 0.1
    middle = torch.rand(3, 3, generator=g, dtype=torch.float64) * torch.tensor([0.0, 1.0, 0.3])
    points = torch.cat([middle, side, side * torch.tensor([-1.0, 1.0, 1.0])])
    points = points + 0.02 * torch.randn(points.shape, generator=g, dtype=torch.float64)
    length = torch.cdist(points, points)
    found = [m.twin.tolist() for m in find_mirrors(length, torch.full_like(length, 0.02))]
    assert [0, 1, 2, *range(9, 15), *range(3, 9)] in found


@pytest.mark.parametrize("family", ["arm", "snake"])
def test_a_chain_has_no_left_and_right_and_stays_a_chain(family: str) -> None:
    points, edges = scene(family)
    skeleton, found = discover_skeleton(points, config=ConnectivityConfig(num_resamples=2))
    assert found.mirror is None or found.mirrored == []
    assert {tuple(sorted(e)) for e in skeleton.edges.tolist()} == {tuple(sorted(e)) for e in edges.tolist()}


def test_symmetry_mends_a_limb_that_noise_hides_on_one_side() -> None:
    points, edges = scene("quadruped", seed=2)
    noisy = points.clone()
    # One paw is tracked badly, so that its own limb is not the most rigid of its distances any more.
    noisy[:, 9] += 0.12 * torch.randn(
        points[:, 9].shape, generator=torch.Generator().manual_seed(0), dtype=points.dtype
    )
    wanted = {tuple(sorted(e)) for e in edges.tolist()}
    shares = {}
    for symmetry in (False, True):
        config = ConnectivityConfig(num_resamples=2, symmetry=symmetry)
        skeleton, _ = discover_skeleton(noisy, config=config)
        shares[symmetry] = len({tuple(sorted(e)) for e in skeleton.edges.tolist()} & wanted) / len(wanted)
    assert shares[True] >= shares[False]
    assert shares[True] == 1.0
