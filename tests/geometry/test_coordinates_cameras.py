"""Round trips of coordinates and cameras, and their known values."""

import torch

from articulate.geometry.cameras import (
    from_perspective,
    from_perspective_offset,
    from_weak_perspective,
    orthographic,
    perspective,
    perspective_offset,
    relative_pose,
    transform,
    weak_perspective,
)
from articulate.geometry.coordinates import (
    normalised_from_pixels,
    pixel_grid,
    pixels_from_normalised,
    source_from_normalised,
    source_from_store,
    store_from_source,
)
from articulate.geometry.rotations import rotation_from_axis_angle


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_pixel_centres_and_borders():
    # Four pixels: centres at -0.75, -0.25, 0.25, 0.75; the outer border (pixel -0.5) is -1.
    x = torch.tensor([[-0.5, -0.5], [0.0, 1.0], [3.5, 1.5]], dtype=torch.float64)
    expected = torch.tensor([[-1.0, -1.0], [-0.75, 0.5], [1.0, 1.0]], dtype=torch.float64)
    assert torch.equal(normalised_from_pixels(x, (4, 2)), expected)
    assert torch.allclose(pixels_from_normalised(expected, (4, 2)), x)


def test_pixel_grid_holds_the_centres():
    grid = pixel_grid((4, 2), torch.zeros(1, dtype=torch.float64))
    assert grid.shape == (2, 4, 2) and grid.dtype == torch.float64
    assert torch.allclose(grid[1, 2], torch.tensor([0.25, 0.5], dtype=torch.float64))


def test_store_round_trip():
    xy, placement = points(0, 5, 3, 2), torch.tensor([[2.0, 10.0, -4.0]], dtype=torch.float64).expand(5, 3)
    assert torch.allclose(store_from_source(source_from_store(xy, placement), placement), xy)
    centre = source_from_normalised(torch.zeros(1, 1, 2, dtype=torch.float64), 64, placement[:1])
    # The middle of a 64-pixel frame is pixel 31.5; 32 pixels from its border are 64 pixels of the source.
    assert torch.allclose(centre, torch.tensor([[[73.5, 59.5]]], dtype=torch.float64))


def test_camera_round_trips():
    p = points(1, 4, 6, 3)
    scale, shift = points(2, 4).abs() + 0.5, points(3, 4, 2)
    assert torch.allclose(from_weak_perspective(weak_perspective(p, scale, shift), p[..., 2], scale, shift), p)
    front = p + torch.tensor([0, 0, 10.0], dtype=torch.float64)
    assert torch.allclose(from_perspective(perspective(front, 2.0), front[..., 2], 2.0), front)
    assert torch.allclose(from_perspective_offset(perspective_offset(p, 12.0), p[..., 2], 12.0), p)
    assert torch.equal(orthographic(p), p[..., :2])


def test_far_perspective_is_orthographic():
    p = points(4, 2, 5, 3)
    assert torch.allclose(perspective_offset(p, 1e8), p[..., :2], atol=1e-6)


def test_points_behind_the_camera_stay_finite():
    p = torch.tensor([[[1.0, 1.0, -5.0], [1.0, 1.0, 0.0]]], dtype=torch.float64, requires_grad=True)
    (perspective(p).sum() + perspective_offset(p, 2.0).sum()).backward()
    assert torch.isfinite(p.grad).all()


def test_relative_pose_composes():
    world = points(5, 1, 7, 3)
    r1, r2 = rotation_from_axis_angle(points(6, 1, 3)), rotation_from_axis_angle(points(7, 1, 3))
    c1, c2 = points(8, 1, 3), points(9, 1, 3)
    rotation, centre = relative_pose(r1, c1, r2, c2)
    assert torch.allclose(transform(transform(world, r1, c1), rotation, centre), transform(world, r2, c2))
