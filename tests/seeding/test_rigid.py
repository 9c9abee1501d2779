"""Points that hang on one part: covered ones from those that show, and points that move on it left alone."""

import numpy as np
import pytest
import torch

from articulate.records import DepthOrder
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.rigid import fit_shape, keep_on_hubs, points_on_hubs, stays, without_housings

HIPS = np.array([[8.0, 4.0, 0.0], [8.0, -4.0, 0.0], [-8.0, 4.0, 0.0], [-8.0, -4.0, 0.0], [0.0, 0.0, 0.0]])


def order_of(front: list[list[int]], behind: list[list[int]]) -> DepthOrder:
    """Entries about pairs of limbs."""
    num = len(front)
    pairs = (torch.tensor(limbs, dtype=torch.long).reshape(-1, 2) for limbs in (front, behind))
    return DepthOrder(torch.arange(num), *pairs, torch.zeros(num, 2), torch.zeros(num), torch.ones(num))


NOTHING = order_of([], [])


@pytest.fixture
def root() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Four hips and a middle (px) of a turning, tilting box; as found, shares that show, the clip (3 of 50 frames)."""
    random = np.random.default_rng(0)
    clip = np.repeat(np.arange(3), 50)
    turn = np.linspace(0, 3, 50)[None] + random.uniform(0, 6, 3)[:, None]
    tilt = 0.5 + 0.2 * np.sin(np.linspace(0, 4, 50)[None] + random.uniform(0, 6, 3)[:, None])
    turn, tilt = turn.reshape(-1), tilt.reshape(-1)
    across = np.stack([np.cos(turn), -np.sin(turn)], -1)
    along = np.stack([np.sin(turn), np.cos(turn)], -1) * np.sin(tilt)[:, None]
    true = np.stack([HIPS[:, :2] @ across.T, HIPS[:, :2] @ along.T], -1).transpose(1, 0, 2) + 60.0
    score, found = np.ones(true.shape[:2]), true + random.normal(0, 0.3, true.shape)
    for g in range(4):  # every hip is covered where its side is turned away, and then anywhere within the box
        hidden = (true[:, g, 1] - true[:, 4, 1]) < -1.5
        score[hidden, g] = 0.1
        found[hidden, g] += random.normal(0, 5.0, (int(hidden.sum()), 2)) + 3.0
    return true, found, score, clip


def error(points: np.ndarray, true: np.ndarray, where: np.ndarray) -> float:
    """Mean distance in pixels."""
    return float(np.linalg.norm(points - true, axis=-1)[where].mean())


def test_covered_points_come_from_those_that_show(root):
    true, found, score, clip = root
    mended = fit_shape(found, score, clip).mended(found)
    hidden = score < 0.5
    assert error(found, true, hidden) > 6.0
    assert error(mended, true, hidden) < 1.0
    assert error(mended, true, ~hidden) <= error(found, true, ~hidden)


def test_a_point_that_moves_on_the_part_is_no_place_on_it(root):
    true, found, score, clip = root
    shape = fit_shape(found, score, clip)
    moving = true[:, 0] + 5.0 * np.stack([np.sin(np.arange(150) / 5.0), np.cos(np.arange(150) / 7.0)], -1)
    assert stays(shape, true[:, 0] + 1.0, np.ones(150)) < 1.5
    assert stays(shape, moving, np.ones(150)) > 3.0


def figure_of(points: np.ndarray, num_links: int) -> Figure:
    """A disc at the last point, on which the first `num_links` points hang by hidden limbs; a leg at each of those."""
    num = points.shape[1]
    legs = (
        points[:, :num_links] + 12.0 * np.stack([np.sin(np.arange(len(points)) / 3), np.ones(len(points))], -1)[:, None]
    )
    edges = [(num - 1, num - 1), *((num - 1, g) for g in range(num_links)), *((g, num + g) for g in range(num_links))]
    parts = np.array([0, *[-1] * num_links, *range(1, num_links + 1)])
    return Figure(np.concatenate([points, legs], 1), np.array(edges), np.full((len(edges), 2), 2.0), parts)


def test_hips_of_a_root_are_kept_and_two_hidden_limbs_are_not(root):
    true, found, score, clip = root
    figure = figure_of(found, 4)
    every = np.concatenate([score, np.ones((len(score), 4))], 1)
    assert [len(group) for group in points_on_hubs(figure)] == [5]
    kept, known, _ = keep_on_hubs(figure, every, NOTHING, clip)
    hidden = score < 0.5
    assert error(kept.points[:, :5], true, hidden) < 1.0
    assert np.array_equal(kept.points[:, 5:], figure.points[:, 5:])  # legs swing
    assert np.allclose(known[:, :5].min(1), np.sort(score, 1)[:, 2])
    some = np.ix_(np.arange(len(found)), [0, 3, 4])
    few, same = figure_of(found[some], 2), np.concatenate([score[some], np.ones((len(score), 2))], 1)
    assert np.array_equal(keep_on_hubs(few, same, NOTHING, clip)[0].points, few.points)


def test_what_covers_the_housing_of_a_hip_is_not_believed_where_they_meet():
    # The hub is point 0 with hidden limbs to 1, 2 and 3; limb 1-4 turns about its axis, limb 4-5 hangs on it.
    edges, parts = np.array([[0, 0], [0, 1], [0, 2], [0, 3], [1, 4], [4, 5]]), np.array([0, -1, -1, -1, 1, 2])
    figure, group = Figure(np.zeros((1, 6, 2)), edges, np.ones((6, 2)), parts), np.array([0, 1, 2, 3, 4])
    order = order_of([[1, 4], [4, 5], [4, 5], [0, 1]], [[4, 5], [1, 4], [0, 0], [1, 4]])
    assert without_housings(order, figure, group).frame.tolist() == [2, 3]
