"""Where a puppet bends: joints that do nothing move to limbs that need one."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet import Puppet, limb_lengths
from articulate.seeding.puppet_outline import Outline
from articulate.seeding.puppet_track import TrackSettings, fit_to
from articulate.seeding.puppet_twins import twins_alike, twins_of

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


def places_to_split(puppet: Puppet) -> list[list[int]]:
    """Limbs that get a joint together: the same limb of twins, any other limb alone."""
    groups = [[int(e) for e in limbs] for chains in twins_of(puppet) for limbs in np.array(chains).T]
    taken = {e for group in groups for e in group}
    return groups + [[e] for e in range(len(puppet.edges)) if e not in taken]


def joints_to_drop(puppet: Puppet) -> list[list[int]]:
    """Joints that no third limb meets, which go together: the same joint of twins, any other alone."""
    middle = {frozenset((int(one), int(other))): int(j) for _, j, _, one, other in puppet.triples}
    groups = []
    for chains in twins_of(puppet):
        steps = np.array(chains)
        for i in range(steps.shape[1] - 1):
            groups.append([middle[frozenset((int(c[i]), int(c[i + 1])))] for c in steps])
    taken = {j for group in groups for j in group}
    return groups + [[j] for j in middle.values() if j not in taken]


def split_all(puppet: Puppet, poses: Poses, limbs: list[int]) -> tuple[Puppet, Poses]:
    """A joint in each of some limbs; the points that were there keep their numbers."""
    for limb in limbs:
        puppet, poses = split_limb(puppet, poses, limb)
    return puppet, poses


def straighten_all(puppet: Puppet, poses: Poses, points: list[int]) -> tuple[Puppet, Poses]:
    """Some joints away."""
    for point in sorted(points, reverse=True):
        puppet, poses = straighten(puppet, poses, point)
    return puppet, poses


def move_joints(
    puppet: Puppet,
    poses: Poses,
    outlines: list[Outline],
    frames: Int[np.ndarray, " N"],
    num_points: int,
    settings: TrackSettings,
) -> tuple[Puppet, Poses]:
    """The puppet with joints where limbs bend, never more than `num_points` points, and all poses fitted.

    On the chosen frames each limb is tried with one more joint, and each joint that no third limb meets is tried away;
    what twins have in common changes in all of them.
    """
    few = [outlines[t] for t in frames]
    quick = replace(settings, rounds=5, prediction=0.2 * settings.prediction)
    for _ in range(MOST_MOVES):
        some = poses[frames]
        now = robust_mean(refit(puppet, some, few, quick)[1])
        splits, drops = places_to_split(puppet), [[], *joints_to_drop(puppet)]
        gains = [now - trial_cost(*split_all(puppet, some, limbs), few, quick) for limbs in splits]
        losses = [0.0] + [trial_cost(*straighten_all(puppet, some, j), few, quick) - now for j in drops[1:]]
        best, move = 0.01 * now, None
        for limbs, gain in zip(splits, gains, strict=True):
            for joints, loss in zip(drops, losses, strict=True):
                beside = {int(k) for e in limbs for k in puppet.edges[e]} & set(joints)
                room = puppet.num_points + len(limbs) - len(joints) <= num_points
                if room and not beside and gain - WORTH * max(loss, 0.0) > best:
                    best, move = gain - WORTH * max(loss, 0.0), (limbs, joints)
        if move is None:
            break
        puppet, poses = straighten_all(*split_all(puppet, poses, move[0]), move[1])
        poses = refit(puppet, poses, outlines, settings)[0]
        puppet = twins_alike(with_measured_lengths(puppet, poses))
    return puppet, poses


def trial_cost(puppet: Puppet, poses: Poses, outlines: list[Outline], settings: TrackSettings) -> float:
    """What a changed puppet costs after a short fit."""
    return robust_mean(refit(puppet, poses, outlines, settings)[1])
