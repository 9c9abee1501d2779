"""Compiled inner loops of the sign search: what every combination of flips costs in every frame, and sweeps over moves.

All arrays are float64 or int64 with time last, so that the innermost loops run over consecutive memory.
"""

import numpy as np

from articulate.lifting.one_clip.compiled import compiled
from articulate.lifting.one_clip.viterbi import best_order, jump_costs

Array = np.ndarray


@compiled
def joint_depths(depth: Array, edges: Array) -> Array:
    """Depth [K, T] of every keypoint relative to the root, from bone depths [L, T]."""
    num_bones, num_frames = depth.shape
    z = np.zeros((num_bones + 1, num_frames))
    for bone in range(num_bones):
        parent, child = edges[bone, 0], edges[bone, 1]
        for t in range(num_frames):
            z[child, t] = z[parent, t] + depth[bone, t]
    return z


@compiled
def pair_statistics(
    z: Array, flat: Array, trust: Array, pairs: Array, chosen: Array, mean: Array, variance: Array
) -> None:
    """Update in place the weighted mean and variance over time of the 3D distance of every pair in `chosen`.

    `flat` [P, T] is the squared image distance, `trust` [K, T] the weight of each keypoint.
    """
    num_frames = z.shape[1]
    for p in chosen:
        i, j = pairs[p, 0], pairs[p, 1]
        total = first = second = 0.0
        for t in range(num_frames):
            weight = trust[i, t] * trust[j, t]
            gap = z[j, t] - z[i, t]
            square = flat[p, t] + gap * gap
            total += weight
            first += weight * np.sqrt(square)
            second += weight * square
        total = max(total, 1e-9)  # a pair never seen together keeps a finite (and unused) mean
        mean[p] = first / total
        variance[p] = max(second / total - mean[p] ** 2, 0.0)


@compiled
def pair_costs(
    depth: Array,
    edges: Array,
    group: Array,
    flat: Array,
    trust: Array,
    pairs: Array,
    chosen: Array,
    mean: Array,
    weight: Array,
) -> Array:
    """Cost [2^b, T] of flipping each subset of the b groups: sum over pairs of weight (distance - mean)^2.

    Bit g of the state says that the bones with `group` g change the sign of their depth.
    """
    num_groups = group.max() + 1
    num_frames = depth.shape[1]
    costs = np.zeros((1 << num_groups, num_frames))
    moved = np.empty((len(edges) + 1, num_frames))
    for state in range(1 << num_groups):
        moved[edges[0, 0]] = 0.0
        for bone in range(len(edges)):
            parent, child = edges[bone, 0], edges[bone, 1]
            sign = -1.0 if group[bone] >= 0 and (state >> group[bone]) & 1 else 1.0
            for t in range(num_frames):
                moved[child, t] = moved[parent, t] + sign * depth[bone, t]
        for p in chosen:
            i, j = pairs[p, 0], pairs[p, 1]
            m, w = mean[p], weight[p]
            for t in range(num_frames):
                gap = moved[j, t] - moved[i, t]
                miss = np.sqrt(flat[p, t] + gap * gap) - m
                costs[state, t] += w * trust[i, t] * trust[j, t] * miss * miss
    return costs


@compiled
def flip_groups(depth: Array, group: Array, path: Array) -> None:
    """Apply the chosen states in place: bones of group g change sign wherever bit g of the state is set."""
    for bone in range(len(depth)):
        if group[bone] >= 0:
            for t in range(depth.shape[1]):
                if (path[t] >> group[bone]) & 1:
                    depth[bone, t] = -depth[bone, t]


@compiled
def pose_slopes(deviation: Array, view: Array, precision: Array) -> tuple[Array, Array]:
    """Derivatives of the pose cost 1/2 d'Pd by the bones' depths: slope [L, T] and curvature [L, L, T].

    d = `deviation` [T, 3L] in the body's frame, where a change of depth moves a bone along `view` [T, 3], the camera's
    axis. The body's frame is held fixed, so the cost is exactly quadratic and flips only update the slopes.
    """
    num_frames, size = deviation.shape
    num_bones = size // 3
    slope = np.zeros((num_bones, num_frames))
    curvature = np.zeros((num_bones, num_bones, num_frames))
    pull = deviation @ precision
    for bone in range(num_bones):
        for axis in range(3):
            for t in range(num_frames):
                slope[bone, t] += view[t, axis] * pull[t, 3 * bone + axis]
        for other in range(num_bones):
            for axis in range(3):
                for along in range(3):
                    weight = precision[3 * bone + axis, 3 * other + along]
                    for t in range(num_frames):
                        curvature[bone, other, t] += view[t, axis] * weight * view[t, along]
    return slope, curvature


