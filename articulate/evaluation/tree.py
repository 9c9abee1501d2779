"""How well a tree of limbs was found: edge scores as they are and up to rigid groups, and floors without learning.

Edges are undirected here. Inside one rigid body the tree cannot be known (any spanning tree of its points moves the
same way), so besides the plain scores there are scores that forgive it.
"""

import math
from collections.abc import Iterable, Sequence

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Edge = tuple[int, int]


def edge_set(edges: Tensor | np.ndarray | Iterable[Sequence[int]]) -> set[Edge]:
    """Undirected edges as sorted pairs, without loops."""
    listed = edges.tolist() if isinstance(edges, Tensor | np.ndarray) else edges
    return {(min(int(a), int(b)), max(int(a), int(b))) for a, b in listed if int(a) != int(b)}


def precision_recall(hits: int, num_predicted: int, num_true: int) -> dict[str, float]:
    """Precision, recall, F1 (all in [0, 1]) and whether both are perfect."""
    precision = hits / num_predicted if num_predicted else 0.0
    recall = hits / num_true if num_true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "exact": float(hits == num_predicted == num_true)}


def rank_within(edges: set[Edge], group: set[int]) -> int:
    """Number of independent edges (size of a spanning forest) among those inside `group`."""
    inside = nx.Graph(e for e in edges if set(e) <= group)
    return inside.number_of_nodes() - nx.number_connected_components(inside) if len(inside) else 0


def forgiven_hits(predicted: set[Edge], true: set[Edge], groups: Sequence[set[int]]) -> int:
    """Correct edges when any spanning tree of a rigid group is as good as the true one; all others must match."""
    hits, left_predicted, left_true = 0, set(predicted), set(true)
    for group in groups:
        hits += min(rank_within(left_predicted, group), rank_within(left_true, group))
        left_predicted = {e for e in left_predicted if not set(e) <= group}
        left_true = {e for e in left_true if not set(e) <= group}
    return hits + len(left_predicted & left_true)


def contracted(edges: set[Edge], groups: Sequence[set[int]]) -> set[Edge]:
    """Edges between bodies after every rigid group has become one node (groups that share a node become one)."""
    merge = nx.utils.UnionFind()
    for group in groups:
        merge.union(*group)
    return edge_set((merge[a], merge[b]) for a, b in edges if merge[a] != merge[b])


def edge_scores(
    predicted: Tensor | Iterable[Sequence[int]],
    true: Tensor | Iterable[Sequence[int]],
    rigid_groups: Sequence[Sequence[int]] | None = None,
) -> dict[str, float]:
    """Precision, recall, F1 and exactness of undirected edges; with groups also `rigid_*` and `contracted_*`.

    `rigid_*`: inside a group any spanning tree counts as right, edges that leave a group must match exactly.
    `contracted_*`: every group is one node, so a limb may also hang on any point of the body. The latter is more
    lenient and is meant for points that coincide; quote the former.
    """
    found, wanted = edge_set(predicted), edge_set(true)
    scores = precision_recall(len(found & wanted), len(found), len(wanted))
    if rigid_groups is None:
        return scores
    groups = [set(map(int, g)) for g in rigid_groups]
    rigid = precision_recall(forgiven_hits(found, wanted, groups), len(found), len(wanted))
    few, many = contracted(found, groups), contracted(wanted, groups)
    whole = precision_recall(len(few & many), len(few), len(many))
    return scores | {f"rigid_{k}": v for k, v in rigid.items()} | {f"contracted_{k}": v for k, v in whole.items()}


def map_edges(predicted: Tensor | Iterable[Sequence[int]], match: Int[Tensor, " J"]) -> set[Edge]:
    """Edges between keypoints as edges between landmarks, given the keypoint of each landmark (-1 = none).

    A keypoint that no landmark claims is merged into the claimed keypoint that is nearest along the tree (fewest
    edges, then lowest number), so a spare point on a limb does not break the limb; a tree stays a tree.
    """
    landmark = {int(k): j for j, k in enumerate(match.tolist()) if k >= 0}
    graph = nx.Graph(sorted(edge_set(predicted)))
    owner = {k: k for k in sorted(landmark)}
    frontier = sorted(k for k in owner if k in graph)
    while frontier:
        reached = []
        for k in frontier:
            for other in sorted(graph[k]):
                if other not in owner:
                    owner[other] = owner[k]
                    reached.append(other)
        frontier = reached
    return edge_set((landmark[owner[a]], landmark[owner[b]]) for a, b in graph.edges if a in owner and b in owner)


def rigid_groups(points: Float[Tensor, "T K D"], tolerance: float = 0.01) -> list[list[int]]:
    """Maximal sets of three or more points whose mutual distances stay constant over a sequence.

    Constant: standard deviation below `tolerance` of the median diagonal of the points' box. Meant for true 3D
    tracks; a sequence in which nothing moves is one rigid group. Two groups may share a point (the joint).
    """
    known = points[points.isfinite().all(-1).all(-1)].double()
    if len(known) < 2:
        return []
    diagonal = (known.amax(1) - known.amin(1)).norm(dim=-1).median()
    spread = torch.cdist(known, known).std(0)
    graph = nx.Graph([(int(a), int(b)) for a, b in (spread < tolerance * diagonal).nonzero().tolist() if a < b])
    return sorted(sorted(c) for c in nx.find_cliques(graph) if len(c) >= 3)


def spanning_tree(cost: Float[Tensor, "K K"]) -> list[Edge]:
    """Minimum spanning tree of a symmetric cost, by Kruskal through networkx (zero costs are real edges)."""
    graph = nx.Graph()
    values = cost.detach().double().cpu()
    size = len(values)
    graph.add_weighted_edges_from((i, j, values[i, j].item()) for i in range(size) for j in range(i + 1, size))
    return sorted((min(a, b), max(a, b)) for a, b in nx.minimum_spanning_edges(graph, data=False))


def tree_floors(points: Float[Tensor, "T K D"], mix: float = 0.01) -> dict[str, list[Edge]]:
    """Trees without learning: minimum spanning tree of mean distance, of variance (Harris 2024, section 5.3), of both.

    The mix is variance + `mix` * mean^2. Frames with a missing point are left out.
    """
    known = points[points.isfinite().all(-1).all(-1)].double()
    if len(known) < 2:
        return {}
    distance = torch.cdist(known, known)
    mean, variance = distance.mean(0), distance.var(0)
    costs = {"mean_distance": mean, "variance": variance, "mix": variance + mix * mean.square()}
    return {name: spanning_tree(cost) for name, cost in costs.items()}


def edge_stability(trees: Sequence[Tensor | Iterable[Sequence[int]]]) -> dict[Edge, float]:
    """Share of the given trees (over seeds, or over blocks of frames) that hold each edge."""
    listed = [edge_set(t) for t in trees]
    every = sorted(set().union(*listed)) if listed else []
    return {e: math.fsum(e in t for t in listed) / len(listed) for e in every}
