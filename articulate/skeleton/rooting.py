"""Giving a tree of limbs a root: parents, breadth-first edges, depths, subtrees and mirrored pairs."""

from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.errors import DataError


@dataclass(frozen=True)
class RootedTree:
    """A tree from `root`: `parents[root] = -1`, `edges` (parent, child) in breadth-first order, hops in `depth`."""

    root: int
    parents: Int[Tensor, " K"]
    edges: Int[Tensor, "L 2"]
    depth: Int[Tensor, " K"]

    @property
    def order(self) -> list[int]:
        """Keypoints from the root outwards: every parent stands before its children."""
        return [self.root, *self.edges[:, 1].tolist()]


def neighbour_lists(edges: Int[Tensor, "L 2"], num_keypoints: int) -> list[list[int]]:
    """Neighbours of every keypoint, in ascending order. Raises DataError when an index is out of range."""
    neighbours: list[list[int]] = [[] for _ in range(num_keypoints)]
    for a, b in edges.tolist():
        if not (0 <= a < num_keypoints and 0 <= b < num_keypoints) or a == b:
            raise DataError(f"edge ({a}, {b}) does not join two of the {num_keypoints} keypoints")
        neighbours[a].append(b)
        neighbours[b].append(a)
    return [sorted(n) for n in neighbours]


def _walk(neighbours: list[list[int]], root: int) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Parents, breadth-first edges and depths from `root`."""
    size = len(neighbours)
    parents, depth = [-2] * size, [0] * size
    parents[root] = -1
    edges, queue = [], deque([root])
    while queue:
        here = queue.popleft()
        for there in neighbours[here]:
            if parents[there] == -2:
                parents[there], depth[there] = here, depth[here] + 1
                edges.append((here, there))
                queue.append(there)
    if len(edges) != size - 1:
        lost = [k for k in range(size) if parents[k] == -2]
        raise DataError(f"the edges do not reach keypoints {lost} from keypoint {root}: they form no tree")
    return parents, edges, depth


def choose_root(edges: Int[Tensor, "L 2"], num_keypoints: int, restlessness: Float[Tensor, " K"] | None = None) -> int:
    """Centroid of the tree: the keypoint whose removal leaves the smallest largest branch (Jordan 1869).

    Among keypoints within two of the best (or a tenth of the tree), the one with least `restlessness` (any measure of
    how much a keypoint moves against the body); without it, the one with more limbs.
    """
    neighbours = neighbour_lists(edges, num_keypoints)
    parents, walked, _ = _walk(neighbours, 0)
    below = [1] * num_keypoints
    for parent, child in reversed(walked):
        below[parent] += below[child]
    largest = [num_keypoints - below[k] for k in range(num_keypoints)]
    for parent, child in walked:
        largest[parent] = max(largest[parent], below[child])
    best = min(largest)
    if restlessness is None:
        return min(range(num_keypoints), key=lambda k: (largest[k], -len(neighbours[k]), k))
    slack = max(2, num_keypoints // 10)
    near = [k for k in range(num_keypoints) if largest[k] <= best + slack and len(neighbours[k]) > 1]
    return min(near or range(num_keypoints), key=lambda k: (float(restlessness[k]), largest[k], k))


def root_tree(
    edges: Int[Tensor, "L 2"],
    root: int | None = None,
    num_keypoints: int | None = None,
    restlessness: Float[Tensor, " K"] | None = None,
) -> RootedTree:
    """The tree seen from `root` (by default from `choose_root`). Raises DataError when the edges are no tree."""
    size = num_keypoints if num_keypoints is not None else edges.shape[0] + 1
    if edges.shape[0] != size - 1:
        raise DataError(f"{edges.shape[0]} edges cannot form a tree over {size} keypoints ({size - 1} are needed)")
    chosen = choose_root(edges, size, restlessness) if root is None else root
    parents, walked, depth = _walk(neighbour_lists(edges, size), chosen)
    device = edges.device
    return RootedTree(
        root=chosen,
        parents=torch.tensor(parents, dtype=torch.int64, device=device),
        edges=torch.tensor(walked, dtype=torch.int64, device=device).reshape(-1, 2),
        depth=torch.tensor(depth, dtype=torch.int64, device=device),
    )


def descendants(tree: RootedTree) -> Bool[Tensor, "K K"]:
    """`[a, b]` is true where b hangs on a, or is a."""
    size = tree.parents.shape[0]
    below = torch.eye(size, dtype=torch.bool, device=tree.parents.device)
    for parent, child in reversed(tree.edges.tolist()):
        below[parent] |= below[child]
    return below


def mirrored_pairs(tree: RootedTree, lengths: Float[Tensor, " L"], tolerance: float = 0.15) -> list[tuple[int, int]]:
    """Left/right pairs: branches from one keypoint with the same shape and limb lengths equal within `tolerance`.

    `lengths` follow `tree.edges`. Two siblings pair when |a - b| <= tolerance * max(a, b) and their branches match limb
    for limb; closest pairs first, each keypoint once. Which of the two is the left one, lengths cannot say.
    """
    length = {int(c): float(v) for (_, c), v in zip(tree.edges.tolist(), lengths, strict=True)}
    children: dict[int, list[int]] = {k: [] for k in range(tree.parents.shape[0])}
    for parent, child in tree.edges.tolist():
        children[parent].append(child)
    pairs: list[tuple[int, int]] = []
    for parent in tree.order:
        siblings, used = children[parent], set()
        options = [
            (mismatch, a, b, inner)
            for i, a in enumerate(siblings)
            for b in siblings[i + 1 :]
            for mismatch, inner in [_branch_mismatch(a, b, children, length, tolerance)]
            if mismatch is not None
        ]
        for _, a, b, inner in sorted(options, key=lambda option: option[0]):
            if a not in used and b not in used:
                used |= {a, b}
                pairs += inner
    unique: dict[int, tuple[int, int]] = {}
    for a, b in pairs:
        if a not in unique and b not in unique:
            unique[a] = unique[b] = (a, b)
    return sorted(set(unique.values()))


def _branch_mismatch(
    a: int, b: int, children: dict[int, list[int]], length: dict[int, float], tolerance: float
) -> tuple[float | None, list[tuple[int, int]]]:
    """Largest relative difference of length between two branches and their paired keypoints; None when they differ."""
    longest = max(length[a], length[b])
    worst = abs(length[a] - length[b]) / longest if longest > 0 else 0.0
    if worst > tolerance or len(children[a]) != len(children[b]):
        return None, []
    pairs, left = [(a, b)], list(children[b])
    for inner in sorted(children[a], key=lambda k: length[k]):
        matches = [
            (m, other, p) for other in left for m, p in [_branch_mismatch(inner, other, children, length, tolerance)]
        ]
        possible = [(m, other, p) for m, other, p in matches if m is not None]
        if not possible:
            return None, []
        mismatch, other, inner_pairs = min(possible, key=lambda option: option[0])
        left.remove(other)
        worst = max(worst, mismatch)
        pairs += inner_pairs
    return worst, pairs
