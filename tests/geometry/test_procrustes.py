"""Procrustes: undoes what was done, ignores weight-zero points, and never mirrors unless asked."""

import pytest
import torch

from articulate.geometry.procrustes import aligned, procrustes
from articulate.geometry.rotations import rotation_from_axis_angle


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(x: torch.Tensor, scale: float) -> torch.Tensor:
    return scale * x @ rotation_from_axis_angle(points(1, *x.shape[:-2], 3)).mT + points(2, *x.shape[:-2], 1, 3)


def test_similarity_is_undone():
    x = points(0, 8, 10, 3)
    y = moved(x, 2.5)
    found = procrustes(x, y)
    assert torch.allclose(found.scale, torch.full((8,), 2.5, dtype=torch.float64))
    assert torch.allclose(aligned(x, y), y)


def test_rigid_keeps_the_size():
    x = points(0, 3, 10, 3)
    result = aligned(x, moved(x, 2.5), with_scale=False)
    assert torch.allclose(torch.cdist(result, result), torch.cdist(x, x))


def test_no_reflection_unless_asked():
    x = points(0, 4, 10, 3)
    mirrored = x * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    assert torch.allclose(torch.linalg.det(procrustes(x, mirrored).rotation), torch.ones(4, dtype=torch.float64))
    assert (aligned(x, mirrored) - mirrored).abs().max() > 0.1
    assert torch.allclose(aligned(x, mirrored, with_reflection=True), mirrored)


def test_points_of_weight_zero_do_not_count():
    x = points(0, 2, 10, 3)
    y = moved(x, 0.7)
    broken = y.clone()
    broken[:, 3] += 100
    weight = torch.ones(2, 10, dtype=torch.float64)
    weight[:, 3] = 0
    assert torch.allclose(aligned(x, broken, weight), y)


@pytest.mark.parametrize("dimension", [2, 3])
def test_planar_sets_and_both_dimensions(dimension):
    x = points(3, 2, 6, dimension)
    assert torch.allclose(aligned(x, 3 * x + 1), 3 * x + 1)


def test_degenerate_set_is_finite():
    x = torch.ones(1, 5, 3, dtype=torch.float64)
    found = procrustes(x, points(4, 1, 5, 3))
    assert all(torch.isfinite(part).all() for part in found)
