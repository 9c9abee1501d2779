"""The whole step from keypoints to a tree: statistics, cost, groups, spanning tree, its stability, the root."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import DataError
from articulate.records import Skeleton
from articulate.skeleton.costs import ConnectivityConfig, mixed_cost
from articulate.skeleton.rooting import root_tree
from articulate.skeleton.spanning import edges_to_mask, spanning_edges
from articulate.skeleton.statistics import LimbStatistics


@dataclass(frozen=True)
class Diagnostics:
    """What a user should know about a tree beside the tree itself."""

    rigid_groups: list[list[int]]
    stability: Float[Tensor, " L"]
    outlier_frames: Int[Tensor, " M"]
    skipped: Int[Tensor, " K"]
    merged: list[tuple[int, int, int]]
    mirrored: list[tuple[int, int]]


def discover_skeleton(
    points: Float[Tensor, "N K D"],
    score: Float[Tensor, "N K"] | None = None,
    covariance: Float[Tensor, "N K D D"] | None = None,
    config: ConnectivityConfig | None = None,
    mask_support: Float[Tensor, "K K"] | None = None,
) -> tuple[Skeleton, Diagnostics]:
    """The tree of limbs of one articulated thing seen over N frames, with the evidence for every edge."""
    config = config or ConnectivityConfig()
    if points.shape[0] < 2 or points.shape[1] < 2:
        raise DataError(f"a tree needs two frames and two keypoints at least, found {tuple(points.shape[:2])}")
    statistics = LimbStatistics(points.shape[1], trim=config.trim)
    statistics.update(points, score, covariance, consecutive=True)
    cost = mixed_cost(statistics.pooled(), config, mask_support=mask_support)
    tree = root_tree(spanning_edges(cost))
    skeleton = Skeleton(
        edges=tree.edges,
        connection=edges_to_mask(tree.edges, points.shape[1], points.dtype),
        cost=cost.to(points.dtype),
    )
    none = torch.zeros(0, dtype=torch.int64)
    return skeleton, Diagnostics([], torch.ones(tree.edges.shape[0]), none, statistics.skipped, [], [])
