"""Last limbs whose joint lies along them, not at their end: a foot reaches behind the ankle."""

from collections.abc import Sequence

import numpy as np

from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.tree import Connection, part_points


def joints_beside(trial: Trial, joints: Sequence[Connection], least: float) -> list[Connection]:
    """Joints of last limbs that, freed, save `least` pixels a frame and lie along the limb; that limb comes second.

    No limb is hidden there: the end of the other part, which touches the last limb's side, is the joint. It lies
    farther than a half-width of the last limb from both of its ends, in the half of the frames that show it longest.
    """
    degree = np.bincount([part for one in joints for part, _ in (one.first, one.second)])
    found = []
    for joint in joints:
        leaves = [end for end in (joint.first, joint.second) if degree[end[0]] == 1]
        if len(leaves) != 1:
            continue
        figure = trial.freed(joint)
        if trial.saved_by(figure) < least:
            continue
        (leaf, end), other = leaves[0], joint.second if leaves[0] == joint.first else joint.first
        ends = part_points(figure, trial.alone.shape[1])
        axis, arm = ends[:, leaf, 1 - end] - ends[:, leaf, end], ends[:, other[0], other[1]] - ends[:, leaf, end]
        length, width = np.linalg.norm(axis, axis=-1), figure.radii[leaf].mean()
        long = length >= np.median(length)
        along = (arm * axis).sum(-1)[long] / np.maximum(length[long], 1e-6)
        off = np.sqrt(np.maximum((arm**2).sum(-1)[long] - along**2, 0.0))
        touching = np.median(off) < width + figure.radii[other]
        if touching and width < np.median(along) < np.median(length[long]) - width:
            found.append(Connection(other, leaves[0], joint.distance))
    return found
