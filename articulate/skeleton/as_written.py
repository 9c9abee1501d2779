"""Baseline: the differentiable Prim of the source (Harris 2024, section 5.3, listing 5.1), with its faults kept.

Reconstructed from its description. Three faults, each shown by a test: the search sees the upper triangle alone, so an
edge from a reached keypoint to one of a lower index stays hidden; equal costs average their flat indices into an edge
that nobody chose; and the rounded index is cut from the graph by the conversion to an integer, so no gradient returns.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def as_written(
    variance: Float[Tensor, "K K"], temperature: float = 1e-6, generator: torch.Generator | None = None
) -> Float[Tensor, "K K"]:
    """Symmetric mask that listing 5.1 returns for one matrix; not a minimum tree, often not even a tree.

    Prim's algorithm on the upper triangle of 1 - m / max(m), each step a soft-argmax of `temperature`, rounded with a
    straight-through estimator; `generator` adds the little noise against ties (none when absent).
    """
    size = variance.shape[-1]
    weights = torch.triu(1 - variance / variance.max().clamp_min(torch.finfo(variance.dtype).tiny), diagonal=1)
    if generator is not None:
        noise = torch.rand(weights.shape, generator=generator, dtype=weights.dtype, device=generator.device)
        weights = torch.triu(weights + 1e-6 * noise.to(weights.device), diagonal=1)
    positions = torch.arange(size * size, dtype=variance.dtype, device=variance.device)
    reached = torch.zeros(size, dtype=torch.bool, device=variance.device)
    reached[0] = True
    mask = torch.zeros_like(variance)
    for _ in range(size - 1):
        visible = (reached[:, None] & ~reached[None, :]).to(variance.dtype)
        soft = (torch.softmax((weights * visible).flatten() / temperature, dim=0) * positions).sum()
        hard = soft + (soft.round() - soft).detach()
        index = int(hard.long())
        row, column = index // size, index % size
        mask[row, column] = mask[column, row] = 1.0
        reached[column] = True
    return mask
