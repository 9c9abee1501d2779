"""Procrustes alignment of point sets: rigid or similarity, with or without reflections, batched and weighted."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Alignment(NamedTuple):
    """target ~ scale * source @ rotation^T + translation."""

    rotation: Float[Tensor, "*B D D"]
    scale: Float[Tensor, "*B"]
    translation: Float[Tensor, "*B D"]


def procrustes(
    source: Float[Tensor, "*B K D"],
    target: Float[Tensor, "*B K D"],
    weight: Float[Tensor, "*B K"] | None = None,
    *,
    with_scale: bool = True,
    with_reflection: bool = False,
) -> Alignment:
    """Least-squares similarity (or rigid motion) that takes `source` to `target` (Umeyama 1991, equations 39 to 42).

    `weight` counts each point (0 = ignore). Without `with_reflection` the rotation has determinant +1. All points
    equal (or all weights 0) gives scale 0 and the identity. The gradient of the rotation is not defined where
    singular values coincide; detach it there, as evaluation does.
    """
    if weight is None:
        weight = torch.ones_like(source[..., 0])
    share = weight / weight.sum(-1, keepdim=True).clamp_min(torch.finfo(source.dtype).tiny)
    source_mean = (share[..., None] * source).sum(-2)
    target_mean = (share[..., None] * target).sum(-2)
    s, t = source - source_mean[..., None, :], target - target_mean[..., None, :]
    covariance = (share[..., None] * t).mT @ s
    u, singular, vh = torch.linalg.svd(covariance)
    sign = torch.ones_like(singular)
    if not with_reflection:
        sign[..., -1] = torch.linalg.det(u @ vh).sign()
    rotation = (u * sign[..., None, :]) @ vh
    spread = (share[..., None] * s.square()).sum((-1, -2))
    # A point cloud of zero size has no scale; the tiny divisor turns 0 / 0 into 0.
    scale = (singular * sign).sum(-1) / spread.clamp_min(torch.finfo(source.dtype).tiny)
    if not with_scale:
        scale = torch.ones_like(scale)
    translation = target_mean - scale[..., None] * (rotation @ source_mean[..., None])[..., 0]
    return Alignment(rotation, scale, translation)


def apply_alignment(points: Float[Tensor, "*B K D"], alignment: Alignment) -> Float[Tensor, "*B K D"]:
    """scale * R x + translation for every point."""
    moved = points @ alignment.rotation.mT
    return alignment.scale[..., None, None] * moved + alignment.translation[..., None, :]


def aligned(
    source: Float[Tensor, "*B K D"],
    target: Float[Tensor, "*B K D"],
    weight: Float[Tensor, "*B K"] | None = None,
    *,
    with_scale: bool = True,
    with_reflection: bool = False,
) -> Float[Tensor, "*B K D"]:
    """`source` moved onto `target` by the best alignment of the chosen kind."""
    found = procrustes(source, target, weight, with_scale=with_scale, with_reflection=with_reflection)
    return apply_alignment(source, found)
