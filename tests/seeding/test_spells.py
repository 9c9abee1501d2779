"""A joint that was fitted to a wrong place for a few frames is found again; what is right stays."""

from dataclasses import replace

import numpy as np
import pytest

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings
from articulate.seeding.spells import jumping, mend_spells, spells

SIZE, FRAMES = 40, 16
EDGES = np.array([[0, 1], [1, 2]])
SETTINGS = FitSettings(steps=60)


def drawn() -> tuple[np.ndarray, Evidence]:
    """Two bent limbs that drift, and their labels."""
    points = np.array([[8.0, 10.0], [20.0, 18.0], [16.0, 32.0]]) + np.linspace(0, 6, FRAMES)[:, None, None]
    row, column = np.mgrid[:SIZE, :SIZE]
    labels = np.full((FRAMES, SIZE, SIZE), -1)
    for t, limb in np.ndindex(FRAMES, 2):
        a, b = points[t, EDGES[limb]]
        foot = np.clip(((column - a[0]) * (b - a)[0] + (row - a[1]) * (b - a)[1]) / ((b - a) @ (b - a)), 0, 1)
        near = np.hypot(column - a[0] - foot * (b - a)[0], row - a[1] - foot * (b - a)[1]) < 2.0
        labels[t][near & (labels[t] < 0)] = limb
    return points, Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(FRAMES, np.int64))


@pytest.mark.parametrize("first", [0, 6, 13])
def test_a_joint_that_lies_elsewhere_for_a_few_frames_goes_back(first):
    truth, evidence = drawn()
    points = truth.copy()
    points[first : first + 3, 1] += [14.0, 9.0]
    figure = Figure(points, EDGES, np.full((2, 2), 2.0), np.arange(2))
    mended = mend_spells(figure, evidence, SETTINGS)
    assert np.linalg.norm(mended.points - truth, axis=-1).max() < 1.5


def test_a_figure_that_never_jumps_stays_as_it_is():
    truth, evidence = drawn()
    figure = Figure(truth, EDGES, np.full((2, 2), 2.0), np.arange(2))
    assert not jumping(figure, evidence.clip, 3).any()
    assert mend_spells(figure, evidence, SETTINGS) is figure


def test_a_jump_that_the_pixels_show_is_kept():
    truth, evidence = drawn()
    labels, mask, points = evidence.labels.copy(), evidence.mask.copy(), truth.copy()
    labels[8], mask[8] = np.roll(labels[8], -6, axis=0), np.roll(mask[8], -6, axis=0)
    points[8] -= [0.0, 6.0]
    figure = Figure(points, EDGES, np.full((2, 2), 2.0), np.arange(2))
    mended = mend_spells(figure, replace(evidence, labels=labels, mask=mask), SETTINGS)
    assert np.linalg.norm(mended.points - points, axis=-1).max() < 1.0


def test_a_joint_that_jumps_in_all_frames_is_left_alone():
    truth, evidence = drawn()
    points = truth.copy()
    points[::2, 1] += 5.0
    assert not jumping(Figure(points, EDGES, np.full((2, 2), 2.0), np.arange(2)), evidence.clip, 2).any()


def test_spells_hang_together_in_time_and_along_limbs_but_not_across_runs():
    moved = np.zeros((6, 3), bool)
    moved[0:2, 0] = moved[1, 1] = moved[4, 2] = moved[2, 0] = True
    found = spells(moved, EDGES, np.array([0, 0, 1, 1, 1, 1]))
    assert found[0, 0] == found[1, 0] == found[1, 1]
    assert len({found[0, 0], found[2, 0], found[4, 2]}) == 3
    assert (found[~moved] == -1).all()
