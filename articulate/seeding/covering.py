"""What covers what, joined with the tilts of straight limbs, by which entries about limbs that meet are judged."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from articulate.records import DepthOrder
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.seams import Tilts

SURE = 2.0  # nats from which a tilt may judge other entries
CERTAIN = 8.0  # nats from which a tilt counts in full; frames are not independent
FULL = 10.0  # pixels that an entry needs to count in full
LEAST_JUDGED = 30
# Of the judged entries about limbs that meet. Where figures of capsules fit, 84 to 100 % are right; around the housings
# of a robot's joints half of them are, and believing them costs more than there is to gain.
LEAST_RIGHT = 2 / 3


@dataclass(frozen=True)
class Covering:
    """Entries of a depth order while they are judged: frames by their number in the figure, double precision.

    What is kept becomes the record (`record`), whose fields these are.
    """

    frame: Int[np.ndarray, " V"]
    front: Int[np.ndarray, "V 2"]
    behind: Int[np.ndarray, "V 2"]
    share: Float[np.ndarray, "V 2"]
    gap: Float[np.ndarray, " V"]
    pixels: Float[np.ndarray, " V"]

    def take(self, rows: Bool[np.ndarray, " V"]) -> "Covering":
        """Some of the entries."""
        return Covering(*(part[rows] for part in vars(self).values()))

    def record(self, rows: Int[np.ndarray, " T"]) -> DepthOrder:
        """The entries as they pass between stages; `rows` number the figure's frames in the store."""
        found = {name: torch.from_numpy(part) for name, part in vars(self).items()}
        exact = {name: found[name].float() for name in ("share", "gap", "pixels")}
        pairs = {name: found[name].long() for name in ("front", "behind")}
        return DepthOrder(frame=torch.from_numpy(rows[self.frame]), **pairs, **exact)

    def meet(self) -> Bool[np.ndarray, " V"]:
        """Whether the two limbs of an entry share a keypoint."""
        return (self.front[:, :, None] == self.behind[:, None]).any((1, 2))


def with_tilts(found: Covering, figure: Figure, tilts: list[Tilts]) -> Covering:
    """The entries and those of the tilts; without those about limbs that meet, where tilts contradict too many.

    Bones of one straight limb cover each other by their seam alone, which the tilts tell better.
    """
    if not tilts:
        return found
    limb = limb_of_bones(figure, tilts)
    found = found.take(~same_limb(found, limb))
    right, judged = judge(found, figure, tilts, limb)
    if judged.sum() >= LEAST_JUDGED and right[judged].mean() < LEAST_RIGHT:
        found = found.take(~found.meet())
    every = [found, *(entries_of(one) for one in tilts)]
    return Covering(*(np.concatenate(parts) for parts in zip(*(vars(one).values() for one in every), strict=True)))


def limb_of_bones(figure: Figure, tilts: list[Tilts]) -> dict[frozenset[int], int]:
    """Number of the tilt that every bone on a straight limb belongs to: the last one, whose limb is the longest."""
    found = {}
    for number, one in enumerate(tilts):
        inner = [one.joint.keypoint]
        for other in tilts[:number]:
            if set(other.joint.ends) <= {one.joint.keypoint, *one.joint.ends}:
                inner.append(other.joint.keypoint)
        ends = set(one.joint.ends)
        for a, b in figure.edges.tolist():
            if a != b and {a, b} <= ends | set(inner):
                found[frozenset((a, b))] = number
    return found


def same_limb(found: Covering, limb: dict[frozenset[int], int]) -> Bool[np.ndarray, " V"]:
    """Whether front and behind are bones of one straight limb."""
    front, behind = ([limb.get(frozenset(e)) for e in edges.tolist()] for edges in (found.front, found.behind))
    return np.array([a is not None and a == b for a, b in zip(front, behind, strict=True)], bool)


def judge(
    found: Covering, figure: Figure, tilts: list[Tilts], limb: dict[frozenset[int], int]
) -> tuple[Bool[np.ndarray, " V"], Bool[np.ndarray, " V"]]:
    """Which entries about limbs that meet are right by the tilts of both, and which have sure tilts of both."""
    depth, sure = tilt_depths(figure, tilts)
    right, judged = np.zeros(len(found.frame), bool), np.zeros(len(found.frame), bool)
    for v in np.flatnonzero(found.meet()):
        frame, both = found.frame[v], (found.front[v].tolist(), found.behind[v].tolist())
        limbs = [limb[frozenset(edge)] for edge in both if frozenset(edge) in limb]
        if len(limbs) < 2 or not all(sure[i][frame] for i in limbs):
            continue
        (here,) = set(both[0]) & set(both[1])
        heights = []
        for i, (a, b), share in zip(limbs, both, found.share[v], strict=True):
            z = depth[i][frame]
            heights.append((1 - share) * z[a] + share * z[b] - z[here])
        judged[v], right[v] = True, heights[0] < heights[1]
    return right, judged


def tilt_depths(
    figure: Figure, tilts: list[Tilts]
) -> tuple[list[Float[np.ndarray, "T K"]], list[Bool[np.ndarray, " T"]]]:
    """Depths of the keypoints on every straight limb (of others 0), in pixels, and where they are sure."""
    depths, sure = [], []
    for one in tilts:
        a, b = one.joint.ends
        line = figure.points[:, b] - figure.points[:, a]
        square = (line**2).sum(1)
        size = np.sqrt(np.maximum(one.joint.length**2 - square, 0)) * np.where(one.nats > 0, 1.0, -1.0)
        along = ((figure.points - figure.points[:, [a]]) * line[:, None]).sum(-1) / np.maximum(square, 1e-6)[:, None]
        depths.append(along * size[:, None])
        sure.append(np.abs(one.nats) > SURE)
    return depths, sure


def entries_of(one: Tilts) -> Covering:
    """An entry for every frame with a tilt: the nearer end of the straight limb before the other."""
    frame = np.flatnonzero(one.nats)
    first = one.nats[frame] > 0
    near, far = (np.where(first, *ends) for ends in (one.joint.ends, one.joint.ends[::-1]))
    middle, nothing = np.full(len(frame), one.joint.keypoint), np.zeros(len(frame))
    pixels = FULL * np.minimum(1.0, np.abs(one.nats[frame]) / CERTAIN)
    return Covering(
        frame, np.stack([near, middle], 1), np.stack([far, middle], 1), np.stack([nothing, nothing], 1), nothing, pixels
    )
