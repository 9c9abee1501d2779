"""Exact order in time of the flips of a few groups of bones: second-order Viterbi, sampling, and margins (compiled)."""

import numpy as np

from articulate.lifting.one_clip.compiled import compiled

Array = np.ndarray


@compiled
def jump_costs(depth: Array, group: Array, jerk: Array, num_groups: int) -> Array:
    """Cost [b, 2, 2, T] of the depth acceleration at t when the signs at t-2 and t-1 differ from the sign at t.

    Per bone a^2 / (a^2 + s^2) with s = `jerk`, bounded because closed-form depths are unreliable near zero.
    """
    num_bones, num_frames = depth.shape
    costs = np.zeros((num_groups, 2, 2, num_frames))
    for bone in range(num_bones):
        g = group[bone]
        if g < 0:
            continue
        scale = jerk[bone] ** 2
        for before in range(2):
            for last in range(2):
                a, b = 1.0 - 2.0 * before, 1.0 - 2.0 * last
                for t in range(2, num_frames):
                    bend = (depth[bone, t] - 2.0 * b * depth[bone, t - 1] + a * depth[bone, t - 2]) ** 2
                    costs[g, before, last, t] += bend / (bend + scale)
    return costs


@compiled
def best_order(unary: Array, jumps: Array, temperature: float) -> Array:
    """States [T] of least total cost (temperature 0: exact Viterbi), or a sample of exp(-cost / temperature).

    Second order: the hidden state is the pair (last, now). Sampling filters forward and draws backward.
    """
    num_states, num_frames = unary.shape
    num_groups = len(jumps)
    value = np.empty((num_frames, num_states, num_states))
    value[0] = 0.0
    for last in range(num_states):
        for now in range(num_states):
            value[1, last, now] = unary[last, 0] + unary[now, 1]
    scores = np.empty(num_states)
    table = np.empty((num_frames, num_states, num_states, num_states))
    for t in range(2, num_frames):
        for last in range(num_states):
            for now in range(num_states):
                for before in range(num_states):
                    cost = value[t - 1, before, last]
                    for g in range(num_groups):
                        this = (now >> g) & 1
                        cost += jumps[g, ((before >> g) & 1) ^ this, ((last >> g) & 1) ^ this, t]
                    scores[before] = cost
                    table[t, last, now, before] = cost
                least = scores.min()
                if temperature > 0:
                    total = 0.0
                    for before in range(num_states):
                        total += np.exp(-(scores[before] - least) / temperature)
                    least -= temperature * np.log(total)
                value[t, last, now] = least + unary[now, t]
    return _trace(value, table, temperature)


@compiled
def _draw(costs: Array, temperature: float) -> int:
    """Index of the least cost, or a draw from exp(-cost / temperature)."""
    if temperature <= 0:
        return int(np.argmin(costs))
    mass = np.exp(-(costs - costs.min()) / temperature)
    return min(int(np.searchsorted(np.cumsum(mass), np.random.random() * mass.sum())), len(costs) - 1)


@compiled
def _trace(value: Array, table: Array, temperature: float) -> Array:
    num_frames, num_states, _ = value.shape
    path = np.empty(num_frames, np.int64)
    end = _draw(value[-1].copy().ravel(), temperature)
    path[-1], path[-2] = end % num_states, end // num_states
    for t in range(num_frames - 1, 1, -1):
        path[t - 2] = _draw(table[t, path[t - 1], path[t]].copy(), temperature)
    return path


@compiled
def flip_margins(unary: Array, jumps: Array) -> Array:
    """Least total cost with a flip at t minus least total cost without, [T], for one group (exact min-marginals)."""
    num_frames = unary.shape[1]
    forward = np.zeros((num_frames, 2, 2))
    backward = np.zeros((num_frames, 2, 2))
    for last in range(2):
        for now in range(2):
            forward[1, last, now] = unary[last, 0] + unary[now, 1]
    for t in range(2, num_frames):
        for last in range(2):
            for now in range(2):
                keep = forward[t - 1, 0, last] + jumps[0, now, last ^ now, t]
                turn = forward[t - 1, 1, last] + jumps[0, 1 ^ now, last ^ now, t]
                forward[t, last, now] = min(keep, turn) + unary[now, t]
    for t in range(num_frames - 2, 0, -1):
        for last in range(2):
            for now in range(2):
                keep = backward[t + 1, now, 0] + unary[0, t + 1] + jumps[0, last, now, t + 1]
                turn = backward[t + 1, now, 1] + unary[1, t + 1] + jumps[0, last ^ 1, now ^ 1, t + 1]
                backward[t, last, now] = min(keep, turn)
    total = forward + backward
    margins = np.empty(num_frames)
    for t in range(1, num_frames):
        margins[t] = min(total[t, 0, 1], total[t, 1, 1]) - min(total[t, 0, 0], total[t, 1, 0])
    margins[0] = min(total[1, 1, 0], total[1, 1, 1]) - min(total[1, 0, 0], total[1, 0, 1])
    return margins
