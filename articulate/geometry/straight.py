"""Straight limbs of several bones: keypoints that never leave the line between their two neighbours, from any side.

Such a limb is one bone for everything that concerns depth: its bones point the same way, and the longest look of the
whole is known better than that of its bones, because keypoints slide along it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LENGTH_QUANTILE = 0.98  # of how long a bone looks: about its length; what looks longer is noise
BEND_QUANTILE = 0.9  # of how far a keypoint lies beside the line: a bend shows in most views
LEAST_LOOK = 0.3  # of the longest look of a limb, for the direction of its line to be known
ONE_WAY = 0.95  # mean of a limb's directions in the picture, doubled, from which it is always seen the same way
MOSTLY = 0.5  # of the bones of a body, that lie on straight limbs where it is made of them
LEAST_BEND = 0.35  # sine of the bend from which a limb is not straight: 20 degrees


@dataclass(frozen=True)
class StraightJoint:
    """A keypoint on the line between two others, `share` of the way from the first to the second.

    `length` is about that of the line, from its longest look.
    """

    keypoint: int
    ends: tuple[int, int]
    share: float
    length: float


def straight_joints(
    points: Float[np.ndarray, "T K 2"], shown: Bool[np.ndarray, "T K"], edges: Int[np.ndarray, "L 2"]
) -> list[StraightJoint]:
    """All of them, in an order in which each lies between ends that the ones before have left."""
    neighbours: list[set[int]] = [set() for _ in range(points.shape[1])]
    for a, b in edges.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    found = []
    for k, near in enumerate(neighbours):
        if len(near) != 2:
            continue
        joint = between(points, shown, k, *sorted(near))
        if joint is not None:
            a, b = joint.ends
            neighbours[a] = neighbours[a] - {k} | {b}
            neighbours[b] = neighbours[b] - {k} | {a}
            found.append(joint)
    return found


def made_of_straight_limbs(joints: list[StraightJoint], edges: Int[np.ndarray, "L 2"]) -> bool:
    """Whether at least half of the bones lie on straight limbs of several bones, as those of robots do.

    In other bodies what looks straight may bend a little, as a spine does.
    """
    return bool(np.isin(edges, [joint.keypoint for joint in joints]).any(1).mean() >= MOSTLY)


def between(
    points: Float[np.ndarray, "T K 2"], shown: Bool[np.ndarray, "T K"], keypoint: int, first: int, second: int
) -> StraightJoint | None:
    """The keypoint as a straight joint between two others, unless it leaves their line."""
    use = shown[:, [keypoint, first, second]].all(1)
    if not use.any():
        return None
    line, off = points[use, second] - points[use, first], points[use, keypoint] - points[use, first]
    look = np.linalg.norm(line, axis=1)
    length = float(np.quantile(look, LENGTH_QUANTILE))
    long = look > LEAST_LOOK * length
    if not long.any():
        return None
    line, off, look = line[long], off[long], look[long]
    share = float(np.median((off * line).sum(1) / look**2))
    beside = np.abs(line[:, 0] * off[:, 1] - line[:, 1] * off[:, 0]) / look
    turned = np.exp(2j * np.arctan2(line[:, 1], line[:, 0]))
    if abs(turned.mean()) > ONE_WAY:  # a bend that is always seen edge on shows along the line alone
        beside = np.linalg.norm(off - share * line, axis=1)
    # Bones of a L and (1 - a) L that bend by b leave the line by a (1 - a) L sin b, if b is small.
    if not 0 < share < 1 or np.quantile(beside, BEND_QUANTILE) > LEAST_BEND * share * (1 - share) * length:
        return None
    return StraightJoint(keypoint, (first, second), share, length)


def without_straight(
    joints: list[StraightJoint], edges: Int[np.ndarray, "L 2"], num_keypoints: int
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, "P 2"], Float[np.ndarray, "K M"]]:
    """Keypoints that are left, the limbs between them (numbered among these), and every keypoint as a mean of them."""
    limbs = {frozenset(edge) for edge in edges.tolist()}
    for joint in joints:
        limbs -= {frozenset((joint.keypoint, end)) for end in joint.ends}
        limbs.add(frozenset(joint.ends))
    gone = {joint.keypoint for joint in joints}
    left = np.array([k for k in range(num_keypoints) if k not in gone])
    place = {int(k): number for number, k in enumerate(left)}
    mean = np.zeros((num_keypoints, len(left)))
    mean[left, np.arange(len(left))] = 1.0
    for joint in reversed(joints):  # the last ones lie between keypoints that are left
        a, b = joint.ends
        mean[joint.keypoint] = (1 - joint.share) * mean[a] + joint.share * mean[b]
    return left, np.array([sorted(place[k] for k in limb) for limb in sorted(map(sorted, limbs))]), mean
