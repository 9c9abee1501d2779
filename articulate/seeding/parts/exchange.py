"""Which ends meet, tried on pixels: a limb that others cover ends later than its pixels do, so distances mislead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx
import numpy as np
from jaxtyping import Float

from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.tree import (
    Connection,
    End,
    keypoints_of_ends,
)

FARTHER = 2.0  # half-widths by which a better joint may look wider: a cover that is one limb thick
# Standard errors by which an exchange must explain more: by chance once in 30 000, and a hundred are tried.
CERTAIN = 4.0


@dataclass(frozen=True)
class Met:
    """Connections whose ends are one point, their fitted figure, and its misfit in every frame."""

    merged: list[Connection]
    figure: Figure
    misfit: Float[np.ndarray, " T"]


@dataclass
class Trials:
    """Fits figures whose parts meet differently, each once."""

    trial: Trial
    distances: Mapping[tuple[End, End], float]
    tried: set[tuple[int, ...]] = field(default_factory=set)

    def of_exchanges(self, now: Met) -> Iterator[Met]:
        """What every exchange makes of `now` that was not tried yet."""
        for old, new in exchanges(now.merged, self.trial.links, self.distances, self.num_parts):
            yield from self.of_exchange(now, old, new)

    def joining_free_ends(self, now: Met, widest: float) -> Iterator[Met]:
        """What those exchanges make that leave fewer ends free, by ends at most `widest` apart."""
        links = self.trial.links
        free = num_free_ends(now.merged, links, self.num_parts)
        self.tried.clear()  # to save nothing by far and to cost little are different things
        for old, new in exchanges(now.merged, links, self.distances, self.num_parts):
            merged = exchanged(now.merged, old, new)
            if new.distance <= widest and num_free_ends(merged, links, self.num_parts) < free:
                yield from self.of_exchange(now, old, new)

    def of_exchange(self, now: Met, old: Connection, new: Connection) -> Iterator[Met]:
        """`now` with one connection in place of another, or nothing where the same ends met in an earlier trial."""
        merged = exchanged(now.merged, old, new)
        name = tuple(keypoints_of_ends(self.num_parts, merged).reshape(-1).tolist())
        if name in self.tried:
            return
        self.tried.add(name)
        freed = (old.first, old.second, new.first, new.second)
        figure = self.trial.fitted(now.figure, merged, self.trial.links, freed)
        yield Met(merged, figure, self.trial.misfit(figure))

    @property
    def num_parts(self) -> int:
        """P."""
        return self.trial.alone.shape[1]


def exchanged(merged: Sequence[Connection], old: Connection, new: Connection) -> list[Connection]:
    """The connections with `new` in place of `old`."""
    return [one for one in merged if one is not old] + [new]


def exchange_connections(trial: Trial, distances: Mapping[tuple[End, End], float], least: float) -> list[Connection]:
    """What meets in `trial` after every exchange of one connection that surely saves `least` pixels a frame.

    Then ends that meet nothing are joined where pixels do not speak against it. Links stay, and with them the number of
    keypoints, so that misfits can be compared.
    """
    now = Met(trial.merged, trial.joined, trial.misfit_joined)
    trials = Trials(trial, distances)
    while (better := clearly_better(trials, now, least)) is not None:
        now = better
    while (better := with_fewer_free_ends(trials, now, least)) is not None:
        now = better
    return now.merged


def clearly_better(trials: Trials, now: Met, least: float) -> Met | None:
    """The first exchange that surely saves enough."""
    return next((found for found in trials.of_exchanges(now) if surely_above(now.misfit - found.misfit, least)), None)


def with_fewer_free_ends(trials: Trials, now: Met, least: float) -> Met | None:
    """The best exchange that joins a free end and explains less by chance at most, and by less than `least`.

    A limb that ends inside the body without meeting anything is as unlikely as one that never shows. Hands and feet
    stay free: to join them elsewhere costs many times as much. The ends must lie as near each other as those of other
    joints do: limbs that others cover fold up to fit anywhere.
    """
    widest = max((one.distance for one in now.merged), default=0.0)
    lost = [(one.misfit - now.misfit, one) for one in trials.joining_free_ends(now, widest)]
    cost = [(middle_of(loss).mean(), one) for loss, one in lost if not surely_above(loss, 0.0)]
    least_cost, best = min(cost, key=lambda pair: pair[0], default=(np.inf, None))
    return best if least_cost < least else None


def num_free_ends(merged: Sequence[Connection], links: Sequence[Connection], num_parts: int) -> int:
    """How many ends of parts meet no other."""
    point = keypoints_of_ends(num_parts, list(merged))
    alone = np.bincount(point.reshape(-1)) == 1
    return int(alone.sum()) - len(
        {point[end] for link in links for end in (link.first, link.second) if alone[point[end]]}
    )


def surely_above(gains: Float[np.ndarray, " T"], least: float) -> bool:
    """Whether the mean over frames is at least `least`, and above zero by `CERTAIN` standard errors.

    The tenths of the frames that gain most and least do not count: there the ends of a limb may have been exchanged.
    """
    middle = middle_of(gains)
    return bool(middle.mean() > max(least, CERTAIN * middle.std() / np.sqrt(len(middle))))


def middle_of(gains: Float[np.ndarray, " T"]) -> Float[np.ndarray, " M"]:
    """All but the tenths at both ends."""
    tenth = len(gains) // 10
    return np.sort(gains)[tenth : len(gains) - tenth]


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
