"""Where a puppet bends: of more joints than wanted, those that do least go."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet.model import Puppet, limb_lengths
from articulate.seeding.puppet.outline import Outline
from articulate.seeding.puppet.track import TrackSettings, fit_to
from articulate.seeding.puppet.twins import twins_alike, twins_of

Poses = Float[np.ndarray, "T _ 2"]  # the number of points changes


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


def straighten_all(puppet: Puppet, poses: Poses, points: list[int]) -> tuple[Puppet, Poses]:
    """Some joints away."""
    for point in sorted(points, reverse=True):
        puppet, poses = straighten(puppet, poses, point)
    return puppet, poses


def prune_joints(
    puppet: Puppet,
    poses: Poses,
    outlines: list[Outline],
    frames: Int[np.ndarray, " N"],
    num_points: int,
    settings: TrackSettings,
) -> tuple[Puppet, Poses]:
    """The puppet with at most `num_points` points: joints that bend least go first, and all poses are fitted.

    On the chosen frames each joint that no third limb meets is tried away, together with the same joint of twins; what
    costs least, for each joint that goes, is done. Branches and ends always stay.
    """
    few, some = [outlines[t] for t in frames], poses[frames]
    quick = replace(settings, rounds=5, prediction=0.2 * settings.prediction)
    while puppet.num_points > num_points and len(puppet.triples):
        groups = joints_to_drop(puppet)
        costs = [trial_cost(*straighten_all(puppet, some, joints), few, quick) for joints in groups]
        now = trial_cost(puppet, some, few, quick)
        best = groups[int(np.argmin([(c - now) / len(g) for c, g in zip(costs, groups, strict=True)]))]
        poses = straighten_all(puppet, poses, best)[1]
        puppet, some = straighten_all(puppet, some, best)
        some = refit(puppet, some, few, quick)[0]
        puppet = twins_alike(with_measured_lengths(puppet, some))
    return puppet, refit(puppet, poses, outlines, settings)[0]


def trial_cost(puppet: Puppet, poses: Poses, outlines: list[Outline], settings: TrackSettings) -> float:
    """What a changed puppet costs after a short fit."""
    return robust_mean(refit(puppet, poses, outlines, settings)[1])
