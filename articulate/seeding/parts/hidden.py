"""Where a limb is hidden: joints whose ends are freed to part, and what they would save if only other ends met."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, fit_figure
from articulate.seeding.parts.tree import Connection, End, assemble, misfit_per_frame, part_points


@dataclass(frozen=True)
class Trial:
    """A figure fitted to a few frames, the ends of its parts fitted alone, and what new figures are fitted to."""

    merged: list[Connection]
    links: list[Connection]
    joined: Figure
    alone: Float[np.ndarray, "T P 2 2"]
    evidence: Evidence
    settings: FitSettings
    weights: Float[np.ndarray, "T P"] | None = None  # how far ends fitted alone count; None: all alike
    parted: dict[Connection, Figure] = field(default_factory=dict, init=False)  # what `freed` has fitted

    def gain(self, merged: list[Connection], links: list[Connection], freed: Connection) -> float:
        """Pixels a frame that other connections save; the two ends of `freed` start where they are alone."""
        return self.saved_by(self.fitted(self.joined, merged, links, (freed.first, freed.second)))

    def saved_by(self, figure: Figure) -> float:
        """Pixels a frame that another figure saves.

        The tenth of the frames that gains most does not count: there the two ends of a limb may have been taken for
        each other.
        """
        gains = self.misfit_joined - self.misfit(figure)
        return float(np.sort(gains)[: max(1, round(0.9 * len(gains)))].mean())

    def fitted(
        self,
        figure: Figure,
        merged: list[Connection],
        links: list[Connection],
        freed: Iterable[End],
        settings: FitSettings | None = None,
    ) -> Figure:
        """A figure fitted again with other connections; the `freed` ends start where they are alone."""
        num_parts = self.alone.shape[1]
        ends = part_points(figure, num_parts)
        for part, end in freed:
            ends[:, part, end] = self.alone[:, part, end]
        start = assemble(ends, np.ones(ends.shape[:2]), figure.radii[:num_parts], merged, links)
        return fit_figure(start, self.evidence, settings or self.settings)

    def at(self, frames: Int[np.ndarray, " F"]) -> "Trial":
        """The same on some of the frames."""
        joined = replace(self.joined, points=self.joined.points[frames])
        weights = None if self.weights is None else self.weights[frames]
        return replace(
            self, joined=joined, alone=self.alone[frames], evidence=self.evidence.take(frames), weights=weights
        )

    def refitted(self, merged: list[Connection]) -> Figure:
        """The figure of other connections fitted from the ends that were fitted alone, with thrice the steps.

        It does not depend on what was tried before, and pixels of other parts cost nothing: their price, which hidden
        limbs need, is in favour of every end that stops short of the limbs that cover it.
        """
        num_parts = self.alone.shape[1]
        weights = np.ones(self.alone.shape[:2]) if self.weights is None else self.weights
        start = assemble(self.alone, weights, self.joined.radii[:num_parts], merged, self.links)
        softness = (2.0 * self.settings.softness[0], self.settings.softness[1])
        return fit_figure(
            start, self.evidence, replace(self.unpriced, steps=3 * self.settings.steps, softness=softness)
        )

    @property
    def unpriced(self) -> FitSettings:
        """The settings where to reach over pixels of other parts costs nothing."""
        return replace(self.settings, foreign=0.0)

    @cached_property
    def misfit_joined(self) -> Float[np.ndarray, " T"]:
        """Misfit of the figure that all trials are compared with."""
        return self.misfit(self.joined)

    def misfit(self, figure: Figure) -> Float[np.ndarray, " T"]:
        """Misfit of every frame in pixels."""
        return misfit_per_frame(figure, self.evidence, self.settings)

    def gain_of_link(self, connection: Connection) -> float:
        """Pixels a frame that a hidden limb in place of a connection saves: its two ends need not meet any more."""
        return self.saved_by(self.freed(connection))

    def freed(self, connection: Connection) -> Figure:
        """The figure with a hidden limb in place of a connection; fitted once, heels and hidden limbs both ask."""
        if connection not in self.parted:
            rest = [c for c in self.merged if c is not connection]
            ends = (connection.first, connection.second)
            self.parted[connection] = self.fitted(self.joined, rest, [*self.links, connection], ends)
        return self.parted[connection]

    def best_turn(self, connection: Connection) -> tuple[float, Connection]:
        """Pixels a frame saved where the same two parts meet at other ends, as it saves most, and how they meet."""
        (p, e), (q, f) = connection.first, connection.second
        found = []
        for first, second in (((p, 1 - e), (q, f)), ((p, e), (q, 1 - f)), ((p, 1 - e), (q, 1 - f))):
            turned = Connection(first, second, connection.distance)
            merged = [turned if c is connection else c for c in self.merged]
            found.append((self.gain(merged, self.links, turned), turned))
        return max(found, key=lambda one: one[0])

    def overlap(self, connection: Connection) -> float:
        """Price of the pixels that both limbs of any joint reach over, one of them in vain: the disc of the thinner."""
        thinner = min(float(self.joined.radii[end]) for end in (connection.first, connection.second))
        return self.settings.foreign * math.pi * thinner**2


def best_use(trial: Trial, joints: list[Connection], gains: list[float]) -> tuple[Connection, Connection | None]:
    """Where a hidden limb has the greatest merit; or a joint, and how it is to be turned instead.

    The merit is what a hidden limb saves beyond what every joint costs (thick limbs overlap widely where they meet),
    and beyond what turning the ends that meet saves, because that takes no keypoint: a limb of which only the far end
    shows beside a cover seems to meet both of its neighbours there. The joint where a hidden limb would save most is
    turned when its merit is less than another one's.
    """
    spare = [(gain - trial.overlap(joint), joint) for gain, joint in zip(gains, joints, strict=True)]
    best, most, first = joints[0], -math.inf, (0.0, joints[0], joints[0])
    for merit, joint in sorted(spare, key=lambda one: -one[0]):
        if merit <= most:
            break
        saved, turned = trial.best_turn(joint)
        if most == -math.inf:
            first = (saved, joint, turned)
        if merit - max(0.0, saved) > most:
            best, most = joint, merit - max(0.0, saved)
    if first[0] > 0 and best is not first[1]:
        return first[1], first[2]
    return best, None
