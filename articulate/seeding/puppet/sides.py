"""Left and right over a whole clip: which of two twin limbs is which, decided for all frames at once.

Following frame by frame takes the wrong way now and then where twins cross, and never comes back. Over a clip the
smooth reading is found exactly, by dynamic programming over second differences (Viterbi 1967).
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet.model import Puppet
from articulate.seeding.puppet.twins import Chain, chains_of, twins_of

MOST_PAIRS = 3
JUMP = 25.0  # square pixels beyond which a second difference counts no more: a lost frame is no reason
PARALLEL = 0.1  # weight of both ends of a trunk pointing the same way: shoulders turn with the hips


def twin_points(puppet: Puppet) -> list[Int[np.ndarray, "2 M"]]:
    """Points of every pair of twins from the branch to the end, the pairs with the longest limbs first."""
    branch = {chain: point for point, chain in chains_of(puppet.edges)}
    pairs = [chains for chains in twins_of(puppet) if len(chains) == 2]
    pairs.sort(key=lambda chains: -float(puppet.longest[list(chains[0])].sum()))
    return [np.array([points_of(puppet, branch[chain], chain) for chain in chains]) for chains in pairs[:MOST_PAIRS]]


def points_of(puppet: Puppet, branch: int, chain: Chain) -> list[int]:
    """The points of a chain after its branch."""
    points = [branch]
    for limb in chain:
        a, b = (int(p) for p in puppet.edges[limb])
        points.append(b if a == points[-1] else a)
    return points[1:]


def settle_sides(puppet: Puppet, poses: Float[np.ndarray, "T K 2"]) -> Float[np.ndarray, "T K 2"]:
    """The poses of one clip with twins exchanged where that makes the clip smooth.

    Pairs at different branches are coupled: the first points of their limbs lie on the same sides. Which side is called
    which over the whole clip stays open. Nothing changes without pairs of twins or with fewer than three frames.
    """
    pairs = twin_points(puppet)
    if not pairs or len(poses) < 3:
        return poses
    count = 2 ** len(pairs)
    bits = (np.arange(count)[:, None] >> np.arange(len(pairs))) & 1
    readings = [np.stack([poses[:, p.reshape(-1)], poses[:, p[::-1].reshape(-1)]]) for p in pairs]
    alone = coupling(pairs, poses, bits)
    total = alone[0][:, None] + alone[1][None]
    back = np.zeros((len(poses), count, count), np.int64)
    for t in range(1, len(poses) - 1):
        step = np.zeros((count, count, count))
        for c, reading in enumerate(readings):
            before, now, after = reading[:, None, None, t - 1], reading[None, :, None, t], reading[None, None, :, t + 1]
            rough = np.minimum(((after - 2 * now + before) ** 2).sum(-1), JUMP).sum(-1)
            step += rough[bits[:, c][:, None, None], bits[:, c][None, :, None], bits[:, c][None, None, :]]
        costs = total[:, :, None] + step
        back[t + 1] = costs.argmin(0)
        total = costs.min(0) + alone[t + 1][None]
    states = best_states(total, back)
    settled = poses.copy()
    for c, pair in enumerate(pairs):
        crossed = np.flatnonzero(bits[states, c])
        settled[np.ix_(crossed, pair.reshape(-1))] = poses[np.ix_(crossed, pair[::-1].reshape(-1))]
    return settled


def best_states(total: Float[np.ndarray, "S S"], back: Int[np.ndarray, "T S S"]) -> Int[np.ndarray, " T"]:
    """The state of every frame, from the costs of the last two and the way back."""
    before, now = np.unravel_index(int(total.argmin()), total.shape)
    states = [int(now), int(before)]
    for t in range(len(back) - 1, 1, -1):
        states.append(int(back[t, states[-1], states[-2]]))
    return np.array(states[::-1])


def coupling(
    pairs: list[Int[np.ndarray, "2 _"]], poses: Float[np.ndarray, "T K 2"], bits: Int[np.ndarray, "S C"]
) -> Float[np.ndarray, "T S"]:
    """What each reading of each frame costs by the lines across the body pointing opposite ways."""
    sign = 1.0 - 2.0 * bits
    across = [poses[:, p[1, 0]] - poses[:, p[0, 0]] for p in pairs]
    cost = np.zeros((len(poses), len(bits)))
    for a, b in combinations(range(len(pairs)), 2):
        cost -= PARALLEL * (across[a] * across[b]).sum(-1)[:, None] * (sign[:, a] * sign[:, b])[None]
    return cost
