"""Turns of the body and its mean shape from the image alone: robust rank-three factorisation of all bone vectors.

A body that turns is nearly rigid in the large: its bones, seen over all frames, lie near a three-dimensional space
(Tomasi and Kanade 1992), and demanding orthonormal camera axes fixes everything but one reflection of the whole clip.
Bones that swing are weighted down. Fails where the views do not vary: the second return value then is near zero.
"""

import numpy as np


def nearest_rotation(moments: np.ndarray, keep_handedness: bool = True) -> np.ndarray:
    """Proper rotations [T, 3, 3] nearest to `moments` (Kabsch 1976)."""
    u, _, v = np.linalg.svd(moments)
    if keep_handedness:
        u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return u @ v


def metric_upgrade(axes: np.ndarray) -> tuple[np.ndarray, float]:
    """Map that makes the camera axes [T, 2, 3] orthonormal in the least-squares sense, and how well it is determined.

    Solves i.Q.i = j.Q.j = 1, i.Q.j = 0 for the symmetric Q = A A^T; the second value is its eigenvalue ratio, which is
    not positive when no metric explains the views.
    """

    def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        cross = [a[:, m] * b[:, n] + a[:, n] * b[:, m] for m, n in ((0, 1), (0, 2), (1, 2))]
        return np.stack([a[:, 0] * b[:, 0], a[:, 1] * b[:, 1], a[:, 2] * b[:, 2], *cross], 1)

    i, j = axes[:, 0], axes[:, 1]
    target = np.concatenate([np.ones(2 * len(axes)), np.zeros(len(axes))])
    q = np.linalg.lstsq(np.concatenate([products(i, i), products(j, j), products(i, j)]), target, rcond=None)[0]
    values, vectors = np.linalg.eigh(np.array([[q[0], q[3], q[4]], [q[3], q[1], q[5]], [q[4], q[5], q[2]]]))
    # The floor keeps the map invertible where the views leave one direction open.
    return vectors * np.sqrt(np.maximum(values, 1e-3 * values.max())), float(values.min() / values.max())


def robust_weights(residual: np.ndarray) -> np.ndarray:
    """Weights of bones, s^2 / (r^2 + s^2), with s the residual of the third that fits best (Geman and McClure 1987)."""
    scale = np.sort(residual)[min(len(residual) - 1, max(5, len(residual) // 3))] + 1e-6
    return scale**2 / (residual**2 + scale**2)


def factorise(flat: np.ndarray, start: np.ndarray, rounds: int = 15, turns: int = 30) -> dict[str, np.ndarray]:
    """Rotations and mean bones of a clip, from bone vectors in the image `flat` [T, L, 2] and start weights [L].

    Returns `rotation` [T, 3, 3] (camera from body), `mean` [L, 3], `weight` [L], `residual` [L] and `metric`.
    """
    num_frames, num_bones, _ = flat.shape
    stacked = flat.transpose(0, 2, 1).reshape(2 * num_frames, num_bones)
    weight = start
    rank = min(3, num_bones)
    for number in range(rounds):
        u, s, _ = np.linalg.svd(stacked * weight, full_matrices=False)
        axes = np.zeros((2 * num_frames, 3))
        axes[:, :rank] = u[:, :rank] * s[:rank]
        shape = np.linalg.lstsq(axes, stacked, rcond=None)[0]
        weight = robust_weights(np.sqrt(((stacked - axes @ shape) ** 2).mean(0)))
        # Held to its core at first, or else limbs that swing together take a dimension over.
        weight = weight * start if number < rounds - 1 else weight
    upgrade, metric = metric_upgrade(axes.reshape(num_frames, 2, 3))
    u, _, v = np.linalg.svd(axes.reshape(num_frames, 2, 3) @ upgrade, full_matrices=False)
    rows = u @ v
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], 1)
    for number in range(turns):
        view = rotation[:, :2].reshape(2 * num_frames, 3)
        shape = np.linalg.lstsq(view, stacked, rcond=None)[0]
        residual = np.sqrt(((stacked - view @ shape) ** 2).mean(0))
        weight = robust_weights(residual) * (start if 2 * number < turns else 1.0)
        depth = np.einsum("ti,il->tl", rotation[:, 2], shape)
        posed = np.concatenate([flat, depth[..., None]], -1)
        rotation = nearest_rotation(np.einsum("tli,jl,l->tij", posed, shape, weight))
    return {"rotation": rotation, "mean": shape.T, "weight": weight, "residual": residual, "metric": np.array(metric)}


def start_weights(edges: np.ndarray, num_starts: int, cores: tuple[int, ...] = (6, 8, 10)) -> list[np.ndarray]:
    """Start weights for several factorisations: all bones alike, then cores of so many bones around spread-out centres.

    The first centre is the middle of the tree, with every core size; the next ones are far from those before.
    """
    num_bones = len(edges)
    reach = np.zeros((num_bones + 1, num_bones), bool)
    for bone, (parent, child) in enumerate(edges):
        reach[child] = reach[parent]
        reach[child, bone] = True
    hops = (reach[edges[:, 1], None] ^ reach[None, edges[:, 1]]).sum(-1)
    starts = [np.ones(num_bones)]
    centre = int(hops.sum(1).argmin())
    far = hops[centre].copy()
    while len(starts) < min(num_starts, num_bones):
        for core in cores:
            weight = np.full(num_bones, 0.01)
            weight[np.argsort(hops[centre], kind="stable")[:core]] = 1.0
            starts.append(weight)
        centre = int(far.argmax())
        far = np.minimum(far, hops[centre])
    return starts[:num_starts]
