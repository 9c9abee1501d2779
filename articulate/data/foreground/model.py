"""One object that knows the background of a clip and finds the subject in its frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from articulate.data.foreground.appearance import (
    BorderColour,
    border_colour,
    colour_difference,
    scene_difference,
    thresholds,
)
from articulate.data.foreground.background import RunningBackground, occupied_share, temporal_median
from articulate.data.foreground.components import Thresholds, subject
from articulate.data.foreground.crop import SquareBox, take

Method = Literal["auto", "median", "running", "dark", "bright", "colour_key"]
MOSTLY_OCCUPIED = 0.15  # measured: 0.02 for a mouse roaming an arena, 0.32 to 0.49 for crops that follow a fly

# Low threshold over high one. Against an empty scene soft shadows and reflections lie below 0.4; against one colour
# thin legs lie just above 0.2 (share of labelled points inside the mask, mouse_openfield and two fly sets).
SCENE_SHARE, COLOUR_SHARE = 0.4, 0.2


@dataclass(frozen=True)
class ForegroundModel:
    """Background of a clip: an empty `scene`, or one border `colour` when there is no still scene."""

    method: str
    thresholds: Thresholds
    scene: np.ndarray | None = None
    colour: BorderColour | None = None
    occupied: float = 0.0
    running: RunningBackground | None = field(default=None, compare=False)

    @cached_property
    def fill(self) -> tuple[int, int, int]:
        """What lies beyond the edges of the scene; computed once, because it costs as much as finding the subject."""
        assert self.scene is not None
        return fill_of(self.scene)

    def difference(self, image: UInt8[np.ndarray, "H W 3"], box: SquareBox | None = None) -> Float[np.ndarray, "H W"]:
        """Grey levels from the background; `box` says which part of the video `image` shows."""
        if self.colour is not None:
            return colour_difference(image, self.colour).astype(np.float64)
        scene = self.running.image.round().astype(np.uint8) if self.running is not None else self.scene
        assert scene is not None
        if box is not None:
            scene = take(scene, box, image.shape[0], fill=self.fill)
        return scene_difference(image, scene).astype(np.float64)

    def subject(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        expected: Float[np.ndarray, " 2"] | None = None,
        box: SquareBox | None = None,
    ) -> tuple[UInt8[np.ndarray, "H W"], Float[np.ndarray, " 2"] | None, int]:
        """Soft mask of the subject nearest to `expected` (x, y in pixels of `image`), its centre, bodies in view."""
        found = subject(self.difference(image, box), self.thresholds, expected)
        if self.running is not None and box is None:
            self.running.update(image, found[0] > 0)
        return found

    def resized(self, box: SquareBox, size: int) -> "ForegroundModel":
        """The same model for frames that were resampled to `box` at `size`."""
        if self.scene is None:
            return self
        scene = take(self.scene, box, size, fill=fill_of(self.scene))
        return replace(self, scene=scene, running=None if self.running is None else RunningBackground(scene))


def fill_of(image: UInt8[np.ndarray, "H W 3"]) -> tuple[int, int, int]:
    """The median colour of the outermost pixels, to pad with."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    red, green, blue = np.median(edge, axis=0)
    return int(red), int(green), int(blue)


def padding(model: ForegroundModel | None, image: UInt8[np.ndarray, "H W 3"]) -> tuple[int, int, int]:
    """What lies beyond the edges of a video: its background's colour, so that nothing there looks like a subject."""
    if model is None or model.colour is None:
        return fill_of(image)
    red, green, blue = (int(round(float(level))) for level in model.colour.colour)
    return red, green, blue


def fit_foreground(
    frames: Sequence[np.ndarray], method: Method = "auto", key: tuple[int, int, int] | None = None
) -> ForegroundModel:
    """Model of the background from frames sampled over the clip (30 to 60 are enough).

    `auto` takes the median scene when the subject wanders over it, and the border's colour when most changing pixels
    change all the time (the crop follows the animal). `key` is the background's colour for `colour_key`.
    """
    occupied = occupied_share(frames)
    if method == "auto":
        method = "median" if occupied < MOSTLY_OCCUPIED and len(frames) >= 5 else "colour_key"
    if method in ("median", "running"):
        scene = temporal_median(frames)
        limits = thresholds([scene_difference(f, scene) for f in frames], SCENE_SHARE)
        running = RunningBackground(scene) if method == "running" else None
        return ForegroundModel(method, limits, scene=scene, occupied=occupied, running=running)
    polarity = {"dark": -1, "bright": 1}.get(method)
    colour = border_colour(frames, polarity)
    if key is not None:
        colour = BorderColour(np.array(key), 0)
    limits = thresholds([colour_difference(f, colour) for f in frames], COLOUR_SHARE)
    return ForegroundModel(method, limits, colour=colour, occupied=occupied)
