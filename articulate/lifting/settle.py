"""Depths that respect bone lengths: signs from a lifter, magnitudes from the lengths, in closed form along the tree."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.skeleton.rooting import root_tree

BONES, FRAMES = 4, 4096  # bones whose lengths are measured at once, frames whose depths are settled at once


def centred_depth(joints: Float[Tensor, "N K 3"]) -> Float[Tensor, "N K 3"]:
    """Joints with a mean depth of zero in every frame: one camera does not know how far away they are."""
    return torch.cat([joints[..., :2], joints[..., 2:] - joints[..., 2:].mean(1, keepdim=True)], -1)


def bone_lengths(
    xy: Float[Tensor, "N K 2"],
    depth: Float[Tensor, "N K"],
    edges: Int[Tensor, "L 2"],
    weight: Float[Tensor, "N K"],
    quantile: float = 0.95,
    noise: float = 0.0,
) -> Float[Tensor, " L"]:
    """Length of each bone over the frames of one clip, in units of `xy`, from projections and lifted depths.

    The projection is a lower bound that is nearly reached when views vary (its `quantile`), the lifted length a noisy
    guess without that bound (its median): the mean of the two. `noise`, the standard deviation of each coordinate of
    `xy`, lengthens projections: E p^2 = p0^2 + 4 noise^2, and a high quantile by noise along the bone as well,
    sqrt(2) noise times the share of its normal quantile that the spread of p leaves to it. Bones never seen: 0.
    """
    parent, child = edges.unbind(1)
    offset = xy[:, child] - xy[:, parent]
    unseen = (weight[:, child] * weight[:, parent]) <= 0
    squared = (offset.square().sum(-1) - 4 * noise**2).clamp_min(0)
    flat = squared.sqrt().masked_fill(unseen, torch.nan)
    lifted = (squared + (depth[:, child] - depth[:, parent]).square()).sqrt()
    typical = lifted.masked_fill(unseen, torch.nan).nanmedian(0).values
    # Among frames of one projection the upper quantile picks those that noise has lengthened.
    longest = torch.nanquantile(flat, quantile, dim=0) - noise
    return torch.nan_to_num((longest.clamp_min(0) + typical) / 2)


def settled_depth(
    xy: Float[Tensor, "N K 2"],
    depth: Float[Tensor, "N K"],
    edges: Int[Tensor, "L 2"],
    lengths: Float[Tensor, " L"],
    weight: Float[Tensor, "N K"],
    noise: float = 0.0,
) -> Float[Tensor, "N K"]:
    """Depths of mean 0 with |dz| = sqrt(L^2 - p^2) and the sign of the lifted dz on every bone.

    `noise` is the standard deviation of each coordinate of `xy`: it lengthens projections, p^2 - 4 noise^2 on average,
    and where L^2 - p^2 is within its reach the lifted |dz| is trusted instead, by the share of their variances.
    Bones with an unseen end keep their lifted dz. `edges` must list parents before children.
    """
    result = torch.zeros_like(depth)
    for (parent, child), length in zip(edges.tolist(), lengths, strict=True):
        lifted = depth[:, child] - depth[:, parent]
        squared = length.square() - (xy[:, child] - xy[:, parent]).square().sum(-1) + 4 * noise**2
        exact = squared.clamp_min(0).sqrt()
        # d(dz) = p d(p) / dz grows without bound at dz = 0: there the formula says nothing, and the lifter more.
        spread = 2 * noise**2 * length.square() / (squared.abs() + 2 * noise * length + 1e-12)
        trust = 0.15**2 * length.square() / (0.15**2 * length.square() + spread + 1e-12)
        step = trust * exact * lifted.sign() + (1 - trust) * lifted
        both = (weight[:, child] * weight[:, parent]) > 0
        result[:, child] = result[:, parent] + torch.where(both, step, lifted)
    return result - result.mean(1, keepdim=True)


def fused_depth(
    xy: Float[Tensor, "N K 2"],
    depth: Float[Tensor, "N K"],
    edges: Int[Tensor, "L 2"],
    lengths: Float[Tensor, "N L"],
    lifted_variance: Float[Tensor, "N L"],
    tolerance: Float[Tensor, " L"],
    noise: float = 0.0,
) -> Float[Tensor, "N K"]:
    """Depths of mean 0 that weigh each lifted dz against sqrt(L^2 - p^2) by the inverse of their variances.

    The closed form varies with its length (standard deviation `tolerance`, so a bone that is not rigid keeps its lifted
    depth) and with the `noise` of the points; the sign is that of the lifted dz. `edges` in any order.
    """
    order = {tuple(sorted(edge)): number for number, edge in enumerate(edges.tolist())}
    result = torch.zeros_like(depth)
    for parent, child in root_tree(edges, num_keypoints=depth.shape[1]).edges.tolist():
        bone = order[(min(parent, child), max(parent, child))]
        lifted, length = depth[:, child] - depth[:, parent], lengths[:, bone]
        squared = length.square() - (xy[:, child] - xy[:, parent]).square().sum(-1) + 4 * noise**2
        exact = squared.clamp_min(0).sqrt()
        # Variance of dz^2; that of dz is bounded where dz is about zero and its slope is not.
        doubt = 4 * length.square() * (tolerance[bone] ** 2 + 2 * noise**2)
        variance = doubt / (4 * squared.abs() + 2 * doubt.sqrt() + 1e-12)
        share = lifted_variance[:, bone] / (lifted_variance[:, bone] + variance + 1e-12)
        result[:, child] = result[:, parent] + share * exact * lifted.sign() + (1 - share) * lifted
    return result - result.mean(1, keepdim=True)


def settle_clips(
    joints: Float[Tensor, "N K 3"],
    score: Float[Tensor, "N K"] | None,
    edges: Int[Tensor, "L 2"],
    clip: Int[Tensor, " N"] | None = None,
    noise: float = 0.0,
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "C L"]]:
    """Lifted joints with settled depths, and the bone lengths of every clip (clips in ascending order).

    Each clip has lengths of its own, because the subject may differ between clips. `edges` may be in any order and is
    answered in that order. Joints with score 0 keep their place relative to their parent.
    """
    tree = root_tree(edges, num_keypoints=joints.shape[1])
    seen = torch.ones_like(joints[..., 0]) if score is None else (torch.nan_to_num(score) > 0).to(joints.dtype)
    clip = torch.zeros(len(joints), dtype=torch.int64, device=joints.device) if clip is None else clip
    place = {tuple(sorted(edge)): number for number, edge in enumerate(edges.tolist())}
    order = torch.tensor([place[tuple(sorted(edge))] for edge in tree.edges.tolist()])
    result, per_clip = joints.clone(), []
    for name in clip.unique():
        use = (clip == name).nonzero().flatten()
        per_clip.append(lengths_of(joints, seen, use, edges))
        for part in use.split(FRAMES):
            flat, z = joints[part, :, :2], joints[part, :, 2]
            result[part, :, 2] = settled_depth(flat, z, tree.edges, per_clip[-1][order], seen[part], noise)
    return result, torch.stack(per_clip)


def lengths_of(
    joints: Float[Tensor, "N K 3"], seen: Float[Tensor, "N K"], rows: Int[Tensor, " M"], edges: Int[Tensor, "L 2"]
) -> Float[Tensor, " L"]:
    """`bone_lengths` over these frames, a few bones at a time: all at once take many times the memory of the joints."""
    found = []
    for some in edges.split(BONES):
        ends, bones = some.unique(return_inverse=True)
        points = joints[rows[:, None], ends]
        found.append(bone_lengths(points[..., :2], points[..., 2], bones, seen[rows[:, None], ends]))
    return torch.cat(found)
