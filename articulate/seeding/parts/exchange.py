"""Which ends meet, tried on pixels: a limb that others cover ends later than its pixels do, so distances mislead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import networkx as nx
import numpy as np
from jaxtyping import Float

from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.tree import Connection, End, keypoints_of_ends, misfit_per_frame

FARTHER = 2.0  # half-widths by which a better joint may look wider: a cover that is one limb thick
# Standard errors by which an exchange must explain more: by chance once in 30 000, and a hundred are tried.
CERTAIN = 4.0
# Budgets of time, not thresholds: how many long fits a round of exchanges may take.
FITS = 6  # for single exchanges, those that a short fit finds best
FURTHER_FITS = 3  # for a further exchange at the same ends, beside each of as many single ones


@dataclass(frozen=True)
class Met:
    """Connections whose ends are one point, how many ends meet none, their fitted figure, its misfit in every frame."""

    merged: list[Connection]
    free: int
    figure: Figure
    misfit: Float[np.ndarray, " T"]


@dataclass
class Trials:
    """Figures whose parts meet differently, each fitted once; and how many pixels exchanges save at first sight."""

    trial: Trial
    distances: Mapping[tuple[End, End], float]
    least: float
    fitted: dict[tuple[int, ...], Met] = field(default_factory=dict)
    gains: dict[frozenset[frozenset[End]], float] = field(default_factory=dict)

    def met(self, merged: list[Connection]) -> Met:
        """The figure of these connections."""
        name = tuple(keypoints_of_ends(self.num_parts, merged).reshape(-1).tolist())
        if name not in self.fitted:
            figure = self.trial.refitted(merged)
            free = num_free_ends(merged, self.trial.links, self.num_parts)
            misfit = misfit_per_frame(figure, self.trial.evidence, self.trial.unpriced)
            self.fitted[name] = Met(merged, free, figure, misfit)
        return self.fitted[name]

    def likely(self, now: Met) -> list[Met]:
        """What one exchange makes of `now`, or two at the same ends, as far as it looks good after a short fit.

        Two, because what three limbs of one hub gain where they meet, each of them loses alone.
        """
        one = sorted(self.after_exchange(now, FITS), key=lambda met: -worth(now, met, self.least))
        return [*one, *(two for met in one[:FURTHER_FITS] for two in self.after_exchange(met, FURTHER_FITS, now))]

    def after_exchange(self, now: Met, count: int, before: Met | None = None) -> list[Met]:
        """The `count` exchanges that look best after a short fit; only at ends that meet elsewhere than `before`."""
        groups = self.groups(now.merged)
        near = groups if before is None else groups - self.groups(before.merged)
        looks: dict[frozenset[frozenset[End]], tuple[float, list[Connection]]] = {}
        for old, new in exchanges(now.merged, self.trial.links, self.distances, self.num_parts):
            merged = exchanged(now.merged, old, new)
            # What happens at other joints hardly matters: an exchange is fitted once, whatever else was exchanged.
            change = groups ^ self.groups(merged)
            if change & near and change not in looks:
                if change not in self.gains:
                    self.gains[change] = self.gain(now, merged, (old.first, old.second, new.first, new.second))
                free = num_free_ends(merged, self.trial.links, self.num_parts)
                looks[change] = (self.gains[change] + self.least * (now.free - free), merged)
        best = sorted(looks.values(), key=lambda look: -look[0])[:count]
        return [self.met(merged) for value, merged in best if value > -2 * self.least]

    def gain(self, now: Met, merged: list[Connection], freed: tuple[End, ...]) -> float:
        """Pixels a frame that other connections save at first sight, on every other frame."""
        some = np.arange(0, len(now.misfit), 2)
        few, figure = self.hasty, replace(now.figure, points=now.figure.points[some])
        fitted = few.fitted(figure, merged, few.links, freed, few.unpriced)
        misfit = misfit_per_frame(fitted, few.evidence, few.unpriced)
        return float(middle_of(now.misfit[some] - misfit).mean())

    @cached_property
    def hasty(self) -> Trial:
        """The trial on every other frame."""
        return self.trial.at(np.arange(0, len(self.trial.alone), 2))

    def groups(self, merged: list[Connection]) -> frozenset[frozenset[End]]:
        """The ends at every keypoint."""
        return groups_of_ends(merged, self.num_parts)

    @property
    def num_parts(self) -> int:
        """P."""
        return self.trial.alone.shape[1]


def exchanged(merged: Sequence[Connection], old: Connection, new: Connection) -> list[Connection]:
    """The connections with `new` in place of `old`."""
    return [one for one in merged if one is not old] + [new]


def exchange_connections(trial: Trial, distances: Mapping[tuple[End, End], float], least: float) -> list[Connection]:
    """What meets in `trial` after every exchange of one or two connections that is worth it, the best one first.

    Links stay, and with them the number of keypoints, so that misfits can be compared. An end that meets nothing costs
    as much as a hidden limb must save, `least` pixels a frame: a limb that ends inside the body without meeting
    anything is as unlikely as one that never shows. Hands and feet stay free: to join them elsewhere costs many times
    as much.
    """
    trials = Trials(trial, distances, least)
    now = trials.met(trial.merged)
    while True:
        sure = [one for one in trials.likely(now) if is_worth_it(now, one, least)]
        if not sure:
            return now.merged
        now = max(sure, key=lambda one: worth(now, one, least))


def worth(now: Met, other: Met, least: float) -> float:
    """Pixels a frame that other connections save, with `least` for every end that is free no more."""
    return float(middle_of(now.misfit - other.misfit).mean()) + least * (now.free - other.free)


def is_worth_it(now: Met, other: Met, least: float) -> bool:
    """Whether fewer free ends explain less by chance at most and by little, or as many surely more by `least`."""
    saved = now.misfit - other.misfit
    if other.free < now.free:
        return worth(now, other, least) > 0 and not surely_above(-saved, 0.0)
    return worth(now, other, least) >= least and surely_above(saved, 0.0)


def groups_of_ends(merged: Sequence[Connection], num_parts: int) -> frozenset[frozenset[End]]:
    """The ends at every keypoint."""
    point = keypoints_of_ends(num_parts, list(merged))
    groups: dict[int, set[End]] = {}
    for part, end in np.ndindex(num_parts, 2):
        groups.setdefault(int(point[part, end]), set()).add((part, end))
    return frozenset(frozenset(group) for group in groups.values())


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
