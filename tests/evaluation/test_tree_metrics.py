"""Edge scores, rigid groups and tree floors on cases worked out by hand."""

import itertools

import pytest
import torch

from articulate.evaluation.tree import (
    contracted,
    edge_scores,
    edge_stability,
    map_edges,
    rigid_groups,
    spanning_tree,
    tree_floors,
)


def test_direction_and_order_of_edges_do_not_matter():
    true = torch.tensor([[0, 1], [1, 2], [1, 3]])
    scores = edge_scores([(3, 1), (1, 0), (2, 1)], true)
    assert scores == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "exact": 1.0}


def test_scores_by_hand():
    scores = edge_scores([(0, 1), (0, 2)], [(0, 1), (1, 2), (2, 3)])
    assert scores["precision"] == pytest.approx(1 / 2) and scores["recall"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx(0.4) and scores["exact"] == 0
    assert edge_scores([], [(0, 1)])["f1"] == 0


def test_any_tree_of_a_rigid_body_is_forgiven_but_not_where_limbs_hang():
    """Body 0-1-2 with a limb 2-3; the true tree is a path."""
    true = [(0, 1), (1, 2), (2, 3)]
    other_tree = edge_scores([(0, 2), (1, 2), (2, 3)], true, [[0, 1, 2]])
    assert other_tree["exact"] == 0 and other_tree["rigid_exact"] == 1
    wrong_joint = edge_scores([(0, 1), (1, 2), (0, 3)], true, [[0, 1, 2]])
    assert wrong_joint["rigid_recall"] == pytest.approx(2 / 3) and wrong_joint["contracted_exact"] == 1


def test_cycles_inside_a_body_earn_nothing():
    scores = edge_scores([(0, 1), (1, 2), (0, 2)], [(0, 1), (1, 2), (2, 3)], [[0, 1, 2]])
    assert scores["rigid_precision"] == pytest.approx(2 / 3)


def test_contraction_keeps_a_tree_a_tree():
    assert contracted({(0, 1), (1, 2), (2, 3), (3, 4)}, [{1, 2}, {2, 3}]) in (
        {(0, 1), (1, 4)},
        {(0, 2), (2, 4)},
        {(0, 3), (3, 4)},
    )


def test_spare_keypoints_do_not_break_a_limb():
    """Keypoint 1 lies on the limb 0 - 2 and no landmark claims it; keypoint 3 is a spare leaf."""
    match = torch.tensor([0, 2, 4])
    assert map_edges([(0, 1), (1, 2), (2, 3), (2, 4)], match) == {(0, 1), (1, 2)}
    assert map_edges([(0, 1), (1, 2)], torch.tensor([0, -1, 2])) == {(0, 2)}


def test_rigid_groups_of_a_body_with_two_arms():
    angle = torch.linspace(0, 3, 50, dtype=torch.float64)
    body = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.float64).repeat(50, 1, 1)
    arm = body[:, 1] + torch.stack([angle.cos(), angle.sin(), 0 * angle], -1)
    assert rigid_groups(torch.cat([body, arm[:, None]], 1)) == [[0, 1, 2]]


def test_spanning_tree_against_all_trees_of_five_nodes():
    cost = torch.rand(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    cost = cost + cost.T
    cost[0, 1] = cost[1, 0] = 0.0  # a perfectly rigid limb must not be read as "no edge"
    pairs = list(itertools.combinations(range(5), 2))

    def is_tree(edges) -> bool:
        label = list(range(5))
        for a, b in edges:
            if label[a] == label[b]:
                return False
            label = [label[a] if x == label[b] else x for x in label]
        return True

    best = min((e for e in itertools.combinations(pairs, 4) if is_tree(e)), key=lambda e: sum(cost[p] for p in e))
    assert spanning_tree(cost) == sorted(best)


def test_variance_floor_finds_a_rigid_chain():
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(200, 3, 3, generator=generator, dtype=torch.float64)
    steps = direction / direction.norm(dim=-1, keepdim=True) * torch.tensor([1.0, 0.7, 1.3])[None, :, None]
    chain = torch.cat([torch.zeros(200, 1, 3, dtype=torch.float64), steps.cumsum(1)], 1)
    assert tree_floors(chain)["variance"] == [(0, 1), (1, 2), (2, 3)]
    assert edge_stability([[(0, 1)], [(1, 0), (1, 2)]]) == {(0, 1): 1.0, (1, 2): 0.5}
