"""Limb ends with lasting identities: candidates of a frame go to a fixed number of slots, tracked in the body frame.

A slot is where one limb usually is: a Gaussian of its tip and one of its middle, and how often it is seen at all. Left
and right slots are mirror images (`body/slot_search.py` finds them). The assignments of all frames are chosen together
(`body/assignment_kernels.py`), so that a limb keeps its slot while it moves. Where it is not seen, it is filled in by a
first-order autoregression about its mean place (Kalman 1960; Rauch, Tung & Striebel 1965). Body coordinates.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from articulate.seeding.body.assignment_kernels import best_path

NOISE = 0.02  # standard deviation of a found limb end, in units of reach (about one pixel)
BEAM = 64  # assignments of a frame that are thought of
MIRROR = np.array([1.0, -1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Slots:
    """Of every slot: mean of tip and middle, their variances, share of frames that show it, and its mirror image."""

    mean: Float[np.ndarray, "S 4"]
    variance: Float[np.ndarray, "S 2"]
    seen: Float[np.ndarray, " S"]
    mirror: Int[np.ndarray, " S"]  # itself where it lies on the midline, or where nothing is mirrored
    mirrored: bool = False  # the body has a left and a right

    def take(self, order: Int[np.ndarray, " N"]) -> "Slots":
        """Some of the slots; mirror images that are left behind leave the other alone."""
        place = {int(s): i for i, s in enumerate(order)}
        mirror = np.array([place.get(int(self.mirror[s]), i) for i, s in enumerate(order)], np.int64)
        return Slots(self.mean[order], self.variance[order], self.seen[order], mirror, self.mirrored)


@dataclass(frozen=True)
class SlotTracks:
    """Smoothed place of every slot and the candidate it took (-1: none)."""

    place: Float[np.ndarray, "T S 2"]
    taken: Int[np.ndarray, "T S"]


def gains(candidates: Float[np.ndarray, "T C 4"], slots: Slots) -> Float[np.ndarray, "T C S"]:
    """Log likelihood ratio of a candidate being the slot's limb rather than clutter; -50 where there is none.

    Clutter is even over the body's frame (area 4 for the tip, 1 for the middle).
    """
    square = (candidates[:, :, None] - slots.mean) ** 2
    result = np.log(slots.seen / (1 - slots.seen)) + np.log(4.0)
    for part, variance in ((slice(0, 2), slots.variance[:, 0]), (slice(2, 4), slots.variance[:, 1])):
        result = result - square[..., part].sum(-1) / (2 * variance) - np.log(2 * np.pi * variance)
    return np.where(np.isfinite(result), result, -50.0)


def assigned(gain: Float[np.ndarray, "T C S"]) -> tuple[Int[np.ndarray, "T S"], float]:
    """Best candidate of every slot in each frame by itself (-1: none), and the mean gain of a frame."""
    taken, total = np.full((len(gain), gain.shape[2]), -1), 0.0
    for t, frame in enumerate(gain):
        rows, columns = linear_sum_assignment(-np.maximum(frame, 0))
        good = frame[rows, columns] > 0
        taken[t, columns[good]] = rows[good]
        total += float(frame[rows, columns][good].sum())
    return taken, total / len(gain)


def estimated(candidates: Float[np.ndarray, "T C 4"], taken: Int[np.ndarray, "T S"], slots: Slots) -> Slots:
    """Slots from the candidates they took, shared by mirror images; slots that took few keep their values."""
    mean, variance, seen = slots.mean.copy(), slots.variance.copy(), slots.seen.copy()
    for s, other in enumerate(slots.mirror):
        points = []
        for part, flip in ((s, np.ones(4)), (other, MIRROR))[: 2 if slots.mirrored else 1]:
            rows = np.flatnonzero(taken[:, part] >= 0)
            points.append(candidates[rows, taken[rows, part]] * flip)
        together = np.concatenate(points)
        seen[s] = np.clip(len(together) / (len(points) * len(taken)), 0.01, 0.99)
        if len(together) < 10:
            continue
        mean[s] = np.median(together, axis=0)
        square = (together - mean[s]) ** 2
        variance[s] = np.maximum([square[:, :2].mean(), square[:, 2:].mean()], NOISE**2)
    return Slots(mean, variance, seen, slots.mirror, slots.mirrored)


def track_slots(
    candidates: Float[np.ndarray, "T C 4"],
    sureness: Float[np.ndarray, "T C"],
    follows: Bool[np.ndarray, " T"],
    slots: Slots,
    rounds: int = 2,
) -> tuple[SlotTracks, Slots]:
    """The candidate and the smoothed place of every slot in all frames; slots and their steps are estimated anew."""
    step = np.full(len(slots.mean), 0.05)
    taken = np.full((len(candidates), len(slots.mean)), -1)
    for turn in range(rounds):
        gain = np.ascontiguousarray(gains(candidates, slots) + 2 * sureness[..., None] - 1)
        tips = np.ascontiguousarray(candidates[..., :2])
        best_path(gain, tips, follows, step, slots.variance[:, 0], BEAM, taken)
        if turn + 1 < rounds:
            slots, step = estimated(candidates, taken, slots), steps_of(candidates, taken, follows, step)
    return SlotTracks(smoothed(candidates, taken, follows, slots, step), taken), slots


def steps_of(
    candidates: Float[np.ndarray, "T C 4"],
    taken: Int[np.ndarray, "T S"],
    follows: Bool[np.ndarray, " T"],
    otherwise: Float[np.ndarray, " S"],
) -> Float[np.ndarray, " S"]:
    """Usual step of each slot's tip per axis (median, as a deviation), at least the noise of a difference."""
    result = otherwise.copy()
    for s in range(taken.shape[1]):
        rows = np.flatnonzero((taken[1:, s] >= 0) & (taken[:-1, s] >= 0) & follows[1:]) + 1
        if len(rows) >= 20:
            change = candidates[rows, taken[rows, s], :2] - candidates[rows - 1, taken[rows - 1, s], :2]
            # The median of a squared 2D Gaussian step is 1.386 variances of one axis.
            result[s] = max(np.sqrt(np.median((change**2).sum(1)) / 1.386), 1.4 * NOISE)
    return result


