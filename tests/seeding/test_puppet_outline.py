"""Middle lines of drawn silhouettes have the ends and branches that were drawn."""

import numpy as np
import pytest

from articulate.data.synthetic.sticks import render_sticks
from articulate.data.synthetic.style import Style
from articulate.seeding.puppet.outline import join_close_branches, line_length, middle_tree, num_holes, read_outline

# A figure with two branches: ends 0, 1 at branch 2; ends 4, 5 at branch 3.
POINTS = np.array([[10.0, 10], [10, 50], [24, 30], [44, 30], [56, 12], [54, 52]])
EDGES = np.array([[2, 0], [2, 1], [2, 3], [3, 4], [3, 5]])


def drawn(points, edges, size=64, width=0.08):
    """Soft mask of sticks between points given in pixels."""
    xy = (points[None] + 0.5) * 2 / size - 1
    count = len(edges)
    style = Style(np.ones((count, 3)), np.full(count, width), np.ones((count, 2)), np.zeros(count, int))
    return render_sticks(xy, np.zeros((1, len(points))), edges, style, size).mask[0] / 255.0


@pytest.mark.parametrize("width", [0.05, 0.12])
def test_ends_and_branches(width):
    outline = read_outline(drawn(POINTS, EDGES, width=width))
    tree = join_close_branches(middle_tree(outline, 4.0), 4.0)
    assert tree.num_ends == 4 and len(tree.nodes) == 6 and len(tree.edges) == 5
    apart = np.linalg.norm(tree.nodes[:, None] - POINTS, axis=-1).min(0)
    assert apart.max() < 0.5 * width * 32 + 2.0  # an end lies half a width beyond the drawn point
    assert num_holes(outline.inside) == 0
    true = sum(np.linalg.norm(POINTS[a] - POINTS[b]) for a, b in EDGES)
    assert tree.length == pytest.approx(true + 4 * 0.5 * width * 32, rel=0.1)


def test_a_loop_is_a_hole_and_specks_are_left_out():
    mask = drawn(np.array([[10.0, 10], [50, 10], [30, 50]]), np.array([[0, 1], [1, 2], [2, 0]]))
    assert num_holes(read_outline(mask).inside) == 1
    mask[60, 60] = 1.0
    assert read_outline(mask).pixels.max() < 59


def test_depth_is_zero_at_the_outline_of_a_bar():
    mask = np.zeros((20, 20))
    mask[8:12] = 1.0
    depth = read_outline(mask).depth
    np.testing.assert_allclose(depth[6:14, 10], [-1.5, -0.5, 0.5, 1.5, 1.5, 0.5, -0.5, -1.5])


def test_nothing_sticks_out_of_an_empty_frame():
    outline = read_outline(np.zeros((16, 16)))
    assert len(outline.pixels) == 0 and middle_tree(outline, 2.0) is None


def test_length_of_a_slanted_line_of_pixels():
    line = np.array([(i, i // 2) for i in range(41)], float)
    assert line_length(line) == pytest.approx(np.hypot(40, 20), rel=0.03)
