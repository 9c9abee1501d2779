"""What a foreground mask alone says about keypoints: they lie on the body, and the body lies near them.

Two of the three mask terms of Mask-as-Supervision (2024), on squared distances so that far points still move.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

COARSE = 32


def coarse_mask(mask: Float[Tensor, "N 1 H W"]) -> tuple[Float[Tensor, "N P"], Float[Tensor, "P 2"]]:
    """The mask averaged to at most 32 x 32 cells, and the cells' centres in the image frame."""
    factor = max(1, mask.shape[-1] // COARSE)
    small = functional.avg_pool2d(mask, factor)[:, 0]
    height, width = small.shape[-2:]
    rows = (2 * torch.arange(height, dtype=mask.dtype, device=mask.device) + 1) / height - 1
    columns = (2 * torch.arange(width, dtype=mask.dtype, device=mask.device) + 1) / width - 1
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    return small.flatten(1), grid.reshape(-1, 2)


def squared_distances(xy: Float[Tensor, "N K 2"], grid: Float[Tensor, "P 2"]) -> Float[Tensor, "N K P"]:
    """Squared distance of every keypoint to every cell, |x|^2 - 2 x.g + |g|^2 kept above zero against rounding."""
    cross = xy @ grid.T
    return (xy.square().sum(-1, keepdim=True) - 2 * cross + grid.square().sum(-1)).clamp_min(0.0)


def mask_attraction(xy: Float[Tensor, "N K 2"], mask: Float[Tensor, "N 1 H W"]) -> Float[Tensor, ""]:
    """Mean squared distance (image units) of keypoints to the nearest cell of the mask; 0 when all lie on it.

    Frames with an empty mask count nothing.
    """
    small, grid = coarse_mask(mask)
    # Half a cell's diagonal is within the cell itself.
    slack = 2.0 / small.shape[1]
    outside = (small < 0.3)[:, None] * 8.0
    nearest = (squared_distances(xy, grid) + outside).amin(dim=2)
    present = (small >= 0.3).any(dim=1, keepdim=True)
    return ((nearest - slack).clamp_min(0.0) * present).mean()


def mask_coverage(xy: Float[Tensor, "N K 2"], mask: Float[Tensor, "N 1 H W"]) -> Float[Tensor, ""]:
    """Mean over the mask of the squared distance (image units) to the nearest keypoint: K-means of the body."""
    small, grid = coarse_mask(mask)
    nearest = squared_distances(xy, grid).amin(dim=1)
    # The floor keeps an empty mask from dividing by zero.
    return (small * nearest).sum() / small.sum().clamp_min(1e-6)
