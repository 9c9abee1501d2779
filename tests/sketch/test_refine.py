"""Refinement by drawing, and bands of rows against whole images."""

import math

import pytest
import torch

from articulate.sketch import compiled as compiled_module
from articulate.sketch import draw_tree, refine_points

EDGES = torch.tensor([[0, 1], [1, 2], [1, 3]])


def figure(batch: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    base = torch.tensor([[-0.6, 0.0], [0.0, 0.1], [0.5, -0.5], [0.4, 0.6]])
    return base + 0.1 * torch.randn(batch, 4, 2, generator=g)


def test_refinement_brings_points_onto_their_image():
    true = figure(6)
    images = draw_tree(true, EDGES, size=(48, 48), width=0.05, profile="smooth_step")
    start = true + 0.03 * torch.randn(true.shape, generator=torch.Generator().manual_seed(1))
    before = start.clone()
    found = refine_points(start, EDGES, 0.05, images, steps=60, batch=4)
    assert (found - true).norm(dim=-1).mean() < 0.1 * (start - true).norm(dim=-1).mean()
    assert torch.equal(start, before) and not found.requires_grad


def test_refinement_leaves_a_frame_without_points_alone():
    true = figure(2)
    images = draw_tree(true, EDGES, size=(32, 32), width=0.05, profile="smooth_step")
    start = true.clone()
    start[0, 2] = math.nan
    found = refine_points(start, EDGES, 0.05, images, steps=3)
    assert found[0, 2].isnan().all() and torch.equal(found[0, :2], start[0, :2]) and found[1].isfinite().all()


@pytest.mark.parametrize("height", [1, 3, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_height_of_the_bands_changes_nothing(monkeypatch, height, dtype):
    points = figure(2).to(dtype)
    size = (21, 26)  # no multiple of any band

    def draw(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(compiled_module, "BAND_HEIGHT", rows)
        leaf = points.clone().requires_grad_()
        image = draw_tree(leaf, EDGES, size=size, width=0.06)
        (image * torch.linspace(-1, 1, image.numel(), dtype=dtype).view_as(image)).sum().backward()
        return image.detach(), leaf.grad

    image, gradient = draw(height)
    expected, expected_gradient = draw(4)
    # Wider bands may draw a little beyond the threshold of 1e-6.
    assert torch.allclose(image, expected, atol=5e-6)
    assert (gradient - expected_gradient).abs().max() < 1e-4 * expected_gradient.abs().max()
