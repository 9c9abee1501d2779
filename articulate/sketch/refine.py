"""Points brought onto their image by drawing: the residual of a detector is removed one image at a time, unlabelled."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.sketch.draw import draw_tree


@torch.enable_grad()
def refine_points(
    points: Float[Tensor, "N K 2"],
    edges: Int[Tensor, "L 2"],
    widths: Float[Tensor, "L 2"] | float,
    images: Float[Tensor, "N 1 H W"],
    steps: int = 40,
    rate: float = 0.01,
    batch: int = 256,
) -> Float[Tensor, "N K 2"]:
    """Points whose drawn limbs `edges` match white-on-black `images` in [0, 1] best near where they start.

    Analysis by synthesis (Yuille and Kersten 2006): `steps` of Adam (Kingma and Ba 2015) on the squared difference,
    at most about `rate` (image units) a step, falling to zero. Half-widths as in `draw_tree`. A point farther from its
    place than a few half-widths finds no gradient and stays; an image without a finite start comes back unchanged.
    """
    parts = []
    for start, target in zip(points.detach().split(batch), images.split(batch), strict=True):
        finite = start.isfinite().flatten(1).all(dim=1)
        moved = start[finite].clone().requires_grad_()
        optimiser = torch.optim.Adam([moved], lr=rate, betas=(0.8, 0.95))
        for step in range(steps if len(moved) else 0):
            optimiser.param_groups[0]["lr"] = rate * (1.0 - step / steps)
            drawing = draw_tree(
                moved, edges, size=(images.shape[-2], images.shape[-1]), width=widths, profile="smooth_step"
            )
            # The sum over pixels keeps each image's gradient the same whatever else is in the batch.
            loss = (drawing - target[finite]).square().sum()
            (moved.grad,) = torch.autograd.grad(loss, [moved])
            optimiser.step()
        done = start.clone()
        done[finite] = moved.detach()
        parts.append(done)
    return torch.cat(parts) if parts else points
