"""Tilts from seams: a tube of two colours drawn pixel by pixel, its seam the near half of a circle across it."""

import numpy as np

from articulate.geometry.straight import StraightJoint
from articulate.seeding.capsule_fit import Evidence, Figure
from articulate.seeding.covering import Covering, with_tilts
from articulate.seeding.seams import Tilts, find_tilts

RADIUS, LENGTH, SIZE = 3.0, 30.0, 48
EDGES = np.array([[0, 1], [1, 2]])


def drawn_tube(bow: float) -> tuple[Figure, Evidence, np.ndarray]:
    """Figure and labels of a tube along the rows, and its tilt (rad, positive: the second end is farther) per frame.

    `bow` is how much of the seam's circle shows: 1 for a tube, 0 for a flat band that is cut straight.
    """
    tilt = np.linspace(-1.2, 1.2, 60)
    half = LENGTH / 2 * np.cos(tilt)
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    labels = np.full((len(tilt), SIZE, SIZE), -1, np.int64)
    for t, angle in enumerate(tilt):
        seam = bow * np.sin(angle) * np.sqrt(np.maximum(RADIUS**2 - rows**2, 0))
        inside = (np.abs(rows) < RADIUS) & (np.abs(columns) < half[t])
        labels[t][inside] = (columns > seam)[inside]
    middle = np.full_like(half, SIZE / 2)
    points = np.stack([np.stack([middle + side * half, middle], -1) for side in (-1, 0, 1)], 1)
    figure = Figure(points, EDGES, np.full((2, 2), RADIUS), np.array([0, 1]))
    return figure, Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(len(tilt), np.int64)), tilt


def test_the_part_that_shows_beyond_the_joint_is_nearer():
    figure, evidence, tilt = drawn_tube(1.0)
    (found,) = find_tilts(figure, evidence)
    assert (found.joint.keypoint, found.joint.ends) == (1, (0, 2))
    clear = np.abs(tilt) > 0.3
    assert (np.sign(found.nats[clear]) == np.sign(tilt[clear])).mean() > 0.95


def test_a_seam_that_does_not_move_tells_nothing():
    figure, evidence, _ = drawn_tube(0.0)
    assert find_tilts(figure, evidence) == []


def test_a_seam_in_a_body_that_is_hardly_straight_tells_nothing():
    figure, evidence, _ = drawn_tube(1.0)
    start = figure.points[:, :1]
    bent = np.cumsum(np.tile([0.0, 4.0], (len(start), 3, 1)), 1) * np.linspace(-1, 1, len(start))[:, None, None]
    bent[:, :, 0] = np.random.default_rng(0).uniform(-4, 4, bent.shape[:2])
    chain = np.array([[0, 3], [3, 4], [4, 5]])
    points = np.concatenate([figure.points, start + bent], 1)
    other = Figure(points, np.concatenate([EDGES, chain]), np.full((5, 2), RADIUS), np.array([0, 1, 2, 3, 4]))
    assert find_tilts(figure, evidence) != [] == find_tilts(other, evidence)


def test_tilts_take_the_place_of_entries_within_their_limb():
    figure, evidence, tilt = drawn_tube(1.0)
    tilts, count = find_tilts(figure, evidence), 10
    within = Covering(
        np.arange(count), np.tile(EDGES[0], (count, 1)), np.tile(EDGES[1], (count, 1)),
        np.full((count, 2), 0.5), np.zeros(count), np.full(count, 20.0),
    )  # fmt: skip
    found = with_tilts(within, figure, tilts)
    near, far = found.front[:, 0], found.behind[:, 0]
    assert (found.front[:, 1] == 1).all() and (found.behind[:, 1] == 1).all()
    assert set(near.tolist()) == set(far.tolist()) == {0, 2}
    right = np.where(near == 0, 1, -1) == np.sign(tilt[found.frame])
    assert right[np.abs(tilt[found.frame]) > 0.3].mean() > 0.95
    assert with_tilts(within, figure, []) is within


def test_entries_about_limbs_that_meet_are_left_out_where_tilts_contradict_them():
    """Two tubes that meet: one with its second end far away, the other level in depth or tilted the same way."""
    frames = 60
    points = np.zeros((frames, 5, 2))
    points[:, :, 0] = [0, 10, 20, 20, 20]
    points[:, :, 1] = [0, 0, 0, 10, 20]
    points[0, :, 0] = [-10, 5, 20, 20, 20]  # one frame in which both look their longest
    points[0, :, 1] = [0, 0, 0, 15, 30]
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    figure = Figure(points, edges, np.full((4, 2), 2.0), np.arange(4))
    joints = [(1, (0, 2)), (3, (2, 4))]
    # Keypoint 0 is near and keypoint 4 is far: the limb 1-2 is before 2-3.
    tilts = [Tilts(StraightJoint(k, ends, 0.5, 30.0), np.full(frames, 9.0)) for k, ends in joints]

    def entries(front: int, behind: int) -> Covering:
        count = np.arange(frames)
        share = np.tile([0.8 if front == 1 else 0.2, 0.2 if front == 1 else 0.8], (frames, 1))
        both = [np.tile(edges[i], (frames, 1)) for i in (front, behind)]
        return Covering(count, both[0], both[1], share, np.zeros(frames), np.full(frames, 20.0))

    kept, dropped = with_tilts(entries(1, 2), figure, tilts), with_tilts(entries(2, 1), figure, tilts)
    assert len(kept.frame) == 3 * frames
    assert len(dropped.frame) == 2 * frames
