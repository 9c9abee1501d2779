"""Hubs: parts that others only hang on by hidden limbs are one point in their middle, and give a keypoint back."""

import numpy as np
import torch

from articulate.records import DepthOrder, Seeds
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.hubs import affordable, hubs_of, with_fewer_points
from articulate.seeding.parts.roots import roots
from articulate.seeding.parts.tree import Connection

# Parts 1 to 4 are legs on the trunk, part 0; part 5 is the lower half of leg 4.
LEGS = [Connection((0, n % 2), (n, 0), 0.1) for n in (1, 2, 3, 4)]
KNEE = Connection((4, 1), (5, 0), 0.1)


def test_only_a_part_without_any_joint_of_its_own_is_a_hub():
    assert hubs_of([KNEE], LEGS, 6) == [0]
    assert hubs_of([KNEE, LEGS[3]], LEGS[:3], 6) == []
    assert hubs_of([], LEGS[:2], 6) == []


def test_the_joint_that_makes_a_hub_pays_for_itself():
    joints = [LEGS[3], KNEE]
    assert affordable(joints, joints, LEGS[:3], 3, 6) == [LEGS[3]]
    assert affordable(joints, joints, LEGS[:3], 4, 6) == joints
    assert affordable(joints, [*LEGS[2:], KNEE], LEGS[:2], 2, 6) == []


def test_a_hub_becomes_the_point_in_its_middle():
    # The hub runs from point 1 to point 2; limbs without a part lead from there to a leg (3 to 0) and to a point.
    edges, parts = np.array([[1, 2], [3, 0], [2, 3], [1, 4]]), np.array([0, 1, -1, -1])
    points = np.random.default_rng(0).normal(size=(6, 5, 2))
    score = np.tile(np.array([0.1, 0.2, 0.7, 0.4, 0.5]), (6, 1))
    pairs, nothing = torch.tensor([[1, 2], [0, 3], [1, 2]]), torch.zeros(3)
    share = torch.tensor([[0.5, 0.0], [0.0, 0.4], [0.1, 0.0]])  # the last entry is far from the middle of the hub
    points[:, 2] = points[:, 1] + np.array([5.0, 0.0])
    order = DepthOrder(nothing.long(), pairs, torch.tensor([[0, 3], [1, 2], [0, 3]]), share, nothing, nothing)
    figure, found, order = with_fewer_points(Figure(points, edges, np.ones((4, 2)), parts), score, order, [0], [])
    assert figure.points.shape == (6, 4, 2)
    np.testing.assert_allclose(figure.points[:, 1], (points[:, 1] + points[:, 2]) / 2)
    np.testing.assert_allclose(figure.points[:, [0, 2, 3]], points[:, [0, 3, 4]])
    np.testing.assert_array_equal(figure.edges, [[1, 1], [2, 0], [1, 2], [1, 3]])
    np.testing.assert_allclose(found[0], [0.1, 0.7, 0.4, 0.5])
    assert order.front.tolist() == [[1, 1], [0, 2]]
    assert order.behind.tolist() == [[0, 2], [1, 1]]


def test_hidden_limbs_beyond_the_hips_of_a_root_move_to_it():
    # Parts 1 to 4 are hips on the root, part 0; parts 5 to 8 are thighs, part 9 is a shin.
    thighs = [Connection((n, 1), (n + 4, 0), 0.1) for n in (1, 2, 3, 4)]
    shin = Connection((8, 1), (9, 0), 0.1)
    joints = [*LEGS, *thighs, shin]
    assert list(roots(joints, thighs[:3])) == [(LEGS, thighs[:3])]
    assert list(roots(joints, [*thighs[:2], LEGS[3]])) == [(LEGS, thighs[:2])]  # one hip has its hidden limb already
    assert list(roots(joints, thighs[:2])) == []  # no room for all hips
    assert list(roots(joints, [*thighs[:2], shin])) == []  # a hidden limb far from the root is another matter
    assert list(roots([*joints, Connection((0, 0), (0, 1), 0.0)], thighs[:3])) == []  # a disc is one point already


def test_seeds_at_some_frames_keep_the_order_of_the_whole_run():
    """A batch takes frames of the seeds (B, T); the order of depth numbers frames of the run and stays as it is."""
    pairs, shares = torch.tensor([[0, 1], [1, 2]]), torch.full((2, 2), 0.5)
    order = DepthOrder(torch.tensor([0, 4]), pairs, pairs.flip(0), shares, torch.zeros(2), torch.ones(2))
    seeds = Seeds(torch.zeros(1, 6, 3, 2), torch.ones(1, 6, 3), pairs, order=order)
    some = seeds.take(torch.tensor([[5, 4], [1, 0]]))
    assert some.xy.shape == (2, 2, 3, 2)
    assert some.order is not None
    assert torch.equal(some.order.frame, order.frame)
    assert torch.equal(order.only(torch.tensor([False, True])).frame, torch.tensor([4]))
