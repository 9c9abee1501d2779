"""What a silhouette says by itself: how deep each pixel lies, where it ends, and the tree of its middle lines."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from articulate.seeding.body.extremity_kernels import distance_within, peaks
from articulate.seeding.ways import cheapest_ways

OPPOSITE = np.ones((3, 3), np.int64)


@dataclass(frozen=True)
class Outline:
    """One frame: pixels (x, y) of the body, and the depth of every pixel below the outline (negative outside)."""

    pixels: Float[np.ndarray, "N 2"]
    depth: Float[np.ndarray, "S S"]

    @property
    def inside(self) -> Bool[np.ndarray, "S S"]:
        """The body."""
        return self.depth > 0


@dataclass(frozen=True)
class MiddleTree:
    """Middle lines of a silhouette: nodes (x, y), whether each is an end, and the pixels of each line from a to b."""

    nodes: Float[np.ndarray, "N 2"]
    edges: Int[np.ndarray, "E 2"]
    lines: list[Float[np.ndarray, "_ 2"]]

    @property
    def num_ends(self) -> int:
        """Nodes with one line."""
        return int((np.bincount(self.edges.reshape(-1), minlength=len(self.nodes)) == 1).sum())

    @property
    def length(self) -> float:
        """Of all lines together, in pixels."""
        return float(sum(line_length(line) for line in self.lines))


def line_length(line: Float[np.ndarray, "P 2"]) -> float:
    """Length of a line of pixels, its stairs smoothed."""
    some = line[np.unique(np.linspace(0, len(line) - 1, max(2, len(line) // 3 + 1)).astype(np.int64))]
    return float(np.linalg.norm(np.diff(some, axis=0), axis=1).sum())


def read_outline(mask: Float[np.ndarray, "S S"]) -> Outline:
    """The largest piece of a soft mask (0 to 1); depth 0 is its outline, a pixel's middle being its place."""
    pieces, count = ndimage.label(mask > 0.5, OPPOSITE)
    if count > 1:
        sizes = np.bincount(pieces.reshape(-1))[1:]
        inside = np.isin(pieces, 1 + np.flatnonzero(sizes > 0.1 * sizes.max()))
    else:
        inside = pieces > 0
    if not inside.any() or inside.all():
        return Outline(np.zeros((0, 2)), np.where(inside, 1.0, -1.0))
    within, without = ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)
    row, column = np.nonzero(inside)
    return Outline(np.stack([column, row], 1).astype(np.float64), np.where(inside, within - 0.5, 0.5 - without))


def num_holes(inside: Bool[np.ndarray, "S S"]) -> int:
    """Closed spaces within the body: where limbs touch, its lines are no tree."""
    return int(ndimage.label(~np.pad(inside, 1))[1]) - 1


def middle_tree(outline: Outline, prominence: float) -> MiddleTree | None:
    """Ends that stick out by at least `prominence` pixels, and the middle lines between them; None: fewer than two.

    Every end is a peak of the distance within the body from its middle; lines run where the body is deep.
    """
    inside = ndimage.label(outline.inside, OPPOSITE)[0]
    if not inside.any():
        return None
    inside = inside == 1 + int(np.argmax(np.bincount(inside.reshape(-1))[1:]))
    start = np.argmin(np.where(inside, -outline.depth, np.inf))
    width = inside.shape[1]
    far = distance_within(inside, start // width, start % width)[0]
    one = int(np.argmax(far))
    across = distance_within(inside, one // width, one % width)[0]
    other = int(np.argmax(across))
    back = distance_within(inside, other // width, other % width)[0]
    middle = int(np.argmin(np.where(inside, np.maximum(across, back), np.inf)))
    distance = distance_within(inside, middle // width, middle % width)[0]
    numbers, heights = peaks(distance, prominence)
    ends = np.array([n for n, h in zip(numbers, heights, strict=True) if h >= prominence], np.int64)
    if len(ends) < 2:
        return None
    # Deep pixels are easy, so that ways keep to the middle and share it early.
    ease = (0.3 + outline.depth.astype(np.float64)) ** 2
    parent = cheapest_ways(inside, ease, middle // width, middle % width)[1]
    return tree_of_paths(parent.reshape(-1), ends, middle, width)


def tree_of_paths(parent: Int[np.ndarray, " N"], ends: Int[np.ndarray, " E"], root: int, width: int) -> MiddleTree:
    """The union of the ways from the ends to the root, cut at its branches."""
    children: dict[int, set[int]] = {}
    for end in ends:
        step = int(end)
        while parent[step] >= 0:
            up = int(parent[step])
            children.setdefault(up, set()).add(step)
            step = up
    wanted = {int(e) for e in ends} | {n for n, below in children.items() if len(below) > 1}
    if len(children.get(root, ())) > 1:
        wanted.add(root)
    names = {n: i for i, n in enumerate(sorted(wanted))}
    edges, lines = [], []
    for node in names:
        line, step = [node], node
        while parent[step] >= 0:
            step = int(parent[step])
            line.append(step)
            if step in names:
                break
        if len(line) > 1 and line[-1] in names:
            edges.append((names[line[-1]], names[node]))
            lines.append(np.array([(n % width, n // width) for n in line[::-1]], np.float64))
    nodes = np.array([(n % width, n // width) for n in names], np.float64)
    return MiddleTree(nodes, np.array(edges, np.int64).reshape(-1, 2), lines)


def join_close_branches(tree: MiddleTree, least: float) -> MiddleTree:
    """Branches nearer than `least` pixels along a line are one, at its middle; ends that short vanish."""
    nodes = tree.nodes.copy()
    edges, lines = join_through(tree.edges, list(tree.lines), len(nodes))
    while len(edges) > 1:
        lengths = np.array([line_length(line) for line in lines])
        short = int(np.argmin(lengths))
        if lengths[short] >= least:
            break
        a, b = edges[short]
        degree = np.bincount(edges.reshape(-1), minlength=len(nodes))
        if degree[b] == 1 or degree[a] == 1:
            keep = a if degree[b] == 1 else b
        else:
            keep = a
            nodes[a] = (nodes[a] + nodes[b]) / 2
        gone = b if keep == a else a
        edges, lines = np.delete(edges, short, axis=0), [x for i, x in enumerate(lines) if i != short]
        edges = np.where(edges == gone, keep, edges)
        edges, lines = join_through(edges, lines, len(nodes))
    used = np.unique(edges)
    place = np.full(len(nodes), -1)
    place[used] = np.arange(len(used))
    return MiddleTree(nodes[used], place[edges], lines)


def join_through(edges: Int[np.ndarray, "E 2"], lines: list, num: int) -> tuple[Int[np.ndarray, "F 2"], list]:
    """Two lines that meet at a node with no third are one line."""
    while True:
        degree = np.bincount(edges.reshape(-1), minlength=num)
        through = np.flatnonzero(degree == 2)
        if not len(through) or len(edges) < 2:
            return edges, lines
        node = through[0]
        i, j = np.flatnonzero((edges == node).any(1))
        first = lines[i] if edges[i, 1] == node else lines[i][::-1]
        second = lines[j] if edges[j, 0] == node else lines[j][::-1]
        a = edges[i, 0] if edges[i, 1] == node else edges[i, 1]
        b = edges[j, 1] if edges[j, 0] == node else edges[j, 0]
        kept = [k for k in range(len(edges)) if k not in (i, j)]
        edges = np.concatenate([edges[kept], [[a, b]]])
        lines = [lines[k] for k in kept] + [np.concatenate([first, second])]
