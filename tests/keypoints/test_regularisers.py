"""Constraints on the heatmaps' shape: bounds, zeros, the four-spot trap, numeric gradients, full sums."""

import math

import torch

from articulate.keypoints.regularisers import concentration, jensen_shannon, kullback_leibler, variance
from articulate.keypoints.soft_argmax import draw_gaussians

CENTRE = torch.tensor([[[1 / 16, 1 / 16]]], dtype=torch.float64)


def test_all_vanish_on_the_wanted_gaussian() -> None:
    logits = draw_gaussians(CENTRE, (16, 16), 1.0).clamp_min(1e-40).log()
    assert jensen_shannon(logits, 1.0) < 1e-5
    assert kullback_leibler(logits, 1.0) < 1e-5
    assert variance(logits, 1.0) < 1e-4
    assert concentration(draw_gaussians(CENTRE, (16, 16), 1.0), CENTRE, 1.0) == 0


def test_jensen_shannon_equals_the_sum_over_all_cells() -> None:
    # The mode is at (8, 8) and symmetric, so the target stands exactly there.
    x = torch.arange(17, dtype=torch.float64)
    squared = (x - 8) ** 2 + (x[:, None] - 8) ** 2
    logits = (-squared / 8 + 0.5 * torch.cos(squared))[None, None]
    p = logits.flatten().softmax(0)
    q = torch.exp(-squared / 2).flatten()
    q = q / q.sum()
    m = (p + q) / 2
    expected = 0.5 * (p * (p / m).log()).sum() + 0.5 * (q * (q / m).log()).sum()
    assert torch.allclose(jensen_shannon(logits, 1.0), expected, atol=1e-5)
    assert torch.allclose(kullback_leibler(logits, 1.0), (p * (p / q).log()).sum(), atol=1e-6)


def test_jensen_shannon_is_bounded_and_not_fooled_by_four_spots() -> None:
    # Point masses at (+-2, +-2) have variance 4 = sigma^2 on both axes.
    logits = torch.full((1, 1, 17, 17), -80.0, dtype=torch.float64)
    for dx, dy in ((-2, -2), (-2, 2), (2, -2), (2, 2)):
        logits[0, 0, 8 + dy, 8 + dx] = 0
    assert variance(logits, 2.0) < 1e-9
    assert jensen_shannon(logits, 2.0) > 0.3
    flat = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    assert 0.6 < jensen_shannon(flat, 1.0) <= math.log(2)
    assert kullback_leibler(flat, 1.0) > 20 * jensen_shannon(flat, 1.0)


def test_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = draw_gaussians(CENTRE, (16, 16), 2.0) * 6
    logits = (logits + 0.1 * torch.randn(1, 1, 16, 16, generator=generator)).double()
    for loss in (jensen_shannon, variance):
        value = logits.clone().requires_grad_()
        loss(value, 1.0).backward()
        assert value.grad is not None
        # The target follows the windowed mean, which is held constant: far from the peak it does not move.
        for cell in ((2, 3), (14, 14)):
            step = torch.zeros_like(logits)
            step[0, 0, cell[0], cell[1]] = 1e-4
            slope = (loss(logits + step, 1.0) - loss(logits - step, 1.0)) / 2e-4
            assert abs(slope - value.grad[0, 0, cell[0], cell[1]]) < 1e-4 * (1 + slope.abs())


def test_concentration_is_a_sum_over_cells_averaged_over_keypoints() -> None:
    heatmaps = draw_gaussians(CENTRE.expand(2, 3, 2), (16, 16), 1.0)
    assert torch.allclose(concentration(heatmaps + 0.5, CENTRE.expand(2, 3, 2), 1.0), torch.tensor(64.0).double())
