"""Which limb covers which, on two crossing bars drawn by hand."""

import numpy as np

from articulate.seeding.capsule_fit import Evidence, Figure
from articulate.seeding.depth_order import find_depth_order


def test_the_limb_that_shows_where_two_cross_is_in_front():
    points = np.array([[[4.0, 16.0], [28.0, 16.0], [16.0, 4.0], [16.0, 28.0]]] * 2)
    figure = Figure(points, np.array([[0, 1], [2, 3]]), np.full((2, 2), 3.0), np.array([0, 1]))
    labels = np.full((2, 33, 33), -1, np.int64)
    labels[:, 13:20, 4:29] = 0
    labels[:, 4:29, 13:20] = 1
    labels[1, 13:20, 4:29] = 0  # in the second frame the level bar lies above
    evidence = Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(2, np.int64))
    order = find_depth_order(figure, evidence, np.array([5, 7]), 33)
    assert order.frame.tolist() == [5, 7]
    assert order.front.tolist() == [[2, 3], [0, 1]]
    assert order.behind.tolist() == [[0, 1], [2, 3]]
    # The bars cross half way along both and are equally thick; a pixel may lie on the rim of the one that shows but not
    # on that of the one below, which makes less than a pixel (2 / 33) of difference.
    assert np.allclose(order.share.numpy(), 0.5, atol=0.05)
    assert np.allclose(order.gap.numpy(), 0.0, atol=2 / 33)


def test_what_shows_beside_the_taper_of_a_limb_says_nothing():
    """A thin limb beside a tapering end lies within the capsule all the same; only one before the middle covers it."""
    row, column = np.mgrid[:41, :41]
    tapering = (abs(column - 20) / 16) ** 1.5 + (abs(row - 20) / 9) ** 1.5 <= 1
    labels = np.tile(np.where(tapering, 0, -1), (12, 1, 1)).astype(np.int64)
    labels[10][(np.abs(column - 31) <= 1) & (row < 20) & ~tapering] = 1
    labels[11][(np.abs(column - 20) <= 1) & (row < 19)] = 1
    points = np.tile(np.array([[13.0, 20.0], [27.0, 20.0], [31.0, 2.0], [31.0, 20.0]]), (12, 1, 1))
    points[11, 2:, 0] = 20.0
    figure = Figure(points, np.array([[0, 1], [2, 3]]), np.array([[9.0, 9.0], [2.0, 2.0]]), np.array([0, 1]))
    evidence = Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(12, np.int64))
    order = find_depth_order(figure, evidence, np.arange(12), 41)
    covered = order.frame[(order.behind == order.behind.new_tensor([0, 1])).all(1)]
    assert covered.tolist() == [11]
