"""The fit of capsules: its gradient is that of its misfit, and known capsules are found again."""

from dataclasses import replace

import numpy as np
import pytest

from articulate.seeding.budget import contract_shortest, split_longest
from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, evaluate, fit_figure

SIZE = 40


def capsule_labels(points, edges, radii):
    """Labels of capsules without occlusion order: the first limb that covers a pixel has it."""
    row, column = np.mgrid[:SIZE, :SIZE]
    labels = np.full((len(points), SIZE, SIZE), -1)
    for t, frame in enumerate(points):
        for limb, (a, b) in reversed(list(enumerate(edges))):
            along = frame[b] - frame[a]
            foot = ((column - frame[a][0]) * along[0] + (row - frame[a][1]) * along[1]) / (along @ along)
            foot = np.clip(foot, 0, 1)
            near = np.hypot(column - frame[a][0] - foot * along[0], row - frame[a][1] - foot * along[1]) < radii[limb]
            labels[t][near] = limb
    return labels


def test_gradient_by_points_is_that_of_the_misfit():
    draw = np.random.default_rng(0)
    labels = np.full((2, SIZE, SIZE), -1)
    labels[:, 10:14, 5:30], labels[:, 20:35, 15:19], labels[0, 5, 5] = 0, 1, -2
    evidence = Evidence(labels, np.where(labels == -1, 0.0, 0.9).astype(np.float32), np.zeros(2, np.int64))
    figure = Figure(draw.uniform(8, 32, (2, 3, 2)), np.array([[0, 1], [1, 2]]), np.full((2, 2), 2.0), np.array([0, 1]))
    _, gradient, _ = evaluate(figure, evidence, 1.0, 0.1)
    # Constant radii: with unequal ones the gradient leaves out that the foot moves along the limb.
    for index in np.ndindex(2, 3, 2):
        step = np.zeros_like(figure.points)
        step[index] = 1e-4
        high = evaluate(replace(figure, points=figure.points + step), evidence, 1.0, 0.1)[0].sum()
        low = evaluate(replace(figure, points=figure.points - step), evidence, 1.0, 0.1)[0].sum()
        assert gradient[index] == pytest.approx((high - low) / 2e-4, rel=0.05, abs=0.1)


def test_a_bent_limb_is_found_again_from_a_bad_start():
    draw = np.random.default_rng(1)
    truth = np.array([[8.0, 10.0], [20.0, 18.0], [16.0, 32.0]]) + np.linspace(0, 4, 6)[:, None, None]
    edges, radii = np.array([[0, 1], [1, 2]]), np.array([2.5, 2.0])
    labels = capsule_labels(truth, edges, radii)
    evidence = Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(6, np.int64))
    start = Figure(truth + 2.5 * draw.standard_normal(truth.shape), edges, np.full((2, 2), 1.5), np.arange(2))
    fitted = fit_figure(start, evidence, FitSettings(steps=120))
    assert np.linalg.norm(fitted.points - truth, axis=-1).mean() < 0.8  # a joint inside a straight limb is less certain
    assert np.abs(fitted.radii.mean(1) - radii).max() < 0.6


def test_a_joint_under_a_thick_limb_lies_where_the_limbs_would_meet_once_the_price_of_covers_is_released():
    """Two limbs whose corner is covered: the price of reaching under the cover cuts the corner."""
    draw = np.random.default_rng(3)
    hub, angle = np.full((8, 2), SIZE / 2), draw.uniform(0, 2 * np.pi, 8)
    along = [np.stack([np.cos(a), np.sin(a)], -1) for a in (angle, angle + draw.uniform(1.0, 1.6, 8))]
    truth = np.stack([hub - 6, hub + 6, hub + 14 * along[0], hub, hub + 14 * along[1]], 1)
    edges = np.array([[0, 1], [2, 3], [3, 4]])
    labels = capsule_labels(truth, edges, np.array([6.0, 2.0, 2.0]))
    evidence = Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(8, np.int64))
    start = Figure(truth + draw.standard_normal(truth.shape), edges, np.full((3, 2), 2.5), np.arange(3))

    def error(release: float) -> float:
        fitted = fit_figure(start, evidence, FitSettings(steps=120, smoothness=0.0, release=release))
        return float(np.linalg.norm(fitted.points - truth, axis=-1)[:, 3].mean())

    assert error(0.04) < 0.65 * error(1.0)


def test_contracting_and_splitting_keep_a_tree_and_the_number_asked_for():
    points = np.cumsum(np.random.default_rng(2).uniform(1, 6, (4, 7, 2)), axis=1)
    edges = np.array([[0, 1], [1, 2], [2, 3], [2, 4], [4, 5], [2, 6]])
    figure = Figure(points, edges, np.ones((6, 2)), np.arange(6))
    few = contract_shortest(figure, 4)
    assert few.points.shape[1] == 4 and len(few.edges) == 3 and set(few.edges.reshape(-1)) == set(range(4))
    many, score = split_longest(few, np.ones((4, 4)), 9)
    assert many.points.shape[1] == 9 == score.shape[1] and len(many.edges) == 8
    assert set(many.edges.reshape(-1)) == set(range(9))
