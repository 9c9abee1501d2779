"""The spanning tree that is the same on both sides of a body."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.skeleton.mirror import find_mirrors
from articulate.skeleton.spanning import spanning_edges
from articulate.skeleton.statistics import PairStatistics

# (misfit of the lengths, extra cost of the symmetric tree: log cost, mean over limbs) up to which a mirror is believed:
# lengths that fit well, or half as well and a tree that costs hardly more. On recorded bodies the tree of the true
# mirror costs 0 to 0.13 more, of wrong ones that fit half mostly 0.1 to 0.5.
BELIEVED = ((0.2, 0.2), (0.5, 0.1))


def minimum_tree(cost: Float[Tensor, "K K"], mirror: Int[Tensor, " K"] | None = None) -> Int[Tensor, "L 2"]:
    """Edges of the minimum spanning tree; with `mirror`, of the least one that it maps on itself."""
    return spanning_edges(cost) if mirror is None else symmetric_edges(cost, mirror)


def symmetric_edges(cost: Float[Tensor, "K K"], mirror: Int[Tensor, " K"]) -> Int[Tensor, "L 2"]:
    """Edges of the least tree among those that the involution `mirror` maps on themselves, exactly.

    Such a tree joins the keypoints of the midline (their own twins) among each other, for a way out over one side would
    come back over the other and close a circle. Twins then hang on it in pairs: contract the midline to one node and
    every pair of twins to another, give each edge between nodes the cheaper of the ways to lift it, and take the
    minimum tree of that. Without a midline one pair of twins is joined. Costs are the mean over both sides.
    """
    both = (cost + cost[mirror][:, mirror]) / 2
    order = torch.arange(len(mirror))
    middle, side = order[mirror == order], order[mirror > order]
    edges = [middle[spanning_edges(both[middle][:, middle])]] if len(middle) > 1 else []
    same, crossed = both[side][:, side], both[side][:, mirror[side]]
    nodes = torch.minimum(same, crossed)
    if len(middle):
        hanging = both[middle][:, side].min(dim=0)
        nodes = torch.nn.functional.pad(nodes, (1, 0, 1, 0))
        nodes[0, 1:] = nodes[1:, 0] = hanging.values
    else:
        least = int(both[side, mirror[side]].argmin())
        edges.append(torch.stack([side[least], mirror[side[least]]])[None])
    for a, b in spanning_edges(nodes).tolist() if len(side) else []:
        if len(middle):
            a, b = sorted((a - 1, b - 1))
        one = middle[hanging.indices[b]] if a < 0 else side[a]
        other = mirror[side[b]] if a >= 0 and crossed[a, b] < same[a, b] else side[b]
        edges.append(torch.stack([torch.stack([one, other]), torch.stack([mirror[one], mirror[other]])]))
    return torch.cat(edges)


def fitting_mirror(statistics: PairStatistics, cost: Float[Tensor, "K K"], planar: bool) -> Int[Tensor, " K"] | None:
    """The mirror of the body that a tree of about the least cost respects, or None: see `find_mirrors`.

    In the plane (`planar`) the 95th percentile of a distance stands for the true length, which foreshortening hides.
    Of several the one whose tree costs least is taken: accidents of the lengths join what does not move together.
    """
    if bool((statistics.weight <= 0).any()):
        return None
    plain = spanning_edges(cost)
    logs = torch.log(cost.clamp_min(torch.finfo(cost.dtype).tiny))
    least = logs[plain[:, 0], plain[:, 1]].mean()
    best, fitting = float("inf"), None
    for mirror in find_mirrors(statistics.high if planar else statistics.mean, statistics.variance.sqrt()):
        edges = symmetric_edges(logs, mirror.twin)
        extra = float(logs[edges[:, 0], edges[:, 1]].mean() - least)
        if extra < best and any(mirror.misfit <= misfit and extra <= most for misfit, most in BELIEVED):
            best, fitting = extra, mirror.twin
    return fitting
