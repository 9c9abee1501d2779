"""Exchanging connections: drawn limbs whose true joints are known, and the ways within a tree by hand."""

import numpy as np

from articulate.seeding.capsule_fit import Evidence, FitSettings, fit_figure
from articulate.seeding.parts.exchange import (
    exchange_connections,
    exchanges,
    num_free_ends,
    surely_above,
    way_between,
)
from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.tree import Connection, assemble, keypoints_of_ends

SIZE = 40


def drawn(ends: np.ndarray, order: tuple[int, ...]) -> Evidence:
    """Pixels of limbs between ends [T, P, 2, 2]; later ones of `order` cover the others."""
    labels = np.full((len(ends), SIZE, SIZE), -1)
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1)
    for t in range(len(ends)):
        for part in order:
            a, b = ends[t, part]
            foot = np.clip((grid - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            labels[t][np.linalg.norm(grid - a - foot[..., None] * (b - a), axis=-1) < 1.8] = part
    return Evidence(labels, (labels >= 0).astype(np.float64), np.zeros(len(ends), np.int64))


def drawn_star(num_frames: int) -> tuple[np.ndarray, Evidence]:
    """Ends [T, 3, 2, 2] of three limbs from one hub, and their pixels; limb 2 lies under a stretch of limb 0."""
    random = np.random.default_rng(0)
    ends = np.full((num_frames, 3, 2, 2), SIZE / 2)
    for t in range(num_frames):
        angles = random.uniform(0, 2 * np.pi) + np.array([0.0, 2.5, 0.35])
        ends[t, :, 1] += 14 * np.stack([np.cos(angles), np.sin(angles)], -1)
    return ends, drawn(ends, (2, 1, 0))


def test_limbs_that_meet_at_a_covered_hub_are_joined_there():
    ends, evidence = drawn_star(20)
    seen = ends.copy()
    seen[:, 2, 0] += 0.45 * (seen[:, 2, 1] - seen[:, 2, 0])  # what limb 0 covers does not show
    radii = np.full((3, 2), 1.8)
    settings = FitSettings(steps=25, smoothness=0.0, softness=(1.0, 0.6))
    # Outer ends of limbs 0 and 2 are nearer to each other than their visible inner ones.
    wrong = [Connection((0, 0), (1, 0), 0.2), Connection((0, 1), (2, 1), 0.9)]
    distances = {((0, 0), (1, 0)): 0.2, ((0, 1), (2, 1)): 0.9, ((0, 0), (2, 0)): 1.3, ((1, 0), (2, 0)): 1.4}
    joined = fit_figure(assemble(seen, np.ones((20, 3)), radii, wrong, []), evidence, settings)
    found = exchange_connections(Trial(wrong, [], joined, seen, evidence, settings), distances, 0.1)
    hub = keypoints_of_ends(3, found)[:, 0]
    assert (hub == hub[0]).all()
    right = fit_figure(assemble(seen, np.ones((20, 3)), radii, found, []), evidence, settings)
    assert exchange_connections(Trial(found, [], right, seen, evidence, settings), distances, 0.1) == found


def test_a_limb_shorter_than_it_is_wide_lies_between_two_others():
    """Trunk, a limb of two pixels, a long limb in a row: pixels hardly say that the short one is no side branch."""
    random = np.random.default_rng(0)
    ends = np.zeros((20, 3, 2, 2))
    for t in range(20):
        angles = random.uniform(0, 2 * np.pi) + np.array([0.0, random.uniform(-1, 1), random.uniform(-1, 1)])
        steps = np.stack([np.cos(angles), np.sin(angles)], -1) * np.array([[12.0], [2.0], [12.0]])
        joints = SIZE / 2 - steps[0] + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
        ends[t] = np.stack([joints[:-1], joints[1:]], 1)
    evidence, radii = drawn(ends, (0, 2, 1)), np.full((3, 2), 1.8)
    settings = FitSettings(steps=25, smoothness=0.0, softness=(1.0, 0.6))
    wrong = [Connection((0, 1), (1, 0), 0.6), Connection((0, 1), (2, 0), 1.1)]
    distances = {((0, 1), (1, 0)): 0.6, ((0, 1), (2, 0)): 1.0, ((1, 1), (2, 0)): 0.7, ((1, 0), (2, 0)): 0.9}
    joined = fit_figure(assemble(ends, np.ones((20, 3)), radii, wrong, []), evidence, settings)
    assert num_free_ends(wrong, [], 3) == 3 and num_free_ends(wrong, [Connection((1, 1), (2, 1), 1.0)], 3) == 1
    found = exchange_connections(Trial(wrong, [], joined, ends, evidence, settings), distances, 20.0)
    assert {(one.first, one.second) for one in found} == {((0, 1), (1, 0)), ((1, 1), (2, 0))}
    hands = {((0, 0), (2, 1)): 0.2}  # free ends that do show are not joined, however often they are near
    assert exchange_connections(Trial(found, [], joined, ends, evidence, settings), hands, 0.5) == found


def test_exchanges_break_the_circle_that_a_new_connection_closes_and_leave_links_alone():
    merged = [Connection((0, 0), (1, 0), 1.0), Connection((2, 0), (3, 0), 1.0)]
    links = [Connection((1, 1), (2, 1), 1.0)]
    assert way_between([*merged, *links], 3, 0) == [merged[0], links[0], merged[1]]
    near, far = ((0, 1), (3, 1)), ((0, 1), (2, 0))
    found = list(exchanges(merged, links, {near: 1.5, far: 9.0}, 4))
    assert [(old, (new.first, new.second)) for old, new in found] == [(merged[1], near), (merged[0], near)]


def test_gains_count_when_frames_agree():
    random = np.random.default_rng(1)
    noise = random.normal(size=50)
    assert surely_above(1.0 + noise, 0.5) and not surely_above(1.0 + noise, 1.5) and not surely_above(0.1 + noise, 0.0)
    noise[0] = 1e3  # one frame decides nothing
    assert not surely_above(0.1 + noise, 0.0)
