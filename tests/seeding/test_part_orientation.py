"""Ends that were taken for each other are found over time; a limb that is still says which end meets its neighbour."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from articulate.seeding.appearance import measure
from articulate.seeding.capsule_fit import Evidence
from articulate.seeding.parts.figure import measured_links
from articulate.seeding.parts.orientation import likeliest_course, settle_ends
from articulate.seeding.parts.tree import Connection

JOINT = [Connection((0, 1), (1, 0), 1.0)]


def two_limbs():
    """A horizontal limb and one that hangs from its right end and swings, over 20 frames: 20 x 4 pixels each."""
    labels = np.full((20, 64, 64), -1)
    rows, columns = np.indices((64, 64))
    true = np.zeros((20, 2, 2, 2))
    for t, picture in enumerate(labels):
        angle = 1.2 + 0.03 * t
        for part, (x, y, turn) in enumerate(((10, 10, 0.0), (30, 10, angle))):
            along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
            across = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
            picture[(along >= 0) & (along <= 20) & (abs(across) < 2)] = part
            true[t, part] = [[x, y], [x + 20 * np.cos(turn), y + 20 * np.sin(turn)]]
    evidence = Evidence(labels, (labels >= 0).astype(float), np.zeros(20, int))
    return replace(measure(np.arange(20), evidence, 2, 1.0), ends=true.copy()), true


@pytest.mark.parametrize("wrong", [[5], [0, 1, 2], [12, 13, 14, 15], [4, 9, 19]])
def test_exchanged_ends_are_put_right(wrong):
    """A few frames in which the ends of the hanging limb were exchanged, at the beginning and the end of a clip too."""
    found, true = two_limbs()
    found.ends[wrong, 1] = found.ends[wrong, 1][:, ::-1]
    np.testing.assert_allclose(settle_ends(found, JOINT), true)


def test_joint_decides_where_all_frames_are_exchanged():
    """Steady ends say nothing about the reading of the whole clip; that they meet their neighbour does."""
    found, true = two_limbs()
    found.ends[:, 1] = found.ends[:, 1][:, ::-1]
    np.testing.assert_allclose(settle_ends(found, JOINT), true)


def test_course_is_the_cheapest_of_all():
    """Against all 2^8 courses."""
    rng = np.random.default_rng(0)
    ends, cost, gap = rng.normal(size=(8, 2, 2)) * 5, rng.uniform(0, 3, (8, 2)), np.array([1, 1, 3, 1, 2, 1, 1])

    def step(t, turned, then):
        first = ends[t, ::-1] if turned else ends[t]
        return np.linalg.norm((ends[t + 1, ::-1] if then else ends[t + 1]) - first, axis=-1).sum()

    unit = max(1.0, np.median([min(step(t, False, False), step(t, False, True)) for t in range(7)]))
    prices = {
        course: sum(cost[t, s] for t, s in enumerate(course))
        + sum(step(t, course[t], course[t + 1]) / (unit * gap[t]) for t in range(7))
        for course in product((0, 1), repeat=8)
    }
    assert tuple(likeliest_course(ends, cost, gap).astype(int)) == min(prices, key=prices.__getitem__)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_hidden_limb_joins_the_ends_that_lie_nearest_as_measured(first, second):
    found, _ = two_limbs()
    radii = np.full((2, 2), 2.0)
    link = measured_links([Connection((0, first), (1, second), 2.0)], found, radii)
    assert link == [Connection((0, 1), (1, 0), 2.0)]
    # Within a half-width of each other, measured ends say nothing.
    given = [Connection((0, first), (1, second), 2.0)]
    assert measured_links(given, found, np.full((2, 2), 100.0)) == given
