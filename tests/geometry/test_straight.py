"""Straight limbs: three bones in a row that turn in space, and the same with a bend."""

import numpy as np

from articulate.geometry.straight import straight_joints, without_straight

EDGES = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])


def seen_chain(bend: float) -> np.ndarray:
    """Views of a chain of bones 1, 2 and 1 that turn at random, bent by `bend` rad at keypoint 1, and a free bone."""
    draw = np.random.default_rng(0)
    frame = np.linalg.qr(draw.normal(size=(300, 3, 3)))[0]
    along, aside = frame[:, 0], frame[:, 1]
    bent = np.cos(bend) * along + np.sin(bend) * aside
    free = np.linalg.qr(draw.normal(size=(300, 3, 3)))[0][:, 0]
    steps = np.stack([along, 2 * bent, bent, 2 * free], 1)
    points = np.concatenate([np.zeros((300, 1, 3)), steps.cumsum(1)], 1)
    return points[..., :2] + 0.02 * draw.normal(size=(300, 5, 2))


def test_keypoints_within_a_straight_limb_are_found_with_their_place_on_it():
    points = seen_chain(0.0)
    found = straight_joints(points, np.ones((300, 5), bool), EDGES)
    assert [(one.keypoint, one.ends) for one in found] == [(1, (0, 2)), (2, (0, 3))]
    assert np.allclose([one.share for one in found], [1 / 3, 3 / 4], atol=0.02)
    assert np.allclose([one.length for one in found], [3, 4], atol=0.1)
    left, limbs, mean = without_straight(found, EDGES, 5)
    assert left.tolist() == [0, 3, 4]
    assert sorted(map(tuple, limbs.tolist())) == [(0, 1), (1, 2)]
    assert np.allclose(mean[[1, 2]], [[3 / 4, 1 / 4, 0], [1 / 4, 3 / 4, 0]], atol=0.02)


def test_a_limb_that_is_bent_by_thirty_degrees_is_not_straight():
    found = straight_joints(seen_chain(0.52), np.ones((300, 5), bool), EDGES)
    assert [one.keypoint for one in found] == [2]


def test_keypoints_that_never_show_are_on_no_limb():
    assert straight_joints(seen_chain(0.0), np.zeros((300, 5), bool), EDGES) == []
