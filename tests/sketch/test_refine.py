"""Refinement by drawing, and images of sizes that no band fits."""

import math

import pytest
import torch

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


@pytest.mark.parametrize("profile", ["gaussian", "student"])
@pytest.mark.parametrize("size", [(21, 26), (5, 7), (1, 3)])
def test_sizes_that_are_no_multiple_of_a_band(size, profile):
    def draw(backend: str) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = figure(2).requires_grad_()
        image = draw_tree(leaf, EDGES, size=size, width=0.06, profile=profile, backend=backend)
        (image * torch.linspace(-1, 1, image.numel()).view_as(image)).sum().backward()
        return image.detach(), leaf.grad

    image, gradient = draw("numba")
    expected, expected_gradient = draw("torch")
    assert torch.allclose(image, expected, atol=1e-5)
    assert (gradient - expected_gradient).abs().max() < 1e-4 * expected_gradient.abs().max()
