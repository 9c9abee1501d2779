"""Compiled choice of a candidate per slot: the best assignments of every frame, and the best way through them."""

from typing import no_type_check

import numpy as np
from numba import njit

STEADY = 0.9  # share of steps in which a limb end moves as little as it usually does
LEAST_GAIN = -3.0  # a candidate this much worse than none is not thought of


@no_type_check
@njit(cache=True)
def best_assignments(gain, most):
    """The (at most) `most` best one-to-one assignments of candidates [C] to slots [S] by a beam over the slots.

    Returns the candidate of each slot (-1: none, gain 0) [n, S] and the sums [n]. Exact when the beam never overflows.
    """
    candidates, slots = gain.shape
    choice = np.full((most, slots), -1, np.int8)
    used, value, count = np.zeros(most, np.int64), np.zeros(most), 1
    for s in range(slots):
        parents, picks, values = [0], [-1], [0.0]
        parents.clear()
        picks.clear()
        values.clear()
        for b in range(count):
            parents.append(b)
            picks.append(-1)
            values.append(value[b])
            for c in range(candidates):
                if gain[c, s] > LEAST_GAIN and not (used[b] >> c) & 1:
                    parents.append(b)
                    picks.append(c)
                    values.append(value[b] + gain[c, s])
        order = np.argsort(-np.array(values))[:most]
        old_choice, old_used = choice.copy(), used.copy()
        count = len(order)
        for b in range(count):
            number = order[b]
            choice[b] = old_choice[parents[number]]
            used[b], value[b] = old_used[parents[number]], values[number]
            if picks[number] >= 0:
                choice[b, s] = picks[number]
                used[b] |= np.int64(1) << picks[number]
    return choice[:count], value[:count]


@no_type_check
@njit(cache=True)
def link_table(before, after, step, variance, link):
    """link [S, C + 1, C + 1]: log likelihood ratio of going on from one candidate to another, 0 where one is none.

    Small steps (deviation `step` per axis) in a share STEADY of the cases, anywhere like the slot itself otherwise.
    """
    for s in range(link.shape[0]):
        spread = step[s] ** 2
        height = STEADY * max(1.0, variance[s] / spread)
        for i in range(len(before)):
            for j in range(len(after)):
                square = (before[i, 0] - after[j, 0]) ** 2 + (before[i, 1] - after[j, 1]) ** 2
                value = 0.0
                if square == square:
                    value = np.log(1 - STEADY + height * np.exp(-0.5 * square / spread))
                link[s, i, j] = value


@no_type_check
@njit(cache=True)
def best_path(gain, tips, follows, step, variance, most, taken):
    """Fills taken [T, S] with the best path (Viterbi 1967) over the best assignments of each frame."""
    frames, candidates, slots = gain.shape
    choice = np.full((frames, most, slots), -1, np.int8)
    back = np.zeros((frames, most), np.int16)
    count = np.zeros(frames, np.int64)
    best = np.zeros(most)
    link = np.zeros((slots, candidates + 1, candidates + 1))  # the last row and column stand for none
    for t in range(frames):
        found, value = best_assignments(gain[t], most)
        count[t] = len(value)
        choice[t, : len(value)] = found
        new = np.empty(most)
        if t > 0 and follows[t]:
            link_table(tips[t - 1], tips[t], step, variance, link)
            for b in range(count[t]):
                top, place = -np.inf, 0
                for a in range(count[t - 1]):
                    total = best[a]
                    for s in range(slots):
                        total += link[s, choice[t - 1, a, s], choice[t, b, s]]
                    if total > top:
                        top, place = total, a
                new[b], back[t, b] = top + value[b], place
        else:
            place = 0 if t == 0 else np.argmax(best[: count[t - 1]])
            start = 0.0 if t == 0 else best[place]
            for b in range(count[t]):
                new[b], back[t, b] = start + value[b], place
        best = new
    place = np.argmax(best[: count[frames - 1]])
    for t in range(frames - 1, -1, -1):
        taken[t] = choice[t, place]
        place = back[t, place]
