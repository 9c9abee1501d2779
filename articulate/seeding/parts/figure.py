"""Decides the figure: which ends of parts meet, where limbs are hidden, how thick everything is."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.seeding.appearance import Appearance
from articulate.seeding.budget import limb_lengths
from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, fit_figure
from articulate.seeding.config import SeedConfig
from articulate.seeding.parts.contacts import contact_share
from articulate.seeding.parts.exchange import exchange_connections
from articulate.seeding.parts.heels import joints_beside
from articulate.seeding.parts.hidden import Trial, best_use
from articulate.seeding.parts.hubs import affordable, hubs_of
from articulate.seeding.parts.orientation import settle_ends
from articulate.seeding.parts.roots import hub_instead
from articulate.seeding.parts.tree import (
    Connection,
    assemble,
    connect_ends,
    end_distances,
    fit_parts,
)

HIDDEN_WEIGHT = 0.05  # of a part that does not show, beside one that does
ROUND = 0.5  # length of a part, in half-widths, below which it has no axis


@dataclass(frozen=True)
class PartFigure:
    """What was decided: ends that are one point, ends with a hidden limb between them, half-widths of the parts.

    `discs` join the two ends of a part that is a disc: its limb runs from a point to itself. `hubs` number parts whose
    ends are joined in their middle once they are fitted, `heels` are joints along the last limb that comes second.
    """

    merged: list[Connection]
    links: list[Connection]
    radii: Float[np.ndarray, "P 2"]
    discs: list[Connection]
    hubs: list[int]
    heels: list[Connection]

    @property
    def num_parts(self) -> int:
        """P."""
        return len(self.radii)

    def figure_of_all_frames(self, found: Appearance) -> Figure:
        """The figure over the measured ends of all frames, settled over time, not fitted yet."""
        weights = np.where(found.visible, 1.0, HIDDEN_WEIGHT)
        ends = settle_ends(found, [*self.merged, *self.links, *self.heels])
        return assemble(ends, weights, self.radii, [*self.discs, *self.merged], [*self.links, *self.heels])


@dataclass(frozen=True)
class Sample:
    """Frames that decide, and the ends of all parts, fitted there alone; `few` of the frames are enough for trials."""

    evidence: Evidence
    alone: Figure
    visible: Bool[np.ndarray, "N P"]
    few: Int[np.ndarray, " F"]
    few_evidence: Evidence
    settings: FitSettings
    short: FitSettings

    @property
    def ends(self) -> Float[np.ndarray, "N P 2 2"]:
        """Both ends of every part, fitted alone."""
        return self.alone.points.reshape(*self.visible.shape, 2, 2)

    def joined(self, merged: list[Connection], links: list[Connection]) -> Figure:
        """The figure of these connections, fitted to all frames."""
        weights = np.where(self.visible, 1.0, HIDDEN_WEIGHT)
        start = assemble(self.ends, weights, self.alone.radii, merged, links)
        return fit_figure(start, self.evidence, self.settings)

    def trial(self, merged: list[Connection], links: list[Connection]) -> tuple[Trial, Figure]:
        """The same, fitted a little more to the few frames: what trials start from; and the figure of all frames."""
        joined = self.joined(merged, links)
        start = fit_figure(replace(joined, points=joined.points[self.few]), self.few_evidence, self.short)
        weights = np.where(self.visible[self.few], 1.0, HIDDEN_WEIGHT)
        return Trial(merged, links, start, self.ends[self.few], self.few_evidence, self.short, weights), joined


def sample_frames(found: Appearance, config: SeedConfig) -> Sample:
    """Frames spread over all clips, every part fitted on its own."""
    num_frames = len(found.visible)
    some = np.unique(np.linspace(0, num_frames - 1, min(config.sample_frames, num_frames)).astype(np.int64))
    evidence = found.evidence.take(some)
    # Frames of a sample are too far apart in time to be smooth.
    settings = FitSettings(steps=config.decide_steps, smoothness=0.0)
    thickness = np.nanmedian(found.moments.thickness, axis=0)
    radii = np.repeat(np.maximum(0.5 * np.nan_to_num(thickness, nan=1.4), 0.7)[:, None], 2, axis=1)
    alone = fit_parts(found.ends[some], radii, evidence, settings)
    few = np.unique(np.linspace(0, len(some) - 1, min(config.trial_frames, len(some))).astype(np.int64))
    short = FitSettings(steps=config.trial_steps, smoothness=0.0, softness=(1.0, settings.softness[1]))
    return Sample(evidence, alone, found.visible[some], few, evidence.take(few), settings, short)


def decide_figure(found: Appearance, num_keypoints: int, config: SeedConfig) -> PartFigure | str:
    """Fit every part on its own, join ends into a tree, fit again, and put hidden limbs where joining does not fit.

    A sentence instead where most of the body does not hang together.
    """
    num_parts = found.visible.shape[1]
    sample = sample_frames(found, config)
    share = contact_share(found.contacts)
    distances = end_distances(sample.ends, sample.alone.radii, sample.visible, share, config.contact)
    connections = connect_ends(distances, num_parts)
    if len(connections) < num_parts - 1:
        return f"{num_parts} colours, but only {len(connections)} lasting contacts between them"
    least = config.hidden_limb * sample.evidence.labels.shape[1] / 64
    discs = round_parts(sample.alone, connections)
    # P parts with P - 1 joints make P + 1 keypoints.
    room = num_keypoints - (num_parts + 1 - len(discs))
    trial, joined = sample.trial([*discs, *connections], [])
    heels = joints_beside(trial, connections, least)
    if heels:
        connections = [c for c in connections if {c.first, c.second} not in [{h.first, h.second} for h in heels]]
        trial, joined = sample.trial([*discs, *connections], heels)
    trial, joined = find_hidden_limbs(sample, (trial, joined), connections, room, least)
    met = exchange_connections(trial, distances, least)
    if met != trial.merged:
        joined = sample.joined(met, trial.links)
    hub = hub_instead(trial, met, heels, sample.trial, least)
    if hub is not None:
        (trial, joined), met = hub, hub[0].merged
    needed = discs[: max(0, len(discs) - max(0, room + len(heels) - len(trial.links)))]
    merged = [c for c in met if c not in discs]
    links = measured_links(trial.links[len(heels) :], found, sample.alone.radii)
    hubs = hubs_of([*met, *heels], links, num_parts)[: max(0, len(links) - room)]
    return PartFigure(merged, links, joined.radii[:num_parts], needed, hubs, heels)


def find_hidden_limbs(
    sample: Sample, first: tuple[Trial, Figure], connections: list[Connection], room: int, least: float
) -> tuple[Trial, Figure]:
    """Joints freed one after the other, at most `room`, while that saves `least` pixels a frame; and the figure.

    Starts from the `first` trial, of all `connections` and the discs, whose links are the heels. A part that becomes a
    hub makes room for one more. Links of the trial that comes back are the heels, then hidden limbs.
    """
    trial, joined = first
    heels, discs = trial.links, [c for c in trial.merged if c not in connections]
    links: list[Connection] = []
    trials, known = connections, set(connections)
    nearest = {c: c for c in connections}  # how the parts of a turned joint met first
    while True:
        trials = affordable(trials, [*trial.merged, *heels], links, room, sample.visible.shape[1])
        if not trials:
            return trial, joined
        gains = [trial.gain_of_link(c) for c in trials]
        if max(gains) < least:
            return trial, joined
        if max(gain - trial.overlap(c) for c, gain in zip(trials, gains, strict=True)) < least:
            if len(links) >= room:  # nothing asks for a hub
                return trial, joined
            best, turned = between_shortest(sample.alone, [c for c in connections if c not in links]), None
        else:
            best, turned = best_use(trial, trials, gains)
        if turned is not None and turned not in known:
            known.add(turned)
            nearest[turned] = nearest[best]
            connections, trials = ([turned if c is best else c for c in some] for some in (connections, trials))
        else:
            # Turning did not spare this joint a hidden limb, and pixels that spoke for it are the limb's.
            links = [*links, nearest[best]]
            connections = [nearest[best] if c is best else c for c in connections]
            # A joint that saves next to nothing now will not when its neighbours are freed.
            trials = [c for c, gain in zip(trials, gains, strict=True) if gain >= 0.7 * least and c is not best]
        trial, joined = sample.trial([*discs, *(c for c in connections if c not in links)], [*heels, *links])


def between_shortest(alone: Figure, joints: list[Connection]) -> Connection:
    """The joint of the two shortest parts: where a limb is asked for of which pixels say nothing.

    What never shows is short, and beside short limbs there are more of them, as in hands and feet.
    """
    lengths = limb_lengths(alone)
    return min(joints, key=lambda c: lengths[c.first[0]] + lengths[c.second[0]])


def measured_links(links: list[Connection], found: Appearance, radii: Float[np.ndarray, "P 2"]) -> list[Connection]:
    """The same parts linked at the ends that lie nearest each other as they were measured, where that is clear.

    Next to a hidden limb a part is fitted alone to pixels that no part has, and its ends may be told apart wrongly.
    Ends nearer by less than a half-width of the thicker part say nothing: the pixels that the link saved decide.
    """
    result = []
    for link in links:
        p, q = link.first[0], link.second[0]
        both = found.visible[:, p] & found.visible[:, q]
        apart = np.linalg.norm(found.ends[both, p, :, None] - found.ends[both, q, None], axis=-1)
        apart = np.median(apart, axis=0)
        e, f = np.unravel_index(apart.argmin(), (2, 2))
        if apart[link.first[1], link.second[1]] - apart[e, f] > radii[[p, q]].mean(1).max():
            link = replace(link, first=(p, int(e)), second=(q, int(f)))
        result.append(link)
    return result


def round_parts(alone: Figure, connections: list[Connection]) -> list[Connection]:
    """The two ends of every part between others that is a disc: its axis says nothing, and neighbours share its middle.

    Even where it is seen at its longest (90 % quantile over frames) it is half as long as its half-width at most. Parts
    at the end of the body keep their far end. The roundest come first: where nothing needs the room that discs make,
    the last ones keep both ends.
    """
    degree = np.bincount([p for c in connections for p, _ in (c.first, c.second)], minlength=len(alone.edges))
    share = limb_lengths(alone) / alone.radii.mean(1)
    discs = [p for p in np.argsort(share).tolist() if share[p] < ROUND and degree[p] > 1]
    return [Connection((p, 0), (p, 1), 0.0) for p in discs]
