"""The two renderers against independent answers: supersampling, brute-force spheres, analytic silhouettes."""

import numpy as np
import pytest

from articulate.data.synthetic.cameras import SceneCamera
from articulate.data.synthetic.capsules import render_capsules, trace
from articulate.data.synthetic.families import get_family
from articulate.data.synthetic.ray_capsule import ray_hit
from articulate.data.synthetic.sticks import render_sticks
from articulate.data.synthetic.style import Style, make_style

FLAT = SceneCamera("orthographic", 1.0)


def style(num: int, radii=(0.1, 0.1), width: float = 0.1, colours=None) -> Style:
    return Style(
        colours=np.ones((num, 3)) if colours is None else np.array(colours, dtype=np.float64),
        widths=np.full(num, width),
        radii=np.tile(np.array(radii, dtype=np.float64), (num, 1)),
        seeds=np.zeros(num, dtype=np.int64),
    )


def pixel_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    centres = 2 * (np.arange(size) + 0.5) / size - 1
    return np.meshgrid(centres, centres)


def segment_distance(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    direction = b - a
    t = np.clip(((x - a[0]) * direction[0] + (y - a[1]) * direction[1]) / (direction @ direction), 0, 1)
    return np.hypot(x - a[0] - t * direction[0], y - a[1] - t * direction[1])


def test_stick_matches_supersampling():
    """A box-filtered half plane against 16 x 16 point samples a pixel: mean error below half a grey level in 255."""
    size, fine = 48, 16
    points = np.array([[[-0.61, -0.37], [0.53, 0.42]]])
    drawn = render_sticks(points, np.zeros((1, 2)), np.array([[0, 1]]), style(1), size)
    x, y = pixel_grid(size * fine)
    inside = segment_distance(x, y, points[0, 0], points[0, 1]) <= 0.1
    truth = inside.reshape(size, fine, size, fine).mean((1, 3)) * 255
    error = np.abs(drawn.frames[0, ..., 0].astype(float) - truth)
    assert error.mean() < 0.5 and error.max() < 30
    np.testing.assert_array_equal(drawn.frames[0, ..., 0], drawn.mask[0])


def test_nearer_stick_covers_and_light_adds_without_occlusion():
    points = np.array([[[-0.8, 0.0], [0.8, 0.0], [0.0, -0.8], [0.0, 0.8]]])
    edges = np.array([[0, 1], [2, 3]])
    look = style(2, width=0.2, colours=[[1, 0, 0], [0, 1, 0]])
    for near, far in ((0, 1), (1, 0)):
        depth = np.array([[float(near), float(near), float(far), float(far)]])
        drawn = render_sticks(points, depth, edges, look, 33)
        assert drawn.frames[0, 16, 16].tolist() == ([255, 0, 0] if near < far else [0, 255, 0])
    added = render_sticks(points, depth, edges, look, 33, occlusion=False)
    assert added.frames[0, 16, 16].tolist() == [255, 255, 0]
    # Depth is compared at the crossing, not per stick: these two pass through each other.
    slanted = render_sticks(points, np.array([[0.0, 4.0, 1.0, 1.0]]), edges, look, 33)
    assert slanted.frames[0, 16, 16].tolist() == [0, 255, 0]


def test_stick_visibility():
    points = np.array([[[-0.8, 0.0], [0.8, 0.0], [0.0, 0.0], [0.0, 0.8], [0.0, 1.2]]])
    edges = np.array([[0, 1], [2, 3], [3, 4]])
    behind = render_sticks(points, np.array([[0.0, 0, 1, 1, 1]]), edges, style(3), 32)
    assert behind.visible[0].tolist() == [True, True, False, True, False]
    before = render_sticks(points, np.array([[1.0, 1, 0, 0, 0]]), edges, style(3), 32)
    assert before.visible[0].tolist() == [True, True, True, True, False]


def test_blur_keeps_light_and_spreads_it():
    points, edges = np.array([[[-0.4, 0.0], [0.4, 0.1]]]), np.array([[0, 1]])
    sharp = render_sticks(points, np.zeros((1, 2)), edges, style(1), 64).frames.astype(float)
    soft = render_sticks(points, np.zeros((1, 2)), edges, style(1), 64, blur=1.5).frames.astype(float)
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)
    assert soft.max() < sharp.max() and (soft > 8).sum() > (sharp > 8).sum()


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_capsule_depth_matches_a_row_of_spheres(seed, perspective):
    """Independent answer: the nearest of 4000 spheres along the limb."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-0.5, 0.5, 3) + [0, 0, 3], rng.uniform(-0.5, 0.5, 3) + [0, 0, 3]
    ra, rb = rng.uniform(0.05, 0.45, 2)
    t = np.linspace(0, 1, 4000)[:, None]
    centres, radii = a + t * (b - a), (ra + t * (rb - ra))[:, 0]
    hits = 0
    for _ in range(150):
        # Aimed at the limb, a little wide, so that the side, both ends and misses all occur.
        x, y = (a + rng.uniform(-0.1, 1.1) * (b - a))[:2] + rng.uniform(-1.2, 1.2, 2) * max(ra, rb)
        origin, direction = ([0, 0, 0], [x / 3, y / 3, 1]) if perspective else ([x, y, 0], [0, 0, 1])
        origin, direction = np.array(origin, dtype=float), np.array(direction, dtype=float)
        offset = origin - centres
        half, square = offset @ direction, direction @ direction
        disc = half**2 - square * ((offset**2).sum(1) - radii**2)
        expected = np.min((-half - np.sqrt(np.maximum(disc, 0)))[disc >= 0] / square, initial=np.inf)
        found, _ = ray_hit(origin[0], origin[1], direction[0], direction[1], a, b, ra, rb)
        if np.isfinite(expected):
            assert found == pytest.approx(expected, abs=2e-4)
            hits += 1
        elif np.isfinite(found):  # between two of the spheres of the row: a grazing ray
            assert disc.max() > -1e-5
    assert hits > 20


def test_silhouette_of_one_capsule_is_the_points_near_its_segment():
    size = 64
    points = np.array([[[-0.5, -0.3, 0.2], [0.6, 0.35, -0.4]]])
    drawn = render_capsules(points, FLAT, np.array([[0, 1]]), style(1), size)
    x, y = pixel_grid(2 * size)
    # Seen from far away the outline of a capsule is the outline of its flat projection.
    inside = segment_distance(x, y, points[0, 0, :2], points[0, 1, :2]) <= 0.1
    expected = inside.reshape(size, 2, size, 2).sum((1, 3)) * 255 / 4
    np.testing.assert_allclose(drawn.mask[0], expected, atol=0.51)


def test_nearer_capsule_occludes_and_mask_is_where_something_is_drawn():
    points = np.array([[[-0.8, 0, 1.0], [0.8, 0, 1.0], [0, -0.8, 0.0], [0, 0.8, 0.0]]])
    edges = np.array([[0, 1], [2, 3]])
    background = np.full((32, 32, 3), 40, dtype=np.uint8)
    drawn = render_capsules(points, FLAT, edges, style(2, colours=[[1, 0, 0], [0, 1, 0]]), 32, background)
    red, green, blue = drawn.frames[0, 16, 16].astype(int)
    assert green > 60 and red == blue == 0
    assert ((drawn.frames[0] != 40).any(-1) == (drawn.mask[0] > 0)).all()
    limbs, depth = trace(points[0], np.array([0.0, 1.0, 0.0, 0.0]), edges, style(2).radii, 32)
    assert limbs[16, 16] == 1 and limbs[16, 4] == 0 and limbs[2, 2] == -1
    assert depth[16, 16] == pytest.approx(-0.1, abs=0.02) and depth[16, 4] == pytest.approx(0.9, abs=0.02)


def test_keypoints_behind_another_limb_are_not_visible():
    points = np.array([[[-0.8, 0, 1.0], [0.0, 0, 1.0], [0, -0.8, 0.0], [0, 0.8, 0.0], [1.4, 0.8, 0.0]]])
    edges = np.array([[0, 1], [2, 3], [3, 4]])
    assert render_capsules(points, FLAT, edges, style(3), 32).visible[0].tolist() == [True, False, True, True, False]
    nearer = points - np.array([0, 0, 2.0]) * np.array([1, 1, 0, 0, 0])[:, None]
    assert render_capsules(nearer, FLAT, edges, style(3), 32).visible[0, :2].all()


def test_perspective_draws_nearer_things_larger():
    camera = SceneCamera("perspective", 0.5, (0.1, -0.2), 4.0)
    points = np.array([[[-0.5, 0, 3.0], [0.5, 0, 3.0]], [[-0.5, 0, 6.0], [0.5, 0, 6.0]]])
    near, far = render_capsules(points, camera, np.array([[0, 1]]), style(1), 64).mask.astype(float).sum((1, 2))
    assert near / far == pytest.approx(4.0, rel=0.1)
    np.testing.assert_allclose(camera.project(points)[:, 1], [[2 * 0.5 / 3 + 0.1, -0.2], [2 * 0.5 / 6 + 0.1, -0.2]])


def test_texture_is_fixed_to_the_body():
    """A shifted limb is the same picture shifted; a limb turned about its own axis shows another side."""
    points = np.array([[[-0.5, -0.25, 0.0], [0.25, -0.25, 0.0]]])
    look = style(1, radii=(0.2, 0.2))
    look = Style(look.colours * 0.6, look.widths, look.radii, look.seeds, texture=0.8, texture_scale=0.1)
    first = render_capsules(points, FLAT, np.array([[0, 1]]), look, 64).frames[0]
    moved = render_capsules(points + [0.25, 0.5, 3.0], FLAT, np.array([[0, 1]]), look, 64).frames[0]
    np.testing.assert_array_equal(moved[16:, 8:], first[:-16, :-8])
    assert first[first > 0].std() > 15
    spun = render_capsules(points, FLAT, np.array([[0, 1]]), look, 64, frames=np.diag([1.0, -1, -1])[None, None])
    assert np.abs(spun.frames[0].astype(int) - first).max() > 15


def test_cues():
    family = get_family("person")
    for look in ("sticks", "capsules"):
        plain, widths, colours = (make_style(family, look, cue) for cue in ("none", "widths", "colours"))
        assert len(np.unique(plain.colours, axis=0)) == len(np.unique(widths.colours, axis=0)) == 1
        assert len(np.unique(colours.colours.round(3), axis=0)) == len(family.edges)
        assert len(np.unique(plain.widths)) == 1 and len(np.unique(widths.widths)) == len(family.edges)
    left, right = (family.limb_child.tolist().index(family.names.index(n)) for n in ("LElbow", "RElbow"))
    assert (plain.radii[left] == plain.radii[right]).all() and (widths.radii[left] != widths.radii[right]).all()
