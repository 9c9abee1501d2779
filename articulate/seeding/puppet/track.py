"""A puppet followed through a clip, forwards and backwards from one frame, with several hypotheses at a time."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from articulate.seeding.puppet.kernels import fit_pose
from articulate.seeding.puppet.model import Puppet
from articulate.seeding.puppet.outline import Outline


@dataclass(frozen=True)
class TrackSettings:
    """Hypotheses kept per frame, how far apart they are (pixels), steps of a fit, weights of prediction and length."""

    width: int = 6
    apart: float = 1.5
    rounds: int = 12
    prediction: float = 0.02
    stretch: float = 1.0
    even: float = 0.5


@dataclass(frozen=True)
class Hypothesis:
    """A pose, the one before it, what all so far has cost, and where it came from."""

    cost: float
    pose: Float[np.ndarray, "K 2"]
    before: Float[np.ndarray, "K 2"]
    origin: "Hypothesis | None"


@dataclass(frozen=True)
class Fit:
    """A fitted pose and what the picture, the lengths and the prediction cost."""

    pose: Float[np.ndarray, "K 2"]
    picture: float
    lengths: float
    motion: float


def fit_to(
    puppet: Puppet,
    outline: Outline,
    start: Float[np.ndarray, "K 2"],
    prediction: Float[np.ndarray, "K 2"],
    settings: TrackSettings,
) -> Fit:
    """The pose nearest to `start` that explains the outline and is not far from the prediction."""
    weight = 1.0 / (2.0 * float(np.median(puppet.radii)))  # pixels of a limb as many as samples along it
    pull = np.full(len(start), settings.prediction)
    found = fit_pose(
        start, puppet.edges, puppet.triples, puppet.radii, puppet.longest, outline.pixels, weight, outline.depth,
        prediction, pull, settings.stretch, settings.even, settings.rounds,
    )  # fmt: skip
    return Fit(*found)


def proposals_of(
    puppet: Puppet, outline: Outline, starts: Float[np.ndarray, "P K 2"], settings: TrackSettings
) -> list[Fit]:
    """Fits from poses that were found elsewhere, free to go where the outline pulls."""
    weak = replace(settings, prediction=0.1 * settings.prediction)
    return [fit_to(puppet, outline, start, start, weak) for start in starts]


def follow(
    puppet: Puppet,
    outlines: list[Outline],
    pose: Float[np.ndarray, "K 2"],
    settings: TrackSettings,
    known: list[Float[np.ndarray, "_ K 2"]] | None = None,
) -> tuple[Float[np.ndarray, "T K 2"], Float[np.ndarray, " T"]]:
    """Poses from the first frame, where the pose is known, to the last, and what each step cost; beam search.

    `known` holds further poses to start from in every frame: by them a puppet that was lost is found again.
    """
    beam = [Hypothesis(0.0, pose, pose, None)]
    for t, outline in enumerate(outlines[1:], 1):
        found: list[Hypothesis] = []
        others = [] if known is None else proposals_of(puppet, outline, known[t], settings)
        for old in beam:
            step = old.pose - old.before
            for fit in others:
                motion = settings.prediction * float(((fit.pose - old.pose - step) ** 2).sum())
                found.append(Hypothesis(old.cost + fit.picture + fit.lengths + motion, fit.pose, old.pose, old))
            for start in (old.pose + step, old.pose, old.pose + 0.5 * step):
                fit = fit_to(puppet, outline, start, old.pose + step, settings)
                found.append(Hypothesis(old.cost + fit.picture + fit.lengths + fit.motion, fit.pose, old.pose, old))
        found.sort(key=lambda h: h.cost)
        beam = []
        for new in found:
            if all(np.abs(new.pose - other.pose).max() > settings.apart for other in beam):
                beam.append(new)
            if len(beam) == settings.width:
                break
    return unrolled(beam[0])


def unrolled(last: Hypothesis) -> tuple[Float[np.ndarray, "T K 2"], Float[np.ndarray, " T"]]:
    """Poses and costs of all frames up to the last."""
    poses, totals = [], []
    step: Hypothesis | None = last
    while step is not None:
        poses.append(step.pose)
        totals.append(step.cost)
        step = step.origin
    return np.array(poses[::-1]), np.diff(np.array(totals[::-1]), prepend=0.0)


def follow_both_ways(
    puppet: Puppet,
    outlines: list[Outline],
    frame: int,
    pose: Float[np.ndarray, "K 2"],
    settings: TrackSettings,
    known: list[Float[np.ndarray, "_ K 2"]] | None = None,
) -> tuple[Float[np.ndarray, "T K 2"], Float[np.ndarray, " T"]]:
    """Poses and costs of a whole clip from one frame with a known pose."""
    after, before = (None, None) if known is None else (known[frame:], known[: frame + 1][::-1])
    ahead, cost_ahead = follow(puppet, outlines[frame:], pose, settings, after)
    back, cost_back = follow(puppet, outlines[: frame + 1][::-1], pose, settings, before)
    return np.concatenate([back[:0:-1], ahead]), np.concatenate([cost_back[:0:-1], cost_ahead])
