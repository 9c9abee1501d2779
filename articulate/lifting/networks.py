"""Fully connected networks whose weights come from a given generator."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def linear(inputs: int, outputs: int, generator: torch.Generator, gain: float = 1.0) -> nn.Linear:
    """Linear layer, uniform in +-gain sqrt(3 / inputs) (unit variance kept for gain 1), bias zero."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = gain * math.sqrt(3 / inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.zero_()
    return layer


def dense(sizes: list[int], generator: torch.Generator, last: nn.Module | None = None) -> nn.Sequential:
    """Layers of the given sizes with ReLU between them and `last` (nothing unless given) after the final one."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        final = i == len(sizes) - 2
        layers.append(linear(inputs, outputs, generator, 1.0 if final else math.sqrt(2)))
        if not final:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers, *([] if last is None else [last]))


class ResidualPair(nn.Module):
    """x + W2 relu(W1 x)."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.inner = linear(width, width, generator, math.sqrt(2))
        self.outer = linear(width, width, generator, 0.3)

    def forward(self, x: Float[Tensor, "N width"]) -> Float[Tensor, "N width"]:
        """Value of the pair."""
        return x + self.outer(nn.functional.relu(self.inner(x)))


class ResidualDense(nn.Module):
    """Input layer, residual pairs of layers of one width, output layer (after Martinez 2017, without dropout)."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = linear(inputs, width, generator, math.sqrt(2))
        self.pairs = nn.Sequential(*[ResidualPair(width, generator) for _ in range(blocks)])
        # A small last layer starts from flat poses instead of random ones.
        self.last = linear(width, outputs, generator, 0.3)

    def forward(self, x: Float[Tensor, "N inputs"]) -> Float[Tensor, "N outputs"]:
        """Value of the network."""
        h = self.pairs(nn.functional.relu(self.first(x)))
        return self.last(nn.functional.relu(h))
