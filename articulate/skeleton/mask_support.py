"""How much of the straight line between two keypoints lies on the animal: a cue that foreshortening cannot spoil."""

import torch
from jaxtyping import Float
from torch import Tensor


def segment_support(
    points: Float[Tensor, "N K 2"], mask: Float[Tensor, "N 1 H W"], samples: int = 12, chunk: int = 64
) -> Float[Tensor, "K K"]:
    """Mean over frames of the mask (in [0, 1]) along the segment of every pair, image frame, bilinear, zero outside.

    `samples` points strictly between the two keypoints are read. Frames in which either keypoint or the mask is not
    finite are left out of a pair; pairs never seen together, and the diagonal, are 1 (no evidence against them).
    """
    size = points.shape[1]
    rows, columns = torch.triu_indices(size, size, offset=1, device=points.device)
    # Midpoints of equal pieces, so that the keypoints themselves (which sit on the animal anyway) do not count.
    share = (torch.arange(samples, dtype=points.dtype, device=points.device) + 0.5) / samples
    total = points.new_zeros(rows.shape[0])
    count = points.new_zeros(rows.shape[0])
    for start in range(0, points.shape[0], chunk):
        here, picture = points[start : start + chunk], mask[start : start + chunk].to(points.dtype)
        known = torch.isfinite(here).all(dim=-1) & torch.isfinite(picture).flatten(1).all(dim=1, keepdim=True)
        here = here.masked_fill(~known[..., None], 0.0)
        first, second = here[:, rows, None], here[:, columns, None]
        grid = first + share[:, None] * (second - first)
        read = torch.nn.functional.grid_sample(picture.nan_to_num(0.0), grid, align_corners=False)
        both = (known[:, rows] & known[:, columns]).to(points.dtype)
        total += (read[:, 0].mean(dim=-1) * both).sum(dim=0)
        count += both.sum(dim=0)
    support = torch.ones(size, size, dtype=points.dtype, device=points.device)
    support[rows, columns] = torch.where(count > 0, total / count.clamp_min(1), 1.0)
    support[columns, rows] = support[rows, columns]
    return support
