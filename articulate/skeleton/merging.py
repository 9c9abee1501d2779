"""A run without some of its keypoints: those that only lengthen a straight rigid limb say nothing that is not known."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from articulate.records import Motion, Skeleton, Tracks
from articulate.skeleton.rooting import root_tree
from articulate.skeleton.spanning import edges_to_mask


def joined_without(edges: Int[Tensor, "L 2"], keypoint: int) -> Int[Tensor, "M 2"]:
    """Edges of the tree without `keypoint`; its neighbours are joined in a chain, so that the tree stays whole."""
    touching = (edges == keypoint).any(dim=1)
    neighbours = edges[touching].flatten()
    neighbours = neighbours[neighbours != keypoint]
    return torch.cat([edges[~touching], torch.stack([neighbours[:-1], neighbours[1:]], dim=1)])


def without_keypoints(
    keypoints: list[int], skeleton: Skeleton, tracks: Tracks, motion: Motion | None = None
) -> tuple[Skeleton, Tracks, Motion | None]:
    """The records without `keypoints`; others are numbered anew in their order, and the root is kept where it stays.

    A joined limb has the cost and probability of its own pair, and in 3D the mean distance of its ends as its length.
    Trees of windows and confidences of bones are dropped: they speak of limbs that are no more. At least two
    keypoints must be left.
    """
    count = tracks.xy.shape[2]
    keep = torch.tensor([k for k in range(count) if k not in set(keypoints)])
    edges, root = skeleton.edges, int(skeleton.edges[0, 0])
    for k in keypoints:
        edges = joined_without(edges, k)
    number = torch.full((count,), -1)
    number[keep] = torch.arange(len(keep))
    tree = root_tree(number[edges], root=None if root in keypoints else int(number[root]))
    mirror = None if skeleton.mirror is None else torch.where(skeleton.mirror < 0, -1, number[skeleton.mirror])
    smaller = replace(
        skeleton,
        edges=tree.edges,
        connection=edges_to_mask(tree.edges, len(keep), skeleton.connection.dtype),
        cost=skeleton.cost[keep][:, keep],
        probability=None if skeleton.probability is None else skeleton.probability[keep][:, keep],
        group=None if skeleton.group is None else skeleton.group[keep],
        straight=None if skeleton.straight is None else skeleton.straight[keep],
        mirror=None if mirror is None else mirror[keep],
        windows=None,
        window_edges=None,
    )
    fewer = replace(
        tracks, xy=tracks.xy[:, :, keep], score=tracks.score[:, :, keep], covariance=tracks.covariance[:, :, keep]
    )
    if motion is None:
        return smaller, fewer, None
    joints = motion.joints[:, :, keep]
    bones = joints[:, :, tree.edges[:, 0]] - joints[:, :, tree.edges[:, 1]]
    lengths = torch.nanmean(torch.linalg.vector_norm(bones, dim=-1), dim=1)
    return smaller, fewer, replace(motion, joints=joints, bone_lengths=lengths, confidence=None)
