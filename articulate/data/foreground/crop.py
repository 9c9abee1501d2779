"""Square crops of one size per clip that follow the subject, and the way back to pixels of the video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from articulate.data.foreground.resampling import crop


@dataclass(frozen=True)
class SquareBox:
    """A square region of a frame in whole pixels; it may reach over the frame's edge."""

    x0: int
    y0: int
    side: int

    def source_from_store(self, size: int) -> Float[np.ndarray, " 3"]:
        """(scale, x0, y0) for frames stored at `size` x `size`: source = scale * (store + 0.5) - 0.5 + (x0, y0)."""
        return np.array([self.side / size, self.x0, self.y0], dtype=np.float64)


def whole(width: int, height: int) -> SquareBox:
    """The smallest centred square that holds the whole frame (letterbox)."""
    side = max(width, height)
    return SquareBox((width - side) // 2, (height - side) // 2, side)


def centred(width: int, height: int) -> SquareBox:
    """The largest centred square inside the frame."""
    side = min(width, height)
    return SquareBox((width - side) // 2, (height - side) // 2, side)


def following(
    centres: Float[np.ndarray, "T 2"],
    reach: Float[np.ndarray, " T"],
    runs: Sequence[slice],
    width: int,
    height: int,
    smoothing: float = 4.0,
) -> list[SquareBox]:
    """One box per frame around the smoothed centres, all of one side.

    The side is 2.3 times the 95th percentile of `reach` (distance from the centre to the farthest subject pixel)
    plus the lag of the smoothed centre, but no larger than the frame; frames without a subject (NaN) take the centre
    in between. `smoothing`: frames (sigma), within each of the `runs` of consecutive frames.
    """
    known = np.isfinite(centres).all(axis=1)
    if not known.any():
        return [whole(width, height)] * len(centres)
    at = np.flatnonzero(known)
    filled = np.stack([np.interp(np.arange(len(centres)), at, centres[known, i]) for i in range(2)], axis=1)
    smooth = np.concatenate([gaussian_filter1d(filled[run], smoothing, axis=0, mode="nearest") for run in runs])
    lag = np.linalg.norm(smooth - filled, axis=1)  # a fast subject runs ahead of the smoothed centre
    side = int(np.clip(2.3 * np.percentile((reach + lag)[known], 95), 16, max(width, height)))
    corner = np.round(smooth - side / 2 + 0.5).astype(int)
    return [SquareBox(int(x), int(y), side) for x, y in corner]


def consecutive_runs(frames: Int[np.ndarray, " T"]) -> list[slice]:
    """Slices of the stretches in which frame numbers go up by the commonest step."""
    gaps = np.diff(frames)
    if not len(gaps):
        return [slice(0, len(frames))]
    cuts = np.flatnonzero(gaps != np.min(gaps)) + 1
    return [slice(int(a), int(b)) for a, b in zip([0, *cuts], [*cuts, len(frames)], strict=True)]


def take(
    image: UInt8[np.ndarray, "H W C"], box: SquareBox, size: int, fill: tuple[int, ...] = (0, 0, 0)
) -> UInt8[np.ndarray, "S S C"]:
    """The box resampled to `size` x `size` (area-averaging triangle filter); `fill` where it reaches over the edge."""
    if image.shape[2] == 3 and box.side != size:
        return crop(image, (box.x0, box.y0), box.side, size, (fill[0], fill[1], fill[2]))
    height, width = image.shape[:2]
    left, top = max(box.x0, 0), max(box.y0, 0)
    right, bottom = min(box.x0 + box.side, width), min(box.y0 + box.side, height)
    square = np.empty((box.side, box.side, image.shape[2]), np.uint8)
    if (right - left, bottom - top) != (box.side, box.side):
        square[:] = np.array(fill, np.uint8)[: image.shape[2]]
    if right > left and bottom > top:
        square[top - box.y0 : bottom - box.y0, left - box.x0 : right - box.x0] = image[top:bottom, left:right]
    if box.side == size:
        return square
    return np.asarray(Image.fromarray(square[..., 0]).resize((size, size), Image.Resampling.BILINEAR))[..., None]
