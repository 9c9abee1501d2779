"""Which keypoints do no useful work in a drawing, and where one is missing.

A sketch places keypoints precisely, but two may share one limb while another limb has none. The remedy here: take the
keypoint whose removal harms the drawing least and put it where the image is farthest from the drawing.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.skeleton.merging import joined_without
from articulate.sketch.draw import draw_tree
from articulate.sketch.reference import pixel_centres


class Reseeding(NamedTuple):
    """The keypoint to move, where to in every image, and which images have something unexplained."""

    keypoint: int
    position: Float[Tensor, "B 2"]
    found: Float[Tensor, " B"]
    harm: Float[Tensor, " K"]


@torch.no_grad()
def removal_harm(
    points: Float[Tensor, "B K 2"], edges: Int[Tensor, "L 2"], target: Float[Tensor, "B 1 H W"], half_width: float
) -> Float[Tensor, " K"]:
    """By how much the mean squared error to `target` grows when each keypoint is taken out; below zero: it harms.

    The drawing is white on black, in [0, 1] like `target`; K + 1 drawings of the batch.
    """
    size = (target.shape[-2], target.shape[-1])
    full = (draw_tree(points, edges, size=size, width=half_width) - target).square().mean()
    harms = []
    for k in range(points.shape[1]):
        rest = draw_tree(points, joined_without(edges, k), size=size, width=half_width)
        harms.append((rest - target).square().mean() - full)
    return torch.stack(harms)


@torch.no_grad()
def farthest_unexplained(
    points: Float[Tensor, "B K 2"],
    edges: Int[Tensor, "L 2"],
    target: Float[Tensor, "B 1 H W"],
    threshold: float = 0.5,
) -> tuple[Float[Tensor, "B 2"], Float[Tensor, " B"]]:
    """The stroke pixel of each image farthest from every limb, and how far (image units; 0 where no pixel is stroke).

    A stroke pixel has `target` above `threshold`. The distance to limbs is exact, limb by limb.
    """
    rows, columns = pixel_centres((target.shape[-2], target.shape[-1]), points.dtype, points.device)
    pixels = torch.cartesian_prod(columns, rows).view(len(columns), len(rows), 2).transpose(0, 1).reshape(1, -1, 2)
    nearest = torch.full((points.shape[0], pixels.shape[1]), torch.inf, dtype=points.dtype, device=points.device)
    for first, second in edges.tolist():
        start = points[:, None, first]
        along = points[:, None, second] - start
        # The floor makes a limb without length a dot.
        share = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
        nearest = torch.minimum(nearest, (pixels - start - share.clamp(0, 1)[..., None] * along).norm(dim=-1))
    nearest = nearest.masked_fill(target.flatten(1) <= threshold, 0.0)
    distance, index = nearest.max(dim=1)
    return pixels[0, index], distance


def plan_reseeding(
    points: Float[Tensor, "B K 2"],
    edges: Int[Tensor, "L 2"],
    target: Float[Tensor, "B 1 H W"],
    half_width: float,
    tolerance: float = 4.0,
) -> Reseeding | None:
    """The move that the batch asks for: its least useful keypoint to the farthest unexplained pixel of every image.

    None where fewer than half of the images have a stroke pixel farther than `tolerance` half-widths from the drawing.
    """
    position, distance = farthest_unexplained(points, edges, target)
    found = (distance > tolerance * half_width).to(points.dtype)
    if float(found.mean()) < 0.5:
        return None
    harm = removal_harm(points, edges, target, half_width)
    return Reseeding(int(harm.argmin()), position, found, harm)


def reseeding_error(points: Float[Tensor, "B K 2"], plan: Reseeding) -> Float[Tensor, ""]:
    """Mean squared distance of the moved keypoint to its new place, over the images that have one.

    Added to the loss for some steps, it moves the detector's keypoint whatever the detector is made of.
    """
    error = (points[:, plan.keypoint] - plan.position).square().sum(dim=-1)
    return (error * plan.found).sum() / plan.found.sum().clamp_min(1.0)
