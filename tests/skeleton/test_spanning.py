"""Spanning trees: against brute force and networkx, on ties, zeros and rigid data; their gradients; listing 5.1."""

import itertools

import networkx as nx
import numpy as np
import pytest
import torch

from articulate.skeleton import (
    as_written,
    edges_to_mask,
    minimum_spanning_tree,
    spanning_edges,
    tree_edges,
    tree_marginals,
)
from articulate.skeleton.spanning import _prim_batch, _prim_torch


def random_costs(batch: int, size: int, seed: int = 0) -> torch.Tensor:
    cost = torch.rand(batch, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (cost + cost.mT) / 2


def all_trees(size: int):
    """Every labelled tree by its Pruefer sequence (Cayley: size^(size-2) of them)."""
    for sequence in itertools.product(range(size), repeat=size - 2):
        yield list(nx.from_prufer_sequence(list(sequence)).edges)


@pytest.mark.parametrize("size", [3, 4, 5, 6])
def test_equals_brute_force(size: int) -> None:
    cost = random_costs(20, size)
    trees = np.array(list(all_trees(size)))
    weights = cost.numpy()[:, trees[:, :, 0], trees[:, :, 1]].sum(axis=-1)
    for matrix, best in zip(minimum_spanning_tree(cost), weights.argmin(axis=1), strict=True):
        assert {tuple(e) for e in tree_edges(matrix).tolist()} == {tuple(sorted(e)) for e in trees[best].tolist()}


@pytest.mark.parametrize("kind", ["ties", "zeros", "rigid", "negative"])
def test_weight_equals_networkx_on_hard_matrices(kind: str) -> None:
    cost = random_costs(30, 12, seed=3)
    if kind == "ties":
        cost = (cost * 4).round()
    elif kind == "zeros":
        cost = torch.zeros_like(cost)
    elif kind == "rigid":  # differences far below the 1e-8 at which SciPy's dense routine drops edges
        cost = cost * 1e-14
    else:
        cost = cost - 0.7
    for matrix, mask in zip(cost, minimum_spanning_tree(cost), strict=True):
        graph = nx.Graph()
        graph.add_weighted_edges_from((i, j, float(matrix[i, j])) for i in range(12) for j in range(i))
        best = sum(d["weight"] for *_, d in nx.minimum_spanning_edges(graph, data=True))
        edges = tree_edges(mask)
        assert len(edges) == 11 and nx.is_tree(nx.Graph(edges.tolist()))
        assert float(matrix[edges[:, 0], edges[:, 1]].sum()) == pytest.approx(best, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keeps_dtype_and_leading_axes(dtype: torch.dtype) -> None:
    mask = minimum_spanning_tree(random_costs(6, 5).reshape(2, 3, 5, 5).to(dtype))
    assert mask.shape == (2, 3, 5, 5) and mask.dtype == dtype
    assert (mask.sum(dim=(-1, -2)) == 8).all() and torch.equal(mask, mask.mT)


def test_not_a_number_and_infinity_still_give_a_tree() -> None:
    cost = random_costs(1, 6)[0]
    cost[2] = cost[:, 2] = torch.nan
    cost[3] = cost[:, 3] = torch.inf
    assert nx.is_tree(nx.Graph(spanning_edges(cost).tolist()))


def test_vectorised_and_compiled_prim_agree() -> None:
    cost = (random_costs(50, 9, seed=5) * 6).round()
    cost[0] = torch.inf
    assert torch.equal(_prim_torch(cost), torch.from_numpy(_prim_batch(cost.numpy())))


def test_order_of_keypoints_does_not_matter() -> None:
    cost = random_costs(8, 11, seed=7)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        minimum_spanning_tree(cost)[:, order][:, :, order], minimum_spanning_tree(cost[:, order][:, :, order])
    )


@pytest.mark.parametrize("size", [3, 4, 5])
def test_marginals_equal_the_sum_over_all_trees(size: int) -> None:
    cost = random_costs(1, size, seed=2)[0]
    expected, total = torch.zeros(size, size, dtype=torch.float64), 0.0
    for tree in all_trees(size):
        weight = float(np.exp(-sum(float(cost[a, b]) for a, b in tree) / 0.3))
        total += weight
        expected += weight * edges_to_mask(torch.tensor(tree), size, torch.float64)
    # the bound of the logits is a smooth one: it moves values of this size by less than one in a thousand
    torch.testing.assert_close(tree_marginals(cost, 0.3), expected / total, atol=3e-3, rtol=0)


def test_gradients_of_every_backward() -> None:
    cost = random_costs(2, 7, seed=4).requires_grad_()
    target = torch.rand(2, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    assert not minimum_spanning_tree(cost, "mask").requires_grad
    (minimum_spanning_tree(cost, "straight_through", temperature=2.0) * target).sum().backward()
    symmetric = -(target + target.mT) / 4
    off = 1 - torch.eye(7, dtype=torch.float64)
    torch.testing.assert_close(cost.grad, symmetric * off)
    cost.grad = None
    (minimum_spanning_tree(cost, "kirchhoff") * target).sum().backward()
    through_marginals = torch.autograd.grad((tree_marginals(cost) * target).sum(), cost)[0]
    torch.testing.assert_close(cost.grad, through_marginals)
    assert torch.autograd.gradcheck(lambda c: tree_marginals(c), (cost.detach().requires_grad_(),))
    hard = minimum_spanning_tree(cost, "annealed", sharpness=1.0)
    assert torch.equal(hard, minimum_spanning_tree(cost))
    assert torch.isfinite(tree_marginals(cost * 1e9)).all()


def test_variance_loss_needs_no_gradient_through_the_tree() -> None:
    """The derivative of the weight of the minimum tree is its mask (envelope theorem), checked by differences."""
    cost = random_costs(1, 6)[0].requires_grad_()
    (cost * minimum_spanning_tree(cost)).sum().backward()

    def weight(matrix: torch.Tensor) -> torch.Tensor:
        return (matrix * minimum_spanning_tree(matrix)).sum()

    step = torch.zeros_like(cost)
    for i, j in itertools.combinations(range(6), 2):
        step.zero_()
        step[i, j] = step[j, i] = 1e-7
        slope = (weight(cost.detach() + step) - weight(cost.detach() - step)) / 2e-7
        assert float(slope) == pytest.approx(float(cost.grad[i, j] + cost.grad[j, i]), abs=1e-5)


def test_listing_of_the_source_is_wrong_in_three_ways() -> None:
    cost = random_costs(100, 8, seed=6)
    exact = minimum_spanning_tree(cost)
    different = sum(not torch.equal(as_written(c), e) for c, e in zip(cost, exact, strict=True))
    assert different >= 90  # the upper triangle hides edges
    ties = torch.ones(5, 5, dtype=torch.float64)
    ties[0, 1] = ties[1, 0] = ties[0, 3] = ties[3, 0] = 0.0
    assert as_written(ties)[0, 2] == 1  # the tied edges 0-1 and 0-3 average to 0-2, which costs more
    assert minimum_spanning_tree(ties)[0, [1, 3]].tolist() == [1, 1]
    leaf = cost[0].clone().requires_grad_()
    assert not as_written(leaf).requires_grad  # the rounded index is cut from the graph
