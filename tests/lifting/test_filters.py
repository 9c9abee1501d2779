"""One-Euro filter: first-order low-pass in the limit of no gain, calm at rest, hardly late in motion."""

import math

import pytest
import torch

from articulate.errors import ConfigError
from articulate.lifting.filters import one_euro
from articulate.seeds import torch_generator


def test_without_gain_it_is_the_first_order_low_pass():
    values = torch.randn(50, 3, generator=torch_generator(0, "filter"), dtype=torch.float64)
    found = one_euro(values, 30.0, 2.0)
    share = 1 / (1 + 30 / (2 * math.pi * 2.0))
    state = values[0]
    for t in range(1, 50):
        state = state + share * (values[t] - state)
        assert torch.allclose(found[t], state, atol=1e-12)
    assert found.dtype == torch.float64


def test_constant_is_kept_and_noise_at_rest_shrinks():
    assert torch.equal(one_euro(torch.full((20, 2), 3.0), 30.0), torch.full((20, 2), 3.0))
    noise = torch.randn(2000, generator=torch_generator(1, "filter"), dtype=torch.float64)
    assert one_euro(noise, 30.0, 1.0)[100:].std() < 0.45 * noise.std()


def test_gain_removes_lag_and_both_ways_removes_it_altogether():
    swing = 100 * torch.sin(torch.arange(300, dtype=torch.float64) / 30 * math.pi)  # 0.5 Hz, 200 px from end to end
    slow = (one_euro(swing, 30.0, 1.7) - swing).square().mean().sqrt()
    fast = (one_euro(swing, 30.0, 1.7, 0.3) - swing).square().mean().sqrt()
    both = (one_euro(swing, 30.0, 1.7, both_ways=True) - swing)[30:-30].square().mean().sqrt()
    assert fast < 2.0 < 0.2 * slow
    assert both < 0.4 * slow


def test_missing_values_wait():
    values = torch.ones(6, 1)
    values[0] = values[3] = torch.nan
    found = one_euro(values, 30.0)
    assert found.isnan().flatten().tolist() == [True, False, False, True, False, False]
    assert torch.equal(found[~found.isnan()], torch.ones(4))


def test_a_cutoff_of_zero_is_refused():
    with pytest.raises(ConfigError, match="minimum_cutoff 0"):
        one_euro(torch.zeros(3, 1), 30.0, 0.0)
