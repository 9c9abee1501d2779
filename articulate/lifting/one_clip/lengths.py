"""Bone lengths of a clip: a first estimate from projections, then what makes the depths fit best."""

import numpy as np

from articulate.lifting.one_clip.pose_prior import PosePrior
from articulate.lifting.one_clip.viterbi import jump_costs

# %d of noise from which the longest few projections are those that noise made long, and the quantile used then.
NOISY, NOISY_QUANTILE = 0.1, 0.95
# Tried lengths relative to the present one, in every round.
FACTORS = (0.94, 0.97, 0.985, 1.0, 1.015, 1.03, 1.06, 1.12)


def first_lengths(flat: np.ndarray, quantile: float, noise: float) -> np.ndarray:
    """Lengths [L] in %d: a high quantile of the image length, which a bone reaches when it lies across the view.

    Too short for bones that never do; but a rigid shape's bones, where its views differ little, can be of any length,
    and made whole clips wrong. A high quantile of noisy lengths is too long: white noise of `noise` along the bone, of
    which smoothing leaves about half, is taken off once, and from `NOISY` on the quantile is less extreme (found on
    generated bodies).
    """
    quantile = min(quantile, NOISY_QUANTILE) if noise >= NOISY else quantile
    return np.maximum(np.quantile(np.linalg.norm(flat, axis=-1), quantile, axis=0) - 0.5 * noise, 0.1)


def magnitudes(flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """|dz| = sqrt(L^2 - p^2) of every bone and frame, [L, T]; zero where a bone looks longer than it is."""
    return np.sqrt(np.maximum(lengths**2 - (flat**2).sum(-1), 0.0)).T.copy()


def refined_lengths(
    flat: np.ndarray,
    depth: np.ndarray,
    lengths: np.ndarray,
    rotation: np.ndarray,
    prior: PosePrior,
    jerk: np.ndarray,
    trust: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Length of every bone, one after the other, that gives the least cost at the present signs.

    Smoothness of the signed depth knows the length: too short a bone sticks at zero depth, too long a one jumps there.
    """
    precision = np.linalg.inv(prior.regularised())
    found = lengths.copy()
    off = prior.deviations(np.concatenate([flat, depth.T[..., None]], -1), rotation)
    pull = (off @ precision).reshape(len(off), -1, 3)
    view = rotation[:, 2]
    for bone in range(len(lengths)):
        block = precision[3 * bone : 3 * bone + 3, 3 * bone : 3 * bone + 3]
        slope = trust * (pull[:, bone] * view).sum(1)
        curvature = trust * ((view @ block) * view).sum(1)
        projected = np.linalg.norm(flat[:, bone], axis=-1)
        costs = []
        for factor in FACTORS:
            size = np.sqrt(np.maximum((lengths[bone] * factor) ** 2 - projected**2, 0.0))
            trial = np.where(depth[bone] < 0, -size, size)
            step = trial - depth[bone]
            misfit = float((slope * step + 0.5 * curvature * step**2).sum())
            # Excess of the image length over the trial length, in the units of the pose distribution's floor.
            excess = np.maximum(projected - lengths[bone] * factor, 0.0)
            clipped = 0.5 * float((excess**2).sum()) / prior.floor**2
            bend = jump_costs(trial[None], np.zeros(1, np.int64), jerk[bone : bone + 1], 1)[0, 0, 0].sum()
            costs.append(weights[0] * (misfit + clipped) + weights[1] * bend)
        found[bone] = lengths[bone] * FACTORS[int(np.argmin(costs))]
    return found
