"""Which ends meet, tried on pixels: a limb that others cover ends later than its pixels do, so distances mislead."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
from jaxtyping import Float

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, fit_figure
from articulate.seeding.parts.tree import (
    Connection,
    End,
    assemble,
    keypoints_of_ends,
    misfit_per_frame,
    part_points,
)

FARTHER = 2.0  # half-widths by which a better joint may look wider: a cover that is one limb thick
# Standard errors by which an exchange must explain more: by chance once in 30 000, and a hundred are tried.
CERTAIN = 4.0


def exchange_connections(
    merged: Sequence[Connection],
    links: list[Connection],
    distances: Mapping[tuple[End, End], float],
    joined: Figure,
    alone: Float[np.ndarray, "T P 2 2"],
    evidence: Evidence,
    settings: FitSettings,
    least: float,
) -> list[Connection]:
    """`merged` after every exchange of one of its connections for another that saves `least` pixels a frame for sure.

    `joined` is the figure of `merged` and `links` in the frames of `evidence`, `alone` the ends of every part fitted on
    its own there. Links stay, and with them the number of keypoints, so that misfits can be compared.
    """
    chosen, num_parts = list(merged), alone.shape[1]
    weights = np.ones(alone.shape[:2])
    best = misfit_per_frame(joined, evidence, settings)
    tried: set[tuple[int, ...]] = set()
    listed = exchanges(chosen, links, distances, num_parts)
    while (pair := next(listed, None)) is not None:
        old, new = pair
        trial = [c for c in chosen if c is not old] + [new]
        name = tuple(keypoints_of_ends(num_parts, trial).reshape(-1).tolist())
        if name in tried:
            continue
        tried.add(name)
        ends = part_points(joined, num_parts)
        for part, end in (old.first, old.second, new.first, new.second):
            ends[:, part, end] = alone[:, part, end]
        start = assemble(ends, weights, joined.radii[:num_parts], trial, links)
        figure = fit_figure(start, evidence, settings)
        misfit = misfit_per_frame(figure, evidence, settings)
        if surely_above(best - misfit, least):
            chosen, joined, best = trial, figure, misfit
            listed = exchanges(chosen, links, distances, num_parts)
    return chosen


def surely_above(gains: Float[np.ndarray, " T"], least: float) -> bool:
    """Whether the mean over frames is at least `least`, and above zero by `CERTAIN` standard errors.

    The tenths of the frames that gain most and least do not count: there the ends of a limb may have been exchanged.
    """
    tenth = len(gains) // 10
    middle = np.sort(gains)[tenth : len(gains) - tenth]
    return bool(middle.mean() > max(least, CERTAIN * middle.std() / np.sqrt(len(middle))))


def exchanges(
    merged: Sequence[Connection],
    links: Sequence[Connection],
    distances: Mapping[tuple[End, End], float],
    num_parts: int,
) -> Iterator[tuple[Connection, Connection]]:
    """A merged connection to give up and one to take instead, such that the parts still make a tree; near ends first.

    The new one may be wider than the old one by `FARTHER`.
    """
    point = keypoints_of_ends(num_parts, list(merged))
    for (first, second), distance in sorted(distances.items(), key=lambda item: item[1]):
        if point[first] == point[second]:
            continue
        for old in way_between([*merged, *links], first[0], second[0]):
            if old not in links and distance <= old.distance + FARTHER:
                yield old, Connection(first, second, distance)


def way_between(connections: Sequence[Connection], start: int, goal: int) -> list[Connection]:
    """The connections on the way from one part to another within the tree of parts, the one at the goal first."""
    tree = nx.Graph()
    for one in connections:
        tree.add_edge(one.first[0], one.second[0], connection=one)
    way = nx.shortest_path(tree, goal, start)
    return [tree.edges[step]["connection"] for step in pairwise(way)]
