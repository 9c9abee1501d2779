"""Sums over coordinates: against exact sums, and bit for bit what PyTorch's own reduction and its gradient give."""

import math

import pytest
import torch

from articulate.geometry.coordinate_sums import coordinate_sum


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_numbers_as_a_reduction(count: int) -> None:
    values = torch.randn(50, 7, count, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    exact = [[math.fsum(row) for row in rows] for rows in values.tolist()]
    assert torch.allclose(coordinate_sum(values), torch.tensor(exact, dtype=torch.float64), rtol=1e-14, atol=1e-14)
    gradients = []
    for sums in (coordinate_sum, lambda x: x.sum(-1)):
        leaf = values.clone().requires_grad_()
        (sums(leaf.square()) + 1e-12).sqrt().sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(coordinate_sum(values), values.sum(-1)) and torch.equal(*gradients)
