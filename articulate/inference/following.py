"""A crop that follows its subject while the video streams: smoothed like the training crops, a few frames behind."""

import numpy as np
from jaxtyping import Float

from articulate.data.foreground.crop import SquareBox

SMOOTHING = 4.0  # frames (sigma), as in `articulate.data.foreground.crop.following`
BEHIND = 16  # frames that must be seen before a centre is final: four sigma
WEIGHTS = np.exp(-0.5 * (np.arange(-BEHIND, BEHIND + 1) / SMOOTHING) ** 2)


def smoothed_centre(
    centres: Float[np.ndarray, "T 2"], place: int, stop: int, otherwise: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, " 2"]:
    """Gaussian mean of the centres around frame `place`, of which those before `stop` are known by now.

    Frames without a subject (NaN) take the centre in between, and in gaps longer than the window the last one that
    was seen; `otherwise` where none ever was. Before the first and after the last frame the nearest one counts.
    """
    low = max(0, place - BEHIND)
    window = centres[low : min(stop, place + BEHIND + 1)]
    known = np.flatnonzero(np.isfinite(window[:, 0]))
    if len(known) == len(WEIGHTS):
        return WEIGHTS @ window / WEIGHTS.sum()
    if not len(known):
        earlier = np.flatnonzero(np.isfinite(centres[:low, 0]))
        return centres[earlier[-1]] if len(earlier) else otherwise
    at = np.clip(np.arange(place - BEHIND, place + BEHIND + 1) - low, 0, len(window) - 1)
    filled = [np.interp(at, known, window[known, axis]) for axis in range(2)]
    return np.array([WEIGHTS @ values for values in filled]) / WEIGHTS.sum()


def box_around(centre: Float[np.ndarray, " 2"], side: int) -> SquareBox:
    """The square of whole pixels whose middle is nearest to `centre`."""
    x, y = np.round(centre - side / 2 + 0.5).astype(int)
    return SquareBox(int(x), int(y), side)
