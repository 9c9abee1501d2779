"""A loss for keypoints: limbs keep their length."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def limb_variance(points: Float[Tensor, "N K D"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, ""]:
    """Variance over the poses of the lengths along a tree, over the squared mean length (no unit).

    Harris 2024, section 5.3; the mean length is a constant of the loss, so that it cannot be lowered by growing.
    """
    # The small number keeps the gradient finite at limbs without length.
    length = (points[:, edges[:, 0]] - points[:, edges[:, 1]]).square().sum(-1).add(1e-8).sqrt()
    return (length.var(dim=0) / length.mean().detach().square()).mean()


def lengths_and_means(points: Float[Tensor, "N K D"], mean_weight: float = 0.01) -> Float[Tensor, "K K"]:
    """Cost of every pair over one batch: variance of the distance + `mean_weight` * its squared mean."""
    distance = torch.cdist(points, points).double()
    return distance.var(0, correction=0) + mean_weight * distance.mean(0).square()
