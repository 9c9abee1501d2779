"""Thin-plate warps: they interpolate their control points, have an inverse, and move image and points together."""

import pytest
import torch

from articulate.errors import ConfigError
from articulate.geometry.thin_plate import control_points, random_warp
from articulate.keypoints.soft_argmax import draw_gaussians
from articulate.seeds import torch_generator

DOUBLE = torch.zeros(0, dtype=torch.float64)


def test_passes_through_its_control_points() -> None:
    warp = random_warp(3, torch_generator(0, "warp"), strength=0.1, like=DOUBLE)
    control = control_points(5).expand(3, -1, -1)
    assert torch.allclose(warp.source_points(control), control + warp.displacement, atol=1e-10)


def test_agrees_with_scipy_between_them() -> None:
    from scipy.interpolate import RBFInterpolator

    warp = random_warp(1, torch_generator(1, "warp"), strength=0.1, like=DOUBLE)
    places = torch.rand(50, 2, dtype=torch.float64, generator=torch_generator(2, "p")) * 2 - 1
    control = control_points(5).numpy()
    spline = RBFInterpolator(control, control + warp.displacement[0].numpy(), kernel="thin_plate_spline", degree=1)
    assert torch.allclose(warp.source_points(places[None])[0], torch.from_numpy(spline(places.numpy())), atol=1e-8)


def test_identity_scaling_and_inverse() -> None:
    warp = random_warp(4, torch_generator(3, "w"), strength=0.05, rotation=0.2, zoom=0.1, shift=0.1, like=DOUBLE)
    places = torch.rand(4, 30, 2, dtype=torch.float64, generator=torch_generator(4, "p")) * 2 - 1
    assert torch.allclose(warp.scaled(0.0).source_points(places), places)
    full, half = warp.source_points(places) - places, warp.scaled(0.5).source_points(places) - places
    assert torch.allclose(half, full / 2)
    assert torch.allclose(warp.warped_points(warp.source_points(places), 100), places, atol=1e-6)


def test_points_and_image_move_together() -> None:
    warp = random_warp(6, torch_generator(8, "w"), strength=0.05, rotation=0.3, zoom=0.1, shift=0.1, like=DOUBLE)
    xy = (torch.rand(6, 1, 2, dtype=torch.float64, generator=torch_generator(6, "p")) * 2 - 1) * 0.4
    warped = warp.warp(draw_gaussians(xy, (64, 64), 1.5), border="zeros")
    axis = (2 * torch.arange(64, dtype=torch.float64) + 1) / 64 - 1
    mass = warped / warped.sum((-2, -1), keepdim=True)
    found = torch.stack([(mass.sum(-2) @ axis), (mass.sum(-1) @ axis)], -1)
    error = (found - warp.warped_points(xy)).norm(dim=-1)
    # What the bend across the spot leaves is a small part of a pixel; the points themselves moved by many.
    assert error.median() < 0.1 * 2 / 64 and error.max() < 0.4 * 2 / 64
    assert (warp.warped_points(xy) - xy).norm(dim=-1).min() > 0.5 * 2 / 64


def test_repeats_with_its_generator_and_refuses_one_control_point() -> None:
    first, again = (random_warp(2, torch_generator(7, "w")).displacement for _ in range(2))
    assert torch.equal(first, again)
    with pytest.raises(ConfigError, match="2 x 2"):
        random_warp(1, torch_generator(0, "w"), side=1)
