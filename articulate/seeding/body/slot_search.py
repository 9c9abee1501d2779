"""How many limbs there are and where: slots by expectation maximisation with one-to-one assignments.

Mixtures by likelihood split a limb that rests in two postures; such halves are never seen together and are joined.
Body coordinates.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.cluster.vq import kmeans2

from articulate.seeding.body.slots import MIRROR, Slots, assigned, estimated, gains

MIDLINE = 0.12  # slots nearer to the axis have no mirror image
EXCLUSIVE = 0.7  # two slots seen together in less than this share of what chance would give are one limb
NEIGHBOURS = 0.6  # distance between slots that one limb may serve, in units of reach
SWING = 0.8  # the same for mirror images, as a share of their distance from the centre


def initial_slots(
    candidates: Float[np.ndarray, "T C 4"],
    generator: np.random.Generator,
    mirrored: bool,
    most: int = 6,
    sampled: int = 300,
    restarts: int = 4,
    rounds: int = 8,
) -> Slots:
    """Slots by expectation maximisation from k-means starts; their number by likelihood less the cost of their numbers.

    `mirrored`: clusters are sought in (u, |v|) and each away from the midline makes a left and a right slot. The
    cost is that of the minimum description length (Rissanen 1978): half log N per number.
    """
    some = candidates[np.unique(np.linspace(0, len(candidates) - 1, sampled).astype(int))]
    points = candidates[np.isfinite(candidates).all(-1)]
    folded = np.where(points[:, 1:2] < 0, points * MIRROR, points) if mirrored else points
    best, best_value = None, -np.inf
    for count in range(1, (most if mirrored else 2 * most) + 1):
        for _ in range(restarts):
            centres, _ = kmeans2(folded, count, minit="++", seed=generator)
            slots = unfolded(centres) if mirrored else alone(centres)
            for _ in range(rounds):
                taken, _ = assigned(gains(some, slots))
                slots = estimated(some, taken, slots)
            value = assigned(gains(some, slots))[1] + float(np.log(1 - slots.seen).sum())
            value -= 3.5 * count * np.log(len(some)) / len(some)
            if value > best_value:
                best, best_value = slots, value
    assert best is not None
    return without_doubles(some, best, rounds)


def without_doubles(candidates: Float[np.ndarray, "T C 4"], slots: Slots, rounds: int) -> Slots:
    """Slots that are seldom seen together are postures of one limb, which never has two ends at once: they are joined.

    Joined is the pair with the least share of common frames over the share by chance, while that is below EXCLUSIVE.
    """
    while True:
        taken, _ = assigned(gains(candidates, slots))
        pair = most_exclusive(taken >= 0, slots)
        if pair is None:
            return slots
        slots = joined(slots, *pair)
        for _ in range(rounds):
            slots = estimated(candidates, assigned(gains(candidates, slots))[0], slots)


def most_exclusive(seen: Bool[np.ndarray, "T S"], slots: Slots) -> tuple[int, int] | None:
    """The pair of slots that is seen together least often, None when all are independent.

    Pairs are neighbours, or mirror images: a tail that swings is no pair of limbs.
    """
    found = seen.astype(np.float64)
    share, both = found.mean(0), found.T @ found / len(found)
    share, both = (share + share[slots.mirror]) / 2, (both + both[np.ix_(slots.mirror, slots.mirror)]) / 2
    ratio = both / np.maximum(share[:, None] * share[None], 1e-9)
    apart = np.linalg.norm(slots.mean[:, None, :2] - slots.mean[None, :, :2], axis=-1)
    others = np.arange(len(share))
    limit = np.full(apart.shape, NEIGHBOURS)
    limit[others, slots.mirror] = np.maximum(NEIGHBOURS, SWING * np.linalg.norm(slots.mean[:, :2], axis=1))
    ratio[(apart > limit) | (others[:, None] >= others[None])] = np.inf
    a, b = np.unravel_index(np.argmin(ratio), ratio.shape)
    return (int(a), int(b)) if ratio[a, b] < EXCLUSIVE else None


def joined(slots: Slots, a: int, b: int) -> Slots:
    """Slot b taken into slot a, and the mirror image of b into that of a; moments are those of both together."""
    mean, variance, seen = slots.mean.copy(), slots.variance.copy(), slots.seen.copy()
    mirror, gone = slots.mirror.copy(), {b}
    pairs = {(a, b), (int(mirror[a]), int(mirror[b]))}
    if mirror[a] == b:  # mirror images become one slot on the midline
        pairs, mirror[a] = {(a, b)}, a
    for one, two in pairs:
        if one == two:
            continue
        weight = seen[two] / (seen[one] + seen[two])
        apart = mean[two] - mean[one]
        between = weight * (1 - weight) * apart**2
        variance[one] = (1 - weight) * variance[one] + weight * variance[two]
        variance[one] += [between[:2].mean(), between[2:].mean()]
        mean[one] = mean[one] + weight * apart
        seen[one] = min(seen[one] + seen[two], 0.99)
        gone.add(two)
    kept = np.array([s for s in range(len(mean)) if s not in gone])
    return Slots(mean, variance, seen, mirror, slots.mirrored).take(kept)


def alone(mean: Float[np.ndarray, "C 4"]) -> Slots:
    """Slots without mirror images, as wide as a limb may swing."""
    count = len(mean)
    return Slots(mean, np.full((count, 2), 0.02), np.full(count, 0.5), np.arange(count))


def unfolded(centres: Float[np.ndarray, "C 4"]) -> Slots:
    """Left and right slot of every cluster of (u, |v|); one slot on the midline for those that lie there."""
    sided = centres[centres[:, 1] > MIDLINE]
    single = centres[centres[:, 1] <= MIDLINE] * np.array([1.0, 0.0, 1.0, 0.0])
    count = len(sided)
    mirror = np.concatenate([np.arange(count) + count, np.arange(count), 2 * count + np.arange(len(single))])
    return replace(alone(np.concatenate([sided * MIRROR, sided, single])), mirror=mirror, mirrored=True)
