"""Which end of a part is which, settled over a whole clip: ends that meet stay together, and no end jumps.

Frame by frame the two ends of a part are told apart by what the part touches. A limb that folds back along its
neighbour, or hides behind another one, touches with the wrong end for a while. Over a clip the likeliest course of the
two readings is found exactly (Viterbi 1967), part by part, given the others, until nothing changes.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.seeding.appearance import Appearance
from articulate.seeding.parts.contacts import visible_share
from articulate.seeding.parts.ends import fill_gaps
from articulate.seeding.parts.tree import Connection

ROUNDS = 3
MEETING = 0.5  # weight of ends that meet, beside ends that move
APART = 6.0  # typical distances beyond which an end that does not meet its partner says no more: it may be hidden


def settle_ends(found: Appearance, connections: Sequence[Connection]) -> Float[np.ndarray, "T P 2 2"]:
    """The measured ends, the two of a part exchanged in the frames where that keeps joints together and ends steady.

    Both costs are in typical values of the part itself: the median distance of two ends that belong together, the
    median step from frame to frame, and at least a pixel. Hidden ends are interpolated anew.
    """
    ends, visible, clip = found.ends.copy(), found.visible, found.evidence.clip
    shown = np.where(visible, visible_share(found.contacts), 0.0)
    for _ in range(ROUNDS):
        before = ends.copy()
        for part in range(found.num_parts):
            apart = MEETING * meeting_costs(ends, visible, shown, connections, part)
            for name in np.unique(clip):
                rows = np.flatnonzero((clip == name) & visible[:, part])
                if len(rows) > 1:
                    turned = rows[likeliest_course(ends[rows, part], apart[rows], np.diff(rows))]
                    ends[turned, part] = ends[turned, part][:, ::-1]
        if np.array_equal(before, ends):
            break
    hidden = np.where(visible[:, :, None, None], ends, np.nan)
    return fill_gaps(hidden.reshape(len(ends), -1, 2), clip).reshape(ends.shape)


def meeting_costs(
    ends: Float[np.ndarray, "T P 2 2"],
    visible: Bool[np.ndarray, "T P"],
    shown: Float[np.ndarray, "T P"],
    connections: Sequence[Connection],
    part: int,
) -> Float[np.ndarray, "T 2"]:
    """How far the ends of a part are from those that they belong to, as it is and with its two ends exchanged.

    In typical distances of each connection, at most `APART`; a neighbour counts as far as it shows.
    """
    cost = np.zeros((len(ends), 2))
    for one in connections:
        for (p, end), (q, other) in ((one.first, one.second), (one.second, one.first)):
            if p != part:
                continue
            distance = np.linalg.norm(ends[:, p] - ends[:, q, other, None], axis=-1)
            both = visible[:, p] & visible[:, q]
            typical = max(1.0, float(np.median(distance[both, end]))) if both.any() else 1.0
            reading = distance[:, [end, 1 - end]] / typical
            cost += shown[:, q, None] * np.minimum(reading, APART)
    return cost


def likeliest_course(
    ends: Float[np.ndarray, "N 2 2"], cost: Float[np.ndarray, "N 2"], gap: Int[np.ndarray, " M"]
) -> Bool[np.ndarray, " N"]:
    """In which frames the two ends are exchanged on the cheapest course: `cost` of each reading, steps of both ends.

    Steps are in units of their median; over frames that do not show the part (`gap` > 1) they cost less in proportion.
    """
    straight = np.linalg.norm(ends[1:] - ends[:-1], axis=-1).sum(-1)
    crossed = np.linalg.norm(ends[1:, ::-1] - ends[:-1], axis=-1).sum(-1)
    unit = max(1.0, float(np.median(np.minimum(straight, crossed)))) * gap
    steps = np.stack([straight, crossed, crossed, straight], -1).reshape(-1, 2, 2) / unit[:, None, None]
    total, back = cost[0], np.zeros((len(gap), 2), np.int64)
    for t, step in enumerate(steps):
        reached = total[:, None] + step
        back[t], total = reached.argmin(0), reached.min(0) + cost[t + 1]
    course = [int(total.argmin())]
    for pointers in back[::-1]:
        course.append(int(pointers[course[-1]]))
    return np.array(course[::-1], bool)
