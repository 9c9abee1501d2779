"""Limb ends with lasting identities: candidates of a frame go to a fixed number of slots, tracked in the body frame.

Each slot is a first-order autoregression about its own mean place (it returns there when unseen), filtered and smoothed
(Kalman 1960; Rauch, Tung & Striebel 1965), with one Hungarian assignment per frame. Means, spreads and memory are
estimated from the tracks themselves in a few rounds. Body coordinates.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Slots:
    """Mean place, variance and memory (per frame) of every slot."""

    mean: Float[np.ndarray, "S 2"]
    variance: Float[np.ndarray, " S"]
    memory: Float[np.ndarray, " S"]


@dataclass(frozen=True)
class SlotTracks:
    """Smoothed place of every slot and the candidate it took (-1: none)."""

    place: Float[np.ndarray, "T S 2"]
    taken: Int[np.ndarray, "T S"]


NOISE = 0.02  # standard deviation of a found limb end, in units of reach (about one pixel)


def initial_slots(
    candidates: Float[np.ndarray, "T C 2"], generator: np.random.Generator, mirrored: bool, most: int = 6
) -> Slots:
    """Slots from k-means of all candidates, for 1 to `most` clusters; the number with the least matching cost wins.

    `mirrored`: clusters are sought in (u, |v|) and each away from the midline makes a left and a right slot.
    """
    points = candidates[np.isfinite(candidates).all(-1)]
    folded = np.stack([points[:, 0], np.abs(points[:, 1])], -1) if mirrored else points
    some = candidates[np.unique(np.linspace(0, len(candidates) - 1, 200).astype(int))]
    best, best_cost = folded.mean(0, keepdims=True), np.inf
    for count in range(1, (most if mirrored else 2 * most) + 1):
        for _ in range(4):
            centres, _ = kmeans2(folded, count, minit="++", seed=generator)
            slots = unfolded(centres) if mirrored else centres
            cost = float(np.mean([frame_cost(frame, slots) for frame in some]))
            if cost < best_cost:
                best, best_cost = slots, cost
    return Slots(best, np.full(len(best), 0.02), np.full(len(best), 0.5))


def unfolded(centres: Float[np.ndarray, "C 2"], midline: float = 0.12) -> Float[np.ndarray, "S 2"]:
    """Left and right place of every cluster of (u, |v|); one place on the midline for those that lie there."""
    sided = centres[centres[:, 1] > midline]
    single = centres[centres[:, 1] <= midline] * np.array([1.0, 0.0])
    return np.concatenate([sided * np.array([1.0, -1.0]), sided, single])


def frame_cost(frame: Float[np.ndarray, "C 2"], centres: Float[np.ndarray, "S 2"], limit: float = 0.3) -> float:
    """Cost of matching the candidates of one frame one-to-one; what stays alone on either side costs `limit`."""
    frame = frame[np.isfinite(frame).all(-1)]
    distance = np.minimum(np.linalg.norm(frame[:, None] - centres[None], axis=-1), 2 * limit)
    rows, columns = linear_sum_assignment(distance)
    return float(distance[rows, columns].sum() + limit * (len(centres) + len(frame) - 2 * len(rows)))


def track_slots(
    candidates: Float[np.ndarray, "T C 2"],
    weight: Float[np.ndarray, "T C"],
    follows: Bool[np.ndarray, " T"],
    slots: Slots,
    most_memory: float,
    most_spread: float,
    rounds: int = 3,
    gate: float = 4.0,
) -> tuple[SlotTracks, Slots]:
    """Tracks of all slots, and the slots as estimated from them. `weight` in [0, 1]: how sure a candidate is.

    Memory and deviation are bounded, or one slot would grow to follow whatever no other slot takes.
    """
    tracks = filter_once(candidates, weight, follows, slots, gate)
    for _ in range(rounds):
        found = estimated(tracks, candidates, follows, slots)
        slots = Slots(found.mean, np.minimum(found.variance, most_spread**2), np.minimum(found.memory, most_memory))
        tracks = filter_once(candidates, weight, follows, slots, gate)
    return tracks, slots


def filter_once(
    candidates: Float[np.ndarray, "T C 2"],
    weight: Float[np.ndarray, "T C"],
    follows: Bool[np.ndarray, " T"],
    slots: Slots,
    gate: float,
) -> SlotTracks:
    """Forward filter with assignment, backward smoother. Isotropic variances: one number per slot and frame."""
    frames, count = len(candidates), len(slots.mean)
    ahead, ahead_var = np.zeros((frames, count, 2)), np.zeros((frames, count))
    state, variance = np.zeros((frames, count, 2)), np.zeros((frames, count))
    taken = np.full((frames, count), -1)
    for t in range(frames):
        ahead[t], ahead_var[t] = slots.mean, slots.variance
        if follows[t]:
            ahead[t] = slots.mean + slots.memory[:, None] * (state[t - 1] - slots.mean)
            ahead_var[t] = slots.memory**2 * variance[t - 1] + (1 - slots.memory**2) * slots.variance
        state[t], variance[t] = ahead[t], ahead_var[t]
        real = np.flatnonzero(np.isfinite(candidates[t]).all(-1))
        if not len(real):
            continue
        found = candidates[t, real]
        total = ahead_var[t] + NOISE**2
        square = ((found[:, None] - ahead[t][None]) ** 2).sum(-1) / total
        # Log likelihood of a 2D Gaussian against a uniform one over the body's frame (area 4) times a sureness.
        cost = square / 2 + np.log(2 * np.pi * total)[None] - np.log(4.0) - 2 * weight[t, real][:, None]
        cost = np.where(square > gate**2, 50.0, cost)
        rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
        for row, slot in zip(rows, columns, strict=True):
            if cost[row, slot] < 0:
                taken[t, slot] = real[row]
                share = ahead_var[t, slot] / total[slot]
                state[t, slot] = ahead[t, slot] + share * (found[row] - ahead[t, slot])
                variance[t, slot] = (1 - share) * ahead_var[t, slot]
    place = state.copy()
    for t in range(frames - 2, -1, -1):
        if follows[t + 1]:
            back = variance[t] * slots.memory / np.maximum(ahead_var[t + 1], 1e-9)
            place[t] = state[t] + back[:, None] * (place[t + 1] - ahead[t + 1])
    return SlotTracks(place, taken)


def estimated(
    tracks: SlotTracks, candidates: Float[np.ndarray, "T C 2"], follows: Bool[np.ndarray, " T"], slots: Slots
) -> Slots:
    """Mean, variance and memory of each slot from the candidates it took; a slot that took few keeps its values."""
    mean, variance, memory = slots.mean.copy(), slots.variance.copy(), slots.memory.copy()
    for s in range(len(mean)):
        rows = np.flatnonzero(tracks.taken[:, s] >= 0)
        if len(rows) < 20:
            continue
        points = candidates[rows, tracks.taken[rows, s]]
        mean[s] = np.median(points, axis=0)
        variance[s] = max(float(np.median(((points - mean[s]) ** 2).sum(1)) / 1.386), 4e-4)
        next_to = np.flatnonzero((np.diff(rows) == 1) & follows[rows[1:]])
        if len(next_to) >= 20:
            change = np.median(((points[next_to + 1] - points[next_to]) ** 2).sum(1)) / 1.386
            # For the autoregression var(step) = 2 (1 - memory) variance + 2 noise^2.
            rest = max(float(change) - 2 * NOISE**2, 1e-5)
            memory[s] = np.clip(1 - rest / (2 * variance[s]), 0.5, 0.995)
    return Slots(mean, variance, memory)
