"""Hidden limbs: drawn chains whose joints are known, one of them meeting at the wrong end, one with a gap."""

import math

import numpy as np
import pytest

from articulate.seeding.capsule_fit import Evidence, FitSettings, fit_figure
from articulate.seeding.parts.hidden import Trial, best_use
from articulate.seeding.parts.tree import Connection, assemble

SIZE, NUM_FRAMES, RADIUS, GAP = 48, 12, 1.8, 2.5
SETTINGS = FitSettings(steps=25, smoothness=0.0, softness=(1.0, 0.6))
MIDDLE, GAPING = Connection((1, 1), (2, 0), 0.5), Connection((0, 0), (3, 0), 0.5)


def drawn_chain() -> tuple[np.ndarray, Evidence]:
    """Ends [T, 4, 2, 2] and pixels of limbs 3, 0, 1, 2 in a row; between the first two a limb is hidden."""
    random = np.random.default_rng(0)
    labels, ends = np.full((NUM_FRAMES, SIZE, SIZE), -1), np.zeros((NUM_FRAMES, 4, 2, 2))
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1)
    for t in range(NUM_FRAMES):
        angles = random.uniform(-0.8, 0.8, 4)
        steps = np.stack([np.cos(angles), np.sin(angles)], -1)
        start = np.array([16.0, 24.0])
        ends[t, 0] = start, start + 9 * steps[0]
        ends[t, 1] = ends[t, 0, 1], ends[t, 0, 1] + 6 * steps[1]
        ends[t, 2] = ends[t, 1, 1], ends[t, 1, 1] + 9 * steps[2]
        hip = start - GAP * np.array([steps[3, 1], -steps[3, 0]])
        ends[t, 3] = hip, hip - 8 * steps[3]
        for part in (2, 1, 3, 0):
            a, b = ends[t, part]
            foot = np.clip((grid - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            labels[t][np.linalg.norm(grid - a - foot[..., None] * (b - a), axis=-1) < RADIUS] = part
    return ends, Evidence(labels, (labels >= 0).astype(np.float64), np.zeros(NUM_FRAMES, np.int64))


def trial_of(merged: list[Connection]) -> Trial:
    ends, evidence = drawn_chain()
    figure = assemble(ends, np.ones((NUM_FRAMES, 4)), np.full((4, 2), RADIUS), merged, [])
    return Trial(merged, [], fit_figure(figure, evidence, SETTINGS), ends, evidence, SETTINGS)


def test_a_joint_at_the_wrong_end_is_turned_and_takes_no_hidden_limb():
    wrong = Connection((0, 1), (1, 1), 0.5)
    trial = trial_of([wrong, MIDDLE, GAPING])
    gains = [trial.gain_of_link(c) for c in trial.merged]
    assert max(gains[:2]) > gains[2] > 0  # by gains alone the gap would not be found
    joint, turned = best_use(trial, trial.merged, gains)
    assert turned is not None and joint in (wrong, MIDDLE)
    assert {turned.first, turned.second} in ({(0, 1), (1, 0)}, {(1, 0), (2, 0)})


def test_the_gap_takes_the_hidden_limb_where_the_other_joints_are_right():
    trial = trial_of([Connection((0, 1), (1, 0), 0.5), MIDDLE, GAPING])
    assert best_use(trial, trial.merged, [trial.gain_of_link(c) for c in trial.merged]) == (GAPING, None)


def test_overlap_is_the_disc_of_the_thinner_limb_at_the_price_of_foreign_pixels():
    trial = trial_of([Connection((0, 1), (1, 0), 0.5), MIDDLE, GAPING])
    thinner = min(trial.joined.radii[1, 1], trial.joined.radii[2, 0])
    assert trial.overlap(MIDDLE) == pytest.approx(SETTINGS.foreign * math.pi * thinner**2)
