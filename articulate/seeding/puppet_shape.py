"""Where a puppet bends: joints that do nothing move to limbs that need one."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet import Puppet, limb_lengths
from articulate.seeding.puppet_outline import Outline
from articulate.seeding.puppet_track import TrackSettings, fit_to

MOST_MOVES = 8
WORTH = 1.5  # a joint moves to where it saves so much more than it saves now
SPLIT = 0.6  # length of each half, since a joint is seldom in the very middle
Poses = Float[np.ndarray, "T _ 2"]  # the number of points changes


def split_limb(puppet: Puppet, poses: Poses, limb: int) -> tuple[Puppet, Poses]:
    """A joint in the middle of a limb; it is the last point."""
    a, b = puppet.edges[limb]
    new = poses.shape[1]
    edges = np.concatenate([puppet.edges, [[new, b]]])
    edges[limb] = (a, new)
    longest = np.append(puppet.longest, SPLIT * puppet.longest[limb])
    longest[limb] *= SPLIT
    middle = poses[:, [a]] / 2 + poses[:, [b]] / 2
    return Puppet(edges, np.append(puppet.radii, puppet.radii[limb]), longest), np.concatenate([poses, middle], axis=1)


def straighten(puppet: Puppet, poses: Poses, point: int) -> tuple[Puppet, Poses]:
    """The two limbs that meet at a point (and no third) become one limb."""
    one, other = np.flatnonzero((puppet.edges == point).any(1))
    far = [int(puppet.edges[e][puppet.edges[e] != point][0]) for e in (one, other)]
    edges = np.delete(puppet.edges, other, axis=0)
    place = one if one < other else one - 1
    edges[place] = far
    edges = np.where(edges > point, edges - 1, edges)
    longest, radii = np.delete(puppet.longest, other), np.delete(puppet.radii, other)
    longest[place] = puppet.longest[one] + puppet.longest[other]
    radii[place] = (puppet.radii[one] + puppet.radii[other]) / 2
    return Puppet(edges, radii, longest), np.delete(poses, point, axis=1)


def refit(
    puppet: Puppet, poses: Poses, outlines: list[Outline], settings: TrackSettings
) -> tuple[Poses, Float[np.ndarray, " T"]]:
    """Every frame fitted again from its pose, and what picture and lengths then cost."""
    fits = [fit_to(puppet, outline, pose, pose, settings) for outline, pose in zip(outlines, poses, strict=True)]
    return np.stack([f.pose for f in fits]), np.array([f.picture + f.lengths for f in fits])


def with_measured_lengths(puppet: Puppet, poses: Poses) -> Puppet:
    """The bound of each limb becomes its 90 % quantile; fits then push the rest below, as far as the picture allows."""
    return replace(puppet, longest=np.maximum(np.quantile(limb_lengths(poses, puppet.edges), 0.9, axis=0), 1.0))


def robust_mean(costs: Float[np.ndarray, " T"]) -> float:
    """Mean without the tenth of the frames that cost most: there the puppet may be lost."""
    return float(np.sort(costs)[: max(1, round(0.9 * len(costs)))].mean())


def move_joints(
    puppet: Puppet, poses: Poses, outlines: list[Outline], frames: Int[np.ndarray, " N"], settings: TrackSettings
) -> tuple[Puppet, Poses]:
    """The puppet with joints where limbs bend: as many points as before, and all poses fitted.

    On the chosen frames each limb is tried with one more joint, and each joint that no third limb meets is tried away.
    """
    few = [outlines[t] for t in frames]
    quick = replace(settings, rounds=5, prediction=0.2 * settings.prediction)
    for _ in range(MOST_MOVES):
        now = robust_mean(refit(puppet, poses[frames], few, quick)[1])
        joints = puppet.triples[:, 1]
        if not len(joints):
            break
        gains = [now - trial_cost(*split_limb(puppet, poses[frames], e), few, quick) for e in range(len(puppet.edges))]
        losses = [trial_cost(*straighten(puppet, poses[frames], int(j)), few, quick) - now for j in joints]
        best, worst = int(np.argmax(gains)), int(np.argmin(losses))
        if gains[best] <= WORTH * max(losses[worst], 0.0) + 0.01 * now:
            break
        a, b = puppet.edges[best]
        if joints[worst] in (a, b):  # it would come back to where it was
            break
        split, moved = split_limb(puppet, poses, best)
        puppet, moved = straighten(split, moved, int(joints[worst]))
        poses = refit(puppet, moved, outlines, settings)[0]
        puppet = with_measured_lengths(puppet, poses)
    return puppet, poses


def trial_cost(puppet: Puppet, poses: Poses, outlines: list[Outline], settings: TrackSettings) -> float:
    """What a changed puppet costs after a short fit."""
    return robust_mean(refit(puppet, poses, outlines, settings)[1])
