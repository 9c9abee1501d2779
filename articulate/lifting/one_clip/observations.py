"""What the solver sees of a clip: bone vectors in the image, bridged where points are missing, at a common size."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import savgol_filter

from articulate.errors import DataError


@dataclass(frozen=True)
class Observations:
    """Bones in the image in %d (the median diagonal of the pose in the image is 100). T frames, L bones."""

    flat: np.ndarray  # [T, L, 2] child minus parent
    edges: np.ndarray  # [L, 2]
    trust: np.ndarray  # [T, K] in [0, 1]
    unit: float  # size of one %d in the unit of the input
    noise: float  # estimated standard deviation of one coordinate, %d


def bridged(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Positions [T, K, 2] with every unseen point replaced by the straight line in time between its seen neighbours."""
    filled = xy.copy()
    time = np.arange(len(xy))
    for k in range(xy.shape[1]):
        known = seen[:, k]
        if not known.any():
            raise DataError(f"keypoint {k} is seen in no frame; drop it from the tree before lifting")
        for axis in range(2):
            filled[:, k, axis] = np.interp(time, time[known], xy[known, k, axis])
    return filled


def estimated_noise(xy: np.ndarray) -> float:
    """Standard deviation of one coordinate's white noise, from the median fourth difference (variance 70 s^2).

    Fast smooth motion counts as noise only in so far as its fourth difference is not small at this frame rate.
    """
    if len(xy) < 8:
        return 0.0
    fourth = np.abs(np.diff(xy, 4, axis=0))
    return float(np.median(fourth) / 0.6745 / np.sqrt(70.0))


def observe(xy: np.ndarray, score: np.ndarray, edges: np.ndarray, min_score: float) -> Observations:
    """Normalised, bridged and, where the tracks are noisy, smoothed observations of one clip."""
    if len(xy) < 4:
        raise DataError(f"a clip of {len(xy)} frames cannot be lifted; at least 4 are needed")
    seen = np.isfinite(xy).all(-1) & (score >= min_score)
    filled = bridged(np.where(np.isfinite(xy), xy, 0.0), seen)
    unit = float(np.median(np.linalg.norm(np.ptp(filled, axis=1), axis=-1))) / 100
    if unit <= 0:
        raise DataError("all keypoints coincide in most frames; nothing can be lifted")
    scaled = filled / unit
    noise = estimated_noise(scaled)
    # Windows that keep human-like motion at 30 frames a second and average white noise down by about 2.
    window = 0 if noise < 0.1 else (7 if noise < 0.4 else 11)
    if window and len(scaled) > window:
        scaled = savgol_filter(scaled, window, 2, axis=0)
    flat = scaled[:, edges[:, 1]] - scaled[:, edges[:, 0]]
    return Observations(flat, edges, np.where(seen, np.clip(score, 0, 1), 0.0), unit, noise)
