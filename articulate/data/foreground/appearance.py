"""How far each pixel is from the background: a known empty scene, or the colour that the border of the view has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from articulate.data.foreground.compiled_differences import colour_offset, flicker_gain, is_coloured, scene_offset
from articulate.data.foreground.components import Thresholds, otsu


@dataclass(frozen=True)
class BorderColour:
    """The background as one colour, and on which side of it the subject lies: +1 brighter, -1 darker, 0 either."""

    colour: np.ndarray
    polarity: int


def border_colour(frames: Sequence[np.ndarray], polarity: int | None = None) -> BorderColour:
    """The commonest level per channel in the outer twelfth of the view; the centre's median tells the side.

    The mode, not the mean: a second animal or an arena edge at the border does not move it.
    """
    height, width = frames[0].shape[:2]
    margin = max(2, min(height, width) // 12)
    outer = np.ones((height, width), bool)
    outer[margin:-margin, margin:-margin] = False
    border = np.concatenate([f[outer] for f in frames])
    colour = np.array([float(smooth_mode(border[:, c])) for c in range(3)])
    if polarity is None:
        centre = np.concatenate(
            [f[height // 3 : -height // 3, width // 3 : -width // 3].reshape(-1, 3) for f in frames]
        )
        offset = centre.mean(axis=1) - colour.mean()
        far = offset[np.abs(offset) > 20]
        share = float((far > 0).mean()) if len(far) else 0.5
        polarity = 1 if share > 0.85 else -1 if share < 0.15 else 0
    return BorderColour(colour, polarity)


def smooth_mode(values: UInt8[np.ndarray, " N"]) -> int:
    """The commonest of 256 levels after smoothing over seven."""
    count = np.bincount(values, minlength=256).astype(np.float64)
    return int(np.argmax(np.convolve(np.pad(count, 3, mode="edge"), np.ones(7) / 7, mode="valid")))


def colour_difference(image: UInt8[np.ndarray, "H W 3"], border: BorderColour) -> Float[np.ndarray, "H W"]:
    """Grey levels from the border's colour, on the subject's side; the largest channel counts."""
    return colour_offset(image, border.colour.astype(np.float32), np.float32(border.polarity))


def scene_difference(
    image: UInt8[np.ndarray, "H W 3"], background: UInt8[np.ndarray, "H W 3"], shadows: bool = True
) -> Float[np.ndarray, "H W"]:
    """Grey levels from the empty scene after the global flicker is taken out; the largest channel counts.

    `shadows`: a pixel that is the background times one factor for all channels (0.5 to 0.97) is likely a shadow and
    counts a quarter. In grey pictures every dark pixel would pass that test, so there it is not applied.
    """
    shadows = bool(shadows and is_coloured(background))
    return scene_offset(image, background, flicker_gain(image, background), shadows)


def thresholds(differences: Sequence[np.ndarray], share: float, floor: float = 8.0) -> Thresholds:
    """High: Otsu's threshold of what is well above the noise. Low: `share` of it, more in noise, at most half.

    The noise is the 75th percentile of the lower half of each map, so a subject may fill up to half the view.
    """
    values = np.concatenate([d[::2, ::2].ravel() for d in differences]).astype(np.float64)
    noise = float(np.percentile(values[values <= np.median(values)], 75))
    above = values[values > max(floor, 3 * noise)]
    high = otsu(above) if len(above) > 50 else 4 * floor
    high = max(high * 0.7, 2 * floor)
    return Thresholds(low=float(min(max(floor, 3 * noise, share * high), high / 2)), high=float(high))