def smoothed(
    candidates: Float[np.ndarray, "T C 4"],
    taken: Int[np.ndarray, "T S"],
    follows: Bool[np.ndarray, " T"],
    slots: Slots,
    step: Float[np.ndarray, " S"],
) -> Float[np.ndarray, "T S 2"]:
    """Tips filtered forwards and smoothed backwards; the memory makes the autoregression's steps as large as `step`."""
    mean, marginal = slots.mean[:, :2], slots.variance[:, 0]
    memory = np.clip(1 - step**2 / (2 * marginal), 0.3, 0.995)
    frames, count = taken.shape
    ahead, ahead_var = np.zeros((frames, count, 2)), np.zeros((frames, count))
    state, variance = np.zeros((frames, count, 2)), np.zeros((frames, count))
    for t in range(frames):
        ahead[t], ahead_var[t] = mean, marginal
        if follows[t] and t > 0:
            ahead[t] = mean + memory[:, None] * (state[t - 1] - mean)
            ahead_var[t] = memory**2 * variance[t - 1] + (1 - memory**2) * marginal
        share = np.where(taken[t] >= 0, ahead_var[t] / (ahead_var[t] + NOISE**2), 0.0)
        found = np.where(taken[t][:, None] >= 0, candidates[t, np.maximum(taken[t], 0), :2], 0.0)
        state[t] = ahead[t] + share[:, None] * (found - ahead[t])
        variance[t] = (1 - share) * ahead_var[t]
    place = state.copy()
    for t in range(frames - 2, -1, -1):
        if follows[t + 1]:
            back = variance[t] * memory / np.maximum(ahead_var[t + 1], 1e-9)
            place[t] = state[t] + back[:, None] * (place[t + 1] - ahead[t + 1])
    return place
