"""How far the refined body is to be believed beside the picture."""

import math

import pytest
import torch

from articulate.lifting.body_precision import precision_of_body


def smooth(number: int, keypoints: int, size: float) -> torch.Tensor:
    """Slow waves (N, K, 2) with standard deviation `size` in every coordinate."""
    time = torch.arange(number)[:, None, None] * (2 * math.pi / 100)
    phase = torch.rand(1, keypoints, 2, generator=torch.Generator().manual_seed(1)) * 2 * math.pi
    return size * math.sqrt(2) * torch.sin(time + phase)


@pytest.mark.parametrize("noise, error", [(0.01, 0.03), (0.02, 0.03)])
def test_precision_is_the_ratio_of_noise_and_slow_error(noise, error):
    """Keypoints with noise of their own, a body that is off slowly: the ratio of variances, to a quarter."""
    found = noise * torch.randn(2000, 6, 2, generator=torch.Generator().manual_seed(0))
    placed, clip = smooth(2000, 6, error), torch.arange(2000) // 500
    # The median of a sum of a Gaussian and a wave is not that of two Gaussians: hence a wide tolerance.
    expected = (noise / error) ** 2
    assert precision_of_body(found, torch.ones(2000, 6), placed, clip) == pytest.approx(expected, rel=0.4)


def test_precision_reads_what_shows_within_clips_and_is_at_most_one():
    """Guesses far off and jumps between clips change nothing; a body closer than noise counts as the picture does."""
    found = 0.01 * torch.randn(600, 4, 2, generator=torch.Generator().manual_seed(0))
    placed, clip, score = smooth(600, 4, 0.03), torch.arange(600) // 3, torch.ones(600, 4)
    one = torch.zeros(600, dtype=torch.int64)
    known = precision_of_body(found, score, placed, one)
    wild, low = found.clone(), score.clone()
    wild[:, 3], low[:, 3] = 5.0, 0.2
    assert precision_of_body(wild, low, placed, one) == pytest.approx(known, rel=0.2)
    assert precision_of_body(found, score, placed + 0.02 * (clip % 2)[:, None, None], clip) <= known
    assert precision_of_body(found, score, torch.zeros_like(found), one) == 1.0
    assert precision_of_body(found, score * 0.2, placed, one) == 1.0
