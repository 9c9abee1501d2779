"""Rigid groups of keypoints, frames that do not fit, and keypoints that bend nothing."""

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from articulate.skeleton.rooting import neighbour_lists
from articulate.skeleton.statistics import PairStatistics, pair_distances


def body_size(points: Float[Tensor, "N K D"]) -> float:
    """Median over frames of the diagonal of the box around all keypoints (NaN left out), in the unit of the points."""
    low = torch.where(points.isnan(), torch.inf, points).amin(dim=1)
    high = torch.where(points.isnan(), -torch.inf, points).amax(dim=1)
    diagonal = torch.linalg.vector_norm(high - low, dim=-1)
    return float(diagonal[torch.isfinite(diagonal)].median())


def rigid_groups(statistics: PairStatistics, tolerance: float) -> list[list[int]]:
    """Disjoint sets of three or more keypoints whose mutual distances all spread less than `tolerance` (same unit).

    Greedy complete linkage: the most rigid triple first, grown by the keypoint that keeps the largest spread smallest.
    Exact cliques are found where rigid bodies share no more than a joint, which then belongs to the larger body.
    """
    spread = statistics.variance.sqrt().masked_fill(statistics.weight <= 0, torch.inf)
    rigid = (spread <= tolerance).fill_diagonal_(False)
    free = set(range(spread.shape[0]))
    groups: list[list[int]] = []
    while True:
        best: list[int] = []
        for start in free:
            candidate = _grow(start, rigid, statistics.mean, free)
            if len(candidate) > len(best):
                best = candidate
        if len(best) < 3:
            return sorted(groups)
        groups.append(sorted(best))
        free -= set(best)


def _grow(start: int, rigid: Tensor, mean: Tensor, free: set[int]) -> list[int]:
    """Clique around `start`, nearest keypoints first."""
    members = [start]
    for k in mean[start].argsort().tolist():
        if k in free and k != start and all(bool(rigid[k, m]) for m in members):
            members.append(k)
    return members


def connected_parts(groups: list[list[int]], joined: Bool[Tensor, "K K"]) -> list[list[int]]:
    """The groups, cut where no pair of members is `joined`; what is left of three or more keypoints.

    Joined pairs are limbs that were seen. Head and hips of someone upright keep their distance in the picture without
    being one rigid body. Keypoints of no joined pair are unknown and stay with all members.
    """
    unknown = ~joined.any(1)
    edges = joined | joined.T | unknown[:, None] | unknown
    parts: list[list[int]] = []
    for group in groups:
        index = torch.tensor(group)
        _, label = connected_components(edges[index[:, None], index].numpy(), directed=False)
        parts += [[k for k, own in zip(group, label, strict=True) if own == name] for name in range(label.max() + 1)]
    return sorted(part for part in parts if len(part) > 2)


def contract_groups(cost: Float[Tensor, "K K"], groups: list[list[int]]) -> Float[Tensor, "K K"]:
    """Costs with all pairs inside a group below every other pair, in unchanged order: the tree joins groups first."""
    inside = torch.zeros_like(cost, dtype=torch.bool)
    for group in groups:
        index = torch.tensor(group)
        inside[index[:, None], index[None, :]] = True
    outside = cost[~inside & torch.isfinite(cost) & ~torch.eye(cost.shape[0], dtype=torch.bool)]
    if not inside.any() or outside.numel() == 0:
        return cost
    scale = 0.5 * outside.min() / cost[inside].max().clamp_min(torch.finfo(cost.dtype).tiny)
    return torch.where(inside, cost * scale.clamp_max(1.0), cost)


def outlier_frames(points: Float[Tensor, "N K D"], threshold: float) -> Bool[Tensor, " N"]:
    """Frames in which the distances depart from their medians far more than is usual for the sequence.

    Score of a frame: mean over pairs of |d - median| in units of (1.4826 MAD + 1 % of the body); outliers lie more than
    `threshold` scaled MADs above the median score (Hampel 1974). Frames without any known pair are no outliers.
    """
    distances = pair_distances(points)
    departure = (distances - torch.nanmedian(distances, dim=0).values).abs()
    usual = 1.4826 * torch.nanmedian(departure, dim=0).values + 0.01 * body_size(points)
    score = torch.nanmean((departure / usual).flatten(1), dim=1)
    middle = torch.nanmedian(score)
    # A still sequence has no spread of scores; a tenth of a unit keeps rounding from being called an outlier.
    width = 1.4826 * torch.nanmedian((score - middle).abs()) + 0.1
    return (score - middle > threshold * width).nan_to_num(0.0).to(torch.bool)


def straight_keypoints(
    edges: Int[Tensor, "L 2"], statistics: PairStatistics, tolerance: float
) -> list[tuple[int, int, int]]:
    """(a, k, b) where k lies on the straight line from a to b in all frames, so that it only lengthens one rigid limb.

    k has two neighbours and mean |ak| + mean |kb| - mean |ab| <= tolerance * mean |ab|: a joint that ever bends fails.
    The spread of |ab| must not exceed that of the two parts together by more than the same share.
    """
    mean, spread = statistics.mean, statistics.variance.sqrt()
    found = []
    for k, around in enumerate(neighbour_lists(edges, mean.shape[0])):
        if len(around) == 2:
            a, b = around
            whole = mean[a, b]
            detour = mean[a, k] + mean[k, b] - whole
            loose = spread[a, b] - spread[a, k] - spread[k, b]
            if detour <= tolerance * whole and loose <= tolerance * whole:
                found.append((a, k, b))
    return found
