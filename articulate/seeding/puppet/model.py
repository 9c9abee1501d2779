"""A puppet: points, limbs of bounded length and half-width, from the middle lines of one well spread silhouette."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet.outline import MiddleTree, Outline, line_length

SLACK = 1.25  # a limb of the first frame may be foreshortened by so much


@dataclass(frozen=True)
class Puppet:
    """Limbs, their half-widths, and the length in pixels that none of them exceeds in any frame."""

    edges: Int[np.ndarray, "L 2"]
    radii: Float[np.ndarray, " L"]
    longest: Float[np.ndarray, " L"]

    @cached_property
    def triples(self) -> Int[np.ndarray, "M 5"]:
        """Every point where two limbs meet and no third, between its neighbours, and the numbers of the two limbs."""
        found = []
        for middle in np.flatnonzero(np.bincount(self.edges.reshape(-1)) == 2):
            one, other = np.flatnonzero((self.edges == middle).any(1))
            a, b = (int(self.edges[e][self.edges[e] != middle][0]) for e in (one, other))
            found.append((a, int(middle), b, int(one), int(other)))
        return np.array(found, np.int64).reshape(-1, 5)

    @property
    def num_points(self) -> int:
        """K."""
        return len(self.edges) + 1


def puppet_from_lines(
    tree: MiddleTree, outline: Outline, num_points: int, alike: list[list[int]]
) -> tuple[Puppet, Float[np.ndarray, "K 2"]]:
    """The lines of a tree cut into `num_points` - 1 limbs (fewer points than nodes: one limb a line), and its pose.

    The line with the longest pieces is always the next to be cut once more, and its twins with it (`alike`: numbers of
    lines that are built alike), as long as there are points for all.
    """
    lengths = np.array([line_length(line) for line in tree.lines])
    pieces = np.ones(len(lengths), np.int64)
    together = [group for group in alike if len(group) > 1]
    together += [[i] for i in range(len(lengths)) if not any(i in group for group in together)]
    while True:
        spare = num_points - 1 - pieces.sum()
        possible = [group for group in together if len(group) <= spare]
        if not possible:
            break
        pieces[max(possible, key=lambda group: float((lengths[group] / pieces[group]).mean()))] += 1
    points, edges = list(tree.nodes), []
    for (a, b), line, count in zip(tree.edges, tree.lines, pieces, strict=True):
        cuts = cut_line(line, int(count))
        names = [int(a), *range(len(points), len(points) + count - 1), int(b)]
        points += list(cuts)
        edges += list(zip(names[:-1], names[1:], strict=True))
    pose, limbs = np.array(points), np.array(edges, np.int64)
    puppet = Puppet(limbs, np.ones(len(limbs)), SLACK * limb_lengths(pose[None], limbs)[0])
    return replace(puppet, radii=measured_radii(puppet, pose[None], [outline])), pose


def cut_line(line: Float[np.ndarray, "P 2"], count: int) -> Float[np.ndarray, "C 2"]:
    """The C = `count` - 1 points that cut a line of pixels into pieces of one length."""
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = way[-1] * np.arange(1, count) / count
    return np.stack([np.interp(at, way, line[:, d]) for d in range(2)], axis=1)


def limb_lengths(poses: Float[np.ndarray, "T K 2"], edges: Int[np.ndarray, "L 2"]) -> Float[np.ndarray, "T L"]:
    """Projected length of every limb in pixels."""
    return np.linalg.norm(poses[:, edges[:, 0]] - poses[:, edges[:, 1]], axis=-1)


def measured_radii(
    puppet: Puppet, poses: Float[np.ndarray, "T K 2"], outlines: list[Outline]
) -> Float[np.ndarray, " L"]:
    """Half-width of every limb: the lower quarter, over frames, of the depth at its middle; at least 0.6 pixels.

    Where limbs lie over each other the silhouette is deeper than either.
    """
    middle = (poses[:, puppet.edges[:, 0]] + poses[:, puppet.edges[:, 1]]) / 2
    depths = []
    for places, outline in zip(middle, outlines, strict=True):
        size = len(outline.depth)
        column, row = np.clip(np.rint(places).astype(np.int64), 0, size - 1).T
        depths.append(outline.depth[row, column])
    return np.maximum(np.quantile(np.array(depths), 0.25, axis=0), 0.6)