@compiled
def pose_costs(depth: Array, slope: Array, curvature: Array, group: Array) -> Array:
    """Change of the pose cost [2^b, T] that flipping each subset of the b groups makes: each bone by -2 depth."""
    num_frames = depth.shape[1]
    num_groups = group.max() + 1
    bones = np.where(group >= 0)[0]
    linear = np.zeros((num_groups, num_frames))
    square = np.zeros((num_groups, num_groups, num_frames))
    for bone in bones:
        g = group[bone]
        for t in range(num_frames):
            linear[g, t] -= 2.0 * depth[bone, t] * slope[bone, t]
        for other in bones:
            h = group[other]
            for t in range(num_frames):
                square[g, h, t] += 4.0 * depth[bone, t] * depth[other, t] * curvature[bone, other, t]
    costs = np.zeros((1 << num_groups, num_frames))
    for state in range(1, 1 << num_groups):
        for g in range(num_groups):
            if (state >> g) & 1:
                costs[state] += linear[g]
                for h in range(num_groups):
                    if (state >> h) & 1:
                        costs[state] += 0.5 * square[g, h]
    return costs


@compiled
def pose_sweep(
    depth: Array,
    slope: Array,
    curvature: Array,
    groups: Array,
    jerk: Array,
    trust: Array,
    weights: Array,
    temperature: float,
    seed: int,
) -> None:
    """As many random moves as there are bones, in place. `weights` = (pose, smoothness); `trust` [T] is per frame."""
    np.random.seed(seed)
    for _ in range(len(depth)):
        group = groups[np.random.randint(len(groups))]
        unary = weights[0] * trust * pose_costs(depth, slope, curvature, group)
        jumps = weights[1] * jump_costs(depth, group, jerk, group.max() + 1)
        path = best_order(unary, jumps, temperature)
        for bone in range(len(depth)):
            if group[bone] >= 0:
                for other in range(len(depth)):
                    for t in range(len(path)):
                        if (path[t] >> group[bone]) & 1:
                            slope[other, t] -= 2.0 * depth[bone, t] * curvature[other, bone, t]
        flip_groups(depth, group, path)


@compiled
def pair_sweep(
    depth: Array,
    edges: Array,
    groups: Array,
    flat: Array,
    trust: Array,
    pairs: Array,
    inside: Array,
    jerk: Array,
    floor: float,
    weights: Array,
    temperature: float,
    seed: int,
) -> float:
    """Random moves, in place, that lower the sum over pairs of the log-variance of their distance; returns that sum.

    The logarithm is replaced by its tangent at the present variance, which never underestimates it.
    `inside` [P, L] marks the bones on the path of each pair.
    """
    np.random.seed(seed)
    mean, variance = np.zeros(len(pairs)), np.zeros(len(pairs))
    pair_statistics(joint_depths(depth, edges), flat, trust, pairs, np.arange(len(pairs)), mean, variance)
    for _ in range(2 * len(depth)):
        group = groups[np.random.randint(len(groups))]
        touched = np.zeros(len(pairs), np.bool_)
        for bone in range(len(depth)):
            if group[bone] >= 0:
                touched |= inside[:, bone]
        chosen = np.where(touched)[0]
        slope = 0.5 * weights[0] / (variance + floor**2)
        unary = pair_costs(depth, edges, group, flat, trust, pairs, chosen, mean, slope)
        path = best_order(unary, weights[1] * jump_costs(depth, group, jerk, group.max() + 1), temperature)
        flip_groups(depth, group, path)
        pair_statistics(joint_depths(depth, edges), flat, trust, pairs, chosen, mean, variance)
    return 0.5 * weights[0] * depth.shape[1] * np.log(variance + floor**2).sum()
