"""The empty scene: a temporal median of sampled frames, or a running one for light that drifts."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

MODERATE_CHANGE = 18.0  # grey levels; above the noise of compressed video, below most subjects


def temporal_median(frames: Sequence[np.ndarray], rows: int = 64) -> UInt8[np.ndarray, "H W 3"]:
    """Median over time per pixel and channel; the subject vanishes where it covers a pixel less than half the time.

    Works on `rows` rows at a time, so that memory stays near that of the sampled frames.
    """
    height = frames[0].shape[0]
    parts = [np.median(np.stack([f[y : y + rows] for f in frames]), axis=0) for y in range(0, height, rows)]
    return np.concatenate(parts).round().astype(np.uint8)


def occupied_share(frames: Sequence[np.ndarray]) -> float:
    """How much of the changing area changes most of the time, in [0, 1].

    Near 0: the subject wanders over a still scene, so a median shows the empty scene. Near 1: something is always on
    those pixels (a crop that follows the subject, a moving camera, or a subject that stays), so the median shows it.
    A pixel counts as changing when its 2 % to 98 % range exceeds 18 grey levels, as always changing when its quartiles
    are half as far apart.
    """
    grey = np.stack([f.mean(axis=2) for f in frames])
    # Flicker is no motion: ratios to the median picture over bright pixels bring all frames to one light.
    middle = np.median(grey, axis=0)
    bright = middle > 8
    if bright.mean() > 0.2:
        factor = np.clip(np.median(grey[:, bright] / middle[bright], axis=1), 0.67, 1.5)
        grey = grey / factor[:, None, None]
    low, first, third, high = np.percentile(grey, [2, 25, 75, 98], axis=0)
    changing = high - low > MODERATE_CHANGE
    if not changing.any():
        return 0.0
    return float((third - first > MODERATE_CHANGE / 2)[changing].mean())


def gain(
    image: Float[np.ndarray, "H W 3"], background: Float[np.ndarray, "H W 3"], limit: float = 1.5
) -> Float[np.ndarray, " 3"]:
    """Factor per channel that takes the background to the light of this frame (flicker): the median of their ratio.

    Pixels darker than 8 of 255 tell nothing; at most `limit` either way, since more is a change of scene.
    """
    factors = np.ones(3)
    for channel in range(3):
        reference = background[::2, ::2, channel]
        usable = reference > 8
        if usable.mean() > 0.2:
            factors[channel] = np.median(image[::2, ::2, channel][usable] / reference[usable])
    return np.clip(factors, 1 / limit, limit)


class RunningBackground:
    """A background that follows slow changes: every frame moves it by at most `rate` grey levels per pixel.

    This sign step tracks the median (McFarlane & Schofield 1995); where a subject was found, nothing moves.
    """

    def __init__(self, start: UInt8[np.ndarray, "H W 3"], rate: float = 0.25):
        self.image: np.ndarray = start.astype(np.float32)
        self.rate = rate

    def update(self, frame: UInt8[np.ndarray, "H W 3"], subject: np.ndarray | None = None) -> None:
        """Take in one frame; `subject` [H, W] marks pixels to leave alone."""
        step = np.clip(frame - self.image, -self.rate, self.rate)
        if subject is not None:
            step[subject] = 0
        self.image += step
