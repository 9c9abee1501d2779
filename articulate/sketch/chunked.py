"""The plain renderer in strips of rows, each computed again for its gradient: any device, memory of one strip."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from articulate.sketch.reference import draw_rows, pixel_centres
from articulate.sketch.settings import Settings

# Numbers per intermediate tensor of a strip: 16 MB in float32, enough to fill a GPU.
STRIP_NUMBERS = 2**22


def rows_per_strip(batch: int, num_limbs: int, width: int, pairs: bool, limit: int = STRIP_NUMBERS) -> int:
    """Rows whose intermediate tensors (limbs x pixels; pairs of limbs x pixels for `over`) hold at most `limit`."""
    return max(1, limit // max(1, batch * width * num_limbs * (num_limbs if pairs else 1)))


def draw_chunked(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"] | None,
    settings: Settings,
    limit: int = STRIP_NUMBERS,
) -> Float[Tensor, "B D H W"]:
    """`draw_reference`, strip by strip (Chen et al. 2016, gradient checkpointing)."""
    rows, columns = pixel_centres(settings.size, geometry.dtype, geometry.device)
    count = rows_per_strip(len(geometry), geometry.shape[1], len(columns), depth is not None, limit)
    if count >= len(rows) and not torch.is_grad_enabled():
        return draw_rows(geometry, weight, depth, colour, rows, columns, settings)
    strips = [
        checkpoint(draw_rows, geometry, weight, depth, colour, part, columns, settings, use_reentrant=False)
        for part in rows.split(count)
    ]
    return torch.cat(strips, dim=2)
