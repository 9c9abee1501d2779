"""The whole step from keypoints to a tree: statistics, cost, groups, spanning tree, its stability, the root."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import DataError
from articulate.records import Skeleton
from articulate.seeds import torch_generator
from articulate.skeleton.body_frame import centrality_cost, joint_fit_residual
from articulate.skeleton.costs import ConnectivityConfig, mixed_cost
from articulate.skeleton.groups import (
    body_size,
    connected_parts,
    contract_groups,
    outlier_frames,
    rigid_groups,
    straight_keypoints,
)
from articulate.skeleton.rooting import mirrored_pairs, root_tree
from articulate.skeleton.spanning import edges_to_mask
from articulate.skeleton.statistics import LimbStatistics, PairStatistics
from articulate.skeleton.symmetry import fitting_mirror, minimum_tree


@dataclass(frozen=True)
class Diagnostics:
    """What a user should know about a tree beside the tree itself.

    `stability` is the share of bootstrap resamples that hold each edge of the skeleton, `outlier_frames` the frames
    that were left out, `skipped` the frames without each keypoint, `merged` triples (a, k, b) in which k only lengthens
    the straight limb from a to b, `mirrored` pairs of keypoints on branches of equal lengths, or left and right where
    the body's `mirror` was found (`symmetry.fitting_mirror`; the tree then respects it).
    """

    rigid_groups: list[list[int]]
    stability: Float[Tensor, " L"]
    outlier_frames: Int[Tensor, " M"]
    skipped: Int[Tensor, " K"]
    merged: list[tuple[int, int, int]]
    mirrored: list[tuple[int, int]]
    mirror: Int[Tensor, " K"] | None = None

    def noted(self, skeleton: Skeleton) -> Skeleton:
        """The skeleton with what is known of its keypoints beside their limbs."""
        group, mirror, straight = (torch.full((len(self.skipped),), value) for value in (-1, -1, 0))
        for number, members in enumerate(self.rigid_groups):
            group[members] = number
        for a, b in self.mirrored:
            mirror[a], mirror[b] = b, a
        for _, middle, _ in self.merged:
            straight[middle] = 1
        return replace(skeleton, group=group, mirror=mirror, straight=straight, outliers=self.outlier_frames)


@dataclass(frozen=True)
class _Evidence:
    """Cleaned points and the matrices that do not change over resamples."""

    statistics: LimbStatistics
    joint_residual: Tensor | None
    centrality: Tensor | None
    mask_support: Tensor | None
    tolerance: float
    prior: Float[Tensor, "K K"] | None = None


def discover_skeleton(
    points: Float[Tensor, "N K D"],
    score: Float[Tensor, "N K"] | None = None,
    covariance: Float[Tensor, "N K D D"] | None = None,
    config: ConnectivityConfig | None = None,
    mask_support: Float[Tensor, "K K"] | None = None,
    prior: Float[Tensor, "K K"] | None = None,
) -> tuple[Skeleton, Diagnostics]:
    """The tree of limbs of one articulated thing seen over N frames, with the evidence for every edge.

    `prior` multiplies the costs: below 1 for pairs that other evidence, such as appearance, already joins.

    Frames are in temporal order where they belong to one video. Raises DataError with fewer than two frames or
    keypoints, or when a keypoint is never seen. The result is on the CPU in the dtype of `points`.
    """
    config = config or ConnectivityConfig()
    work = points.detach().to("cpu", torch.float64)
    _check(work)
    outliers = outlier_frames(work, config.outlier_threshold)
    evidence = _gather(
        work.masked_fill(outliers[:, None, None], torch.nan), score, covariance, config, mask_support, prior
    )
    pooled = evidence.statistics.pooled()
    cost = _cost(pooled, evidence, config)
    groups = _groups(pooled, evidence)
    mirror = fitting_mirror(pooled, cost, points.shape[-1] == 2) if config.symmetry else None
    edges = minimum_tree(contract_groups(cost, groups), mirror)
    tree = root_tree(edges, restlessness=pooled.velocity.nan_to_num(0).mean(1))
    probability = edge_posterior(evidence, config, mirror)
    lengths = pooled.mean[tree.edges[:, 0], tree.edges[:, 1]]
    skeleton = Skeleton(
        edges=tree.edges,
        connection=edges_to_mask(tree.edges, work.shape[1], points.dtype),
        cost=cost.to(points.dtype),
        probability=probability.to(points.dtype),
    )
    found = Diagnostics(
        rigid_groups=groups,
        stability=probability[tree.edges[:, 0], tree.edges[:, 1]].to(points.dtype),
        outlier_frames=torch.nonzero(outliers)[:, 0],
        skipped=(~torch.isfinite(work).all(dim=-1)).sum(dim=0),
        merged=straight_keypoints(tree.edges, pooled, config.straight_tolerance),
        mirrored=mirrored_pairs(tree, lengths) if mirror is None or not _has_midline(mirror) else _twins(mirror),
        mirror=mirror,
    )
    return found.noted(skeleton), found


def tree_cost(
    points: Float[Tensor, "N K D"],
    score: Float[Tensor, "N K"] | None = None,
    covariance: Float[Tensor, "N K D D"] | None = None,
    config: ConnectivityConfig | None = None,
    mask_support: Float[Tensor, "K K"] | None = None,
    prior: Float[Tensor, "K K"] | None = None,
) -> Float[Tensor, "K K"]:
    """The cost (float64, CPU) whose minimum tree `discover_skeleton` takes, without bootstrap and root.

    For the trees of parts of a run, and for `TreeTracker`. Raises DataError as `discover_skeleton` does.
    """
    config = config or ConnectivityConfig()
    work = points.detach().to("cpu", torch.float64)
    _check(work)
    kept = work.masked_fill(outlier_frames(work, config.outlier_threshold)[:, None, None], torch.nan)
    evidence = _gather(kept, score, covariance, config, mask_support, prior)
    pooled = evidence.statistics.pooled()
    return contract_groups(_cost(pooled, evidence, config), _groups(pooled, evidence))


def _check(points: Tensor) -> None:
    if points.shape[0] < 2 or points.shape[1] < 2:
        raise DataError(f"a tree needs two frames and two keypoints at least, found {tuple(points.shape[:2])}")
    never = (~torch.isfinite(points).all(dim=-1)).all(dim=0).nonzero()[:, 0].tolist()
    if never:
        raise DataError(
            f"keypoints {never} are known in no frame: leave them out, or check the detector that made them"
        )


def _gather(
    points: Tensor,
    score: Tensor | None,
    covariance: Tensor | None,
    config: ConnectivityConfig,
    mask_support: Tensor | None,
    prior: Tensor | None = None,
) -> _Evidence:
    """Statistics over blocks of frames, and the matrices of the whole sequence that the mix asks for."""
    frames, size = points.shape[:2]
    blocks = min(config.num_blocks, max(1, frames // (config.velocity_lag + 2)))
    statistics = LimbStatistics(size, num_blocks=blocks, trim=config.trim, velocity_lag=config.velocity_lag)
    for block, rows in enumerate(torch.arange(frames).tensor_split(blocks)):
        part = None if score is None else score[rows]
        noise = None if covariance is None else covariance[rows]
        statistics.update(points[rows], part, noise, block, consecutive=True)
    complete = points[torch.isfinite(points).all(dim=-1).all(dim=-1)]
    wanted = {kind for kind, exponent in config.mix.items() if exponent > 0} if len(complete) > 1 else set()
    return _Evidence(
        statistics=statistics,
        joint_residual=joint_fit_residual(complete) if "joint_residual" in wanted else None,
        centrality=centrality_cost(complete) if "centrality" in wanted and points.shape[-1] == 2 else None,
        mask_support=None if mask_support is None else mask_support.detach().to("cpu", torch.float64),
        tolerance=config.rigid_tolerance * body_size(points),
        prior=None if prior is None else prior.detach().to("cpu", torch.float64),
    )


def _cost(statistics: PairStatistics, evidence: _Evidence, config: ConnectivityConfig) -> Tensor:
    cost = mixed_cost(statistics, config, evidence.joint_residual, evidence.mask_support, evidence.centrality)
    return cost if evidence.prior is None else cost * evidence.prior


def _groups(statistics: PairStatistics, evidence: _Evidence) -> list[list[int]]:
    """Rigid groups; where other evidence names limbs, each hangs together by them."""
    groups = rigid_groups(statistics, evidence.tolerance)
    return groups if evidence.prior is None else connected_parts(groups, evidence.prior < 1)


def _has_midline(mirror: Tensor) -> bool:
    """Whether some keypoints are their own twins; a chain that looks the same from both ends has no left and right."""
    return int((mirror == torch.arange(len(mirror))).sum()) > 1


def _twins(mirror: Tensor) -> list[tuple[int, int]]:
    return [(a, b) for a, b in enumerate(mirror.tolist()) if a < b]


def edge_posterior(
    evidence: _Evidence, config: ConnectivityConfig, mirror: Int[Tensor, " K"] | None = None
) -> Float[Tensor, "K K"]:
    """Share of bootstrap resamples of whole blocks of frames (Kuensch 1989) whose tree holds each edge."""
    generator = torch_generator(config.seed, "connectivity", "bootstrap")
    count = evidence.statistics.num_blocks
    total = torch.zeros(evidence.statistics.num_keypoints, evidence.statistics.num_keypoints, dtype=torch.float64)
    for _ in range(config.num_resamples):
        chosen = torch.randint(count, (count,), generator=generator)
        pooled = evidence.statistics.pooled(chosen)
        cost = contract_groups(_cost(pooled, evidence, config), _groups(pooled, evidence))
        total += edges_to_mask(minimum_tree(cost, mirror), total.shape[0], torch.float64)
    return total / config.num_resamples
