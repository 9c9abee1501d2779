"""The compiled foreground step against SciPy's functions, which take ten times as long."""

import numpy as np
import pytest
from scipy import ndimage

from articulate.data.foreground import compiled_differences, compiled_regions, compiled_subject
from articulate.data.foreground.background import gain
from articulate.data.foreground.components import Thresholds, bodies, subject

EIGHT = np.ones((3, 3), bool)


def blobs(seed: int, size: int = 60, count: int = 3) -> np.ndarray:
    """Smooth hills on noise, like a difference map."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    picture = generator.normal(8, 4, (size, size)).clip(0)
    for _ in range(count):
        cx, cy, radius = *generator.uniform(8, size - 8, 2), generator.uniform(3, 9)
        picture += generator.uniform(60, 200) * np.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / radius**2))
    return picture


@pytest.mark.parametrize("seed", range(6))
def test_depth_and_parts_equal_those_of_scipy(seed):
    sure = blobs(seed) > 50
    expected = ndimage.distance_transform_edt(sure)
    np.testing.assert_allclose(np.sqrt(compiled_regions.squared_depth(sure)), expected, atol=1e-9)
    labels, count = compiled_regions.label(sure)
    wanted, number = ndimage.label(sure, EIGHT)
    assert count == number and (labels == wanted).all()


@pytest.mark.parametrize("seed", range(6))
def test_mask_of_a_single_body_equals_the_steps_of_scipy(seed):
    picture, limits = blobs(seed, count=1), Thresholds(25.0, 60.0)
    picture[28:31, 28:31] = 0  # perhaps a hole
    mask, centre, count = subject(picture, limits)
    cores, number = bodies(picture, limits)
    if number != 1:
        pytest.skip("more than one body in this picture")
    parts, _ = ndimage.label(picture > limits.low, EIGHT)
    region = np.isin(parts, np.unique(parts[cores > 0]))
    filled = region.copy()
    holes, number = ndimage.label(ndimage.binary_fill_holes(region) & ~region)
    for hole in range(1, number + 1):
        # Sides of its pixels that face the region, and those that face what is surely subject.
        sides = [np.roll(holes == hole, step, axis) for axis in (0, 1) for step in (1, -1)]
        rim, sure = (sum(int((side & part).sum()) for side in sides) for part in (region, picture > limits.high))
        filled |= (holes == hole) & (2 * sure >= rim)
    assert ((mask > 0) == filled).all() and (mask[filled & ~region] == 255).all()
    np.testing.assert_allclose(centre, ndimage.center_of_mass(cores > 0)[::-1])


@pytest.mark.parametrize("seed", range(6))
def test_cores_do_not_depend_on_the_rectangle_that_is_worked_on(seed):
    picture = blobs(seed)[17:, 9:50]  # hills may touch the border
    labels, count = compiled_subject.cores_of(picture, 60.0, 0.1)
    sure = picture > 60
    depth = compiled_regions.squared_depth(sure)
    parts, number = ndimage.label(depth > max(1.0, depth.max() / 9), EIGHT)
    sizes = ndimage.sum_labels(np.ones(picture.shape), parts, range(1, number + 1))
    kept = [part + 1 for part, size in enumerate(sizes) if size >= 0.1 * sizes.max()]
    assert count == len(kept)
    for place, part in enumerate(kept):
        assert ((labels == place + 1) == (parts == part)).all()
    assert compiled_subject.cores_of(np.zeros((8, 8)), 1.0, 0.1)[1] == 0
    assert compiled_subject.cores_of(np.full((8, 8), 9.0), 1.0, 0.1)[1] == 1


def test_two_bodies_share_a_bridge_at_its_faintest_pixel():
    picture = np.zeros((9, 31))
    picture[1:8, 2:9] = picture[1:8, 22:29] = 200
    picture[4, 9:22] = 120 - 8 * np.abs(np.arange(9, 22) - 13)[::-1]  # faintest near the left body's end
    limits = Thresholds(20.0, 150.0)
    left, _, count = subject(picture, limits, np.array([5.0, 4.0]))
    right, _, _ = subject(picture, limits, np.array([25.0, 4.0]))
    assert count == 2 and not ((left > 0) & (right > 0)).any()
    assert ((left > 0) | (right > 0))[4, 9:22].all()


def test_flicker_gain_and_extent_equal_numpy():
    generator = np.random.default_rng(0)
    scene = generator.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    image = (scene * 0.9).astype(np.uint8)
    np.testing.assert_allclose(
        compiled_differences.flicker_gain(image, scene),
        gain(image.astype(np.float32), scene.astype(np.float32)),
        rtol=1e-6,
    )
    mask = (blobs(3) > 50).astype(np.uint8)
    y, x = np.nonzero(mask)
    low, high = np.percentile([x, y], [1, 99], axis=1)
    middle = (low + high) / 2
    radius = np.percentile(np.hypot(x - middle[0], y - middle[1]), 99)
    np.testing.assert_allclose(compiled_regions.extent(mask), [*middle, radius])
