"""From a video to batches of square frames with masks, in one pass: decode, track, crop, find the subject."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from articulate.data.foreground.compiled_regions import extent
from articulate.data.foreground.components import subject
from articulate.data.foreground.crop import (
    SquareBox,
    centred,
    consecutive_runs,
    following,
    take,
    whole,
)
from articulate.data.foreground.model import ForegroundModel, fit_foreground, padding
from articulate.data.probe import SAMPLED
from articulate.data.sources import ImageFolder
from articulate.data.video_clips import COARSE, arena_mask, track
from articulate.errors import DataError
from articulate.inference.following import BEHIND, box_around, smoothed_centre
from articulate.inference.settings import VideoSettings
from articulate.video import Video, VideoFrame

BLOCKS, BLOCK = 12, 24  # stretches of consecutive frames from which the size of the crop is measured


class Batch(NamedTuple):
    """Consecutive frames of a video as the detector sees them; undecodable ones are black and not `valid`."""

    first: int
    images: UInt8[np.ndarray, "N S S 3"]
    masks: UInt8[np.ndarray, "N S S"] | None
    valid: Bool[np.ndarray, " N"]
    source_from_store: Float[np.ndarray, "N 3"]


@dataclass(frozen=True)
class View:
    """What is fixed for a whole video: its background, the crop (a box, or a side to follow with), the arena."""

    model: ForegroundModel | None
    box: SquareBox | None
    side: int
    arena: np.ndarray | None
    fill: tuple[int, int, int]


def look_at(source: Video | ImageFolder, settings: VideoSettings) -> View:
    """Model the background of a video from frames spread over it, and measure its subject.

    Raises DataError when none of them can be decoded.
    """
    info = source.info
    spread = np.unique(np.linspace(0, info.num_frames - 1, SAMPLED).round().astype(int))
    samples = [frame.image for frame in source.at(spread) if frame.image is not None]
    if not samples:
        raise DataError(f"{info.path}: none of {len(spread)} frames spread over it can be decoded")
    arena = arena_mask(settings.mask, info.width, info.height)
    model = None
    if settings.foreground != "none" and (settings.paint or settings.crop in ("auto", "follow")):
        model = fit_foreground(samples, settings.foreground, settings.key)
    fill = padding(model, samples[0])
    box = fixed_box(info.width, info.height, settings, model)
    if box is not None or model is None:
        return View(model, box or whole(info.width, info.height), 0, arena, fill)
    chosen = blocks(info.num_frames)
    centres, reach, _ = track(source, chosen, model, arena)
    if not np.isfinite(reach).any():
        return View(model, whole(info.width, info.height), 0, arena, fill)
    side = following(centres, reach, consecutive_runs(chosen), info.width, info.height)[0].side
    return View(model, None, side, arena, fill)


def fixed_box(width: int, height: int, settings: VideoSettings, model: ForegroundModel | None) -> SquareBox | None:
    """The one box of all frames; None where the crop follows the subject."""
    if isinstance(settings.crop, tuple):
        x, y, w, h = settings.crop
        inner = whole(w, h)
        return SquareBox(x + inner.x0, y + inner.y0, inner.side)
    if settings.crop == "center":
        return centred(width, height)
    follows = model is not None and (settings.crop == "follow" or (settings.crop == "auto" and model.scene is not None))
    return None if follows else whole(width, height)


def blocks(num_frames: int) -> np.ndarray:
    """Frame numbers of up to BLOCKS stretches of BLOCK frames, evenly spread; all frames of a short video."""
    if num_frames <= BLOCKS * BLOCK:
        return np.arange(num_frames)
    starts = np.linspace(0, num_frames - BLOCK, BLOCKS).round().astype(int)
    return np.unique(starts[:, None] + np.arange(BLOCK))


class FrameStream:
    """Square frames of one video, in batches that start at multiples of `batch_size`.

    `centres` [T, 4] holds, per frame seen so far, the subject's middle in the video and the point at which the next
    frame's subject is expected; it is all the state there is, so that a stream goes on exactly where another stopped.
    """

    def __init__(
        self,
        source: Video | ImageFolder,
        settings: VideoSettings,
        batch_size: int,
        centres: Float[np.ndarray, "T 4"],
        view: View,
    ) -> None:
        self.source, self.settings, self.batch_size, self.centres, self.view = (
            source,
            settings,
            batch_size,
            centres,
            view,
        )
        info = source.info
        self.whole = whole(info.width, info.height)
        self.middle = np.array([(info.width - 1) / 2, (info.height - 1) / 2])
        size = min(COARSE, self.whole.side)
        self.scale = self.whole.side / size
        self.coarse = None if view.model is None else view.model.resized(self.whole, size)
        self.coarse_size = size
        # Where a still scene is known the subject can be anywhere in it; a crop given by the user holds one subject.
        still = view.model is not None and view.model.scene is not None
        wanders = still and settings.crop in ("auto", "none", "follow")
        self.tracks = view.box is None or wanders
        self.coarse_arena = None if view.arena is None else take(view.arena[..., None], self.whole, size)[..., 0]

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches from frame `start` on (a multiple of the batch size), each frame once and in order."""
        assert start % self.batch_size == 0
        size, place = self.settings.size, start
        images: list[np.ndarray] = []
        masks: list[np.ndarray] = []
        places: list[np.ndarray] = []
        valid: list[bool] = []
        for frame, box in self.boxed(start):
            image, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
            if frame.image is not None:
                image, mask = self.square(frame, box)
            images.append(image)
            masks.append(mask)
            valid.append(frame.image is not None)
            places.append(box.source_from_store(size))
            if len(images) == self.batch_size:
                yield self.batch(place, images, masks, valid, places)
                place += self.batch_size
                images, masks, valid, places = [], [], [], []
        if images:
            yield self.batch(place, images, masks, valid, places)

    def batch(self, first: int, images: list, masks: list, valid: list, places: list) -> Batch:
        """Lists of frames as arrays."""
        with_mask = self.view.model is not None and self.settings.paint
        stacked = np.stack(masks) if with_mask else None
        return Batch(first, np.stack(images), stacked, np.array(valid), np.stack(places))

    def boxed(self, start: int) -> Iterator[tuple[VideoFrame, SquareBox]]:
        """Every frame with its box. A crop that follows is smoothed, so frames wait until later ones were tracked."""
        box = self.view.box
        waiting: deque[VideoFrame] = deque()
        for frame in self.source.frames(start):
            if self.tracks:
                self.track(frame)
            if box is not None:
                yield frame, box
                continue
            waiting.append(frame)
            if len(waiting) > BEHIND:
                yield self.centred_box(waiting.popleft(), frame.index + 1)
        last = waiting[-1].index + 1 if waiting else 0
        while waiting:
            yield self.centred_box(waiting.popleft(), last)

    def centred_box(self, frame: VideoFrame, stop: int) -> tuple[VideoFrame, SquareBox]:
        """The frame and the box around its smoothed centre."""
        centre = smoothed_centre(self.centres[:, :2], frame.index, stop, self.middle)
        return frame, box_around(centre, self.view.side)

    def track(self, frame: VideoFrame) -> None:
        """Find the subject's middle in one frame and note it, with where the next frame should look."""
        row = self.centres[frame.index]
        before = self.centres[frame.index - 1, 2:] if frame.index else np.full(2, np.nan)
        row[:2], row[2:] = np.nan, before
        if frame.image is None:
            return
        assert self.coarse is not None
        small = take(frame.image, self.whole, self.coarse_size, self.view.fill)
        expected = np.full(2, self.coarse_size / 2) if self.coarse.scene is None else before
        mask, centre, _ = self.coarse.subject(small, expected if np.isfinite(expected).all() else None)
        if self.coarse_arena is not None:
            mask = np.where(self.coarse_arena > 127, mask, 0).astype(np.uint8)
        if centre is None or not mask.any():
            return
        x, y, _ = extent(mask)
        row[:2] = self.scale * (np.array([x, y]) + 0.5) - 0.5 + (self.whole.x0, self.whole.y0)
        row[2:] = centre

    def square(self, frame: VideoFrame, box: SquareBox) -> tuple[np.ndarray, np.ndarray]:
        """The crop of one frame and the subject's mask in it."""
        assert frame.image is not None
        size, model = self.settings.size, self.view.model
        image = take(frame.image, box, size, self.view.fill)
        mask = np.zeros((size, size), np.uint8)
        if model is not None and self.settings.paint:
            expected = np.full(2, size / 2)
            centre = self.centres[frame.index, :2]
            if model.scene is not None and np.isfinite(centre).all():
                expected = (centre - (box.x0, box.y0) + 0.5) * size / box.side - 0.5
            mask = subject(model.difference(image, box), model.thresholds, expected)[0]
            if self.view.arena is not None:
                mask = np.where(take(self.view.arena[..., None], box, size)[..., 0] > 127, mask, 0).astype(np.uint8)
            if model.running is not None:
                model.running.update(frame.image)
        if self.settings.greyscale:
            image = np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)
        return image, mask
