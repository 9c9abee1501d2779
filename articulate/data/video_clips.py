"""From one video to one clip of a store: background model, tracking, crop, masks, in two streaming passes."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from articulate.data.foreground.compiled_regions import extent
from articulate.data.foreground.crop import SquareBox, centred, consecutive_runs, following, take, whole
from articulate.data.foreground.model import ForegroundModel, fit_foreground, padding
from articulate.data.probe import ALL_COVERED, SAMPLED, TELL_APART, clip_warnings, covered_share
from articulate.data.sources import ImageFolder
from articulate.data.store import ClipWriter, StoreWriter
from articulate.errors import ConfigError, DataError
from articulate.video import Video

CHUNK = 64
COARSE = 160  # pixels of the longest side at which the subject is tracked before cropping

Truth = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


@runtime_checkable
class ClipOptions(Protocol):
    """What a recipe's options must say for `add_clip`."""

    size: int
    step: int
    crop: Any
    foreground: Any
    key: tuple[int, int, int] | None
    greyscale: bool
    mask: str | None


def add_clip(
    writer: StoreWriter,
    source: Video | ImageFolder,
    chosen: np.ndarray,
    options: ClipOptions,
    report: Callable[[str], None],
    name: str | None = None,
    truth: Truth | None = None,
) -> None:
    """Model the background, track, crop and store the `chosen` frames of one video as a clip.

    `truth(chosen, source_from_store)` gives what is known of these frames. Raises DataError when none can be decoded.
    """
    info = source.info
    spread = chosen[np.unique(np.linspace(0, len(chosen) - 1, SAMPLED).round().astype(int))]
    samples = [frame.image for frame in source.at(spread) if frame.image is not None]
    if not samples:
        raise DataError(f"{source.path}: none of the frames {chosen[0]} to {chosen[-1]} can be decoded")
    arena = arena_mask(options.mask, info.width, info.height)
    model = None if options.foreground == "none" else fit_foreground(samples, options.foreground, options.key)
    if options.foreground == "auto" and arena is None and covered_share(model, samples) > ALL_COVERED:
        raise DataError(
            f"{source.path}: the subject cannot be told from the scene, because the background has no one colour and "
            f"the subject hardly moves over it (the mask would be all of the view). {TELL_APART}"
        )
    boxes, centres, bodies = place_boxes(source, chosen, model, options, arena)
    with writer.clip(
        name or source.path.stem,
        fps=info.fps / options.step,
        source=str(source.path),
        source_size=(info.width, info.height),
        with_mask=model is not None,
    ) as clip:
        clip.variable_frame_rate = info.variable_frame_rate
        store_frames(clip, source, chosen, boxes, centres, model, options, arena, padding(model, samples[0]))
        if model is not None and model.scene is not None:
            clip.background(model.scene)
        if truth is not None:
            clip.truth(truth(chosen, np.stack([box.source_from_store(options.size) for box in boxes])))
        for text in clip_warnings(info, samples, model, centres, bodies, len(chosen)):
            clip.warn(text)
    entry = writer.entries[-1]
    how = "no mask" if model is None else f"foreground {model.method}"
    lost = f", {entry.undecodable} undecodable" if entry.undecodable else ""
    report(
        f"data: {source.path.name}: {entry.num_frames} frames{lost}, {how}, scale {boxes[0].side / options.size:.2f}"
    )


def place_boxes(
    source: Video | ImageFolder,
    chosen: np.ndarray,
    model: ForegroundModel | None,
    options: ClipOptions,
    arena: np.ndarray | None,
) -> tuple[list[SquareBox], np.ndarray, np.ndarray]:
    """One box per chosen frame, the subject's centre (NaN: unknown) and the number of bodies in view."""
    width, height = source.info.width, source.info.height
    unknown, one = np.full((len(chosen), 2), np.nan), np.ones(len(chosen), int)
    if options.crop == "follow" and model is None:
        raise ConfigError("crop=follow needs a foreground to follow; foreground=none excludes it")
    if isinstance(options.crop, tuple):
        x, y, w, h = options.crop
        inner = whole(w, h)
        return [SquareBox(x + inner.x0, y + inner.y0, inner.side)] * len(chosen), unknown, one
    if options.crop == "center":
        return [centred(width, height)] * len(chosen), unknown, one
    if model is None:
        return [whole(width, height)] * len(chosen), unknown, one
    centres, reach, bodies = track(source, chosen, model, arena)
    if options.crop == "follow" or (options.crop == "auto" and model.scene is not None):
        return following(centres, reach, consecutive_runs(chosen), width, height), centres, bodies
    return [whole(width, height)] * len(chosen), centres, bodies


def track(
    source: Video | ImageFolder, chosen: np.ndarray, model: ForegroundModel, arena: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per chosen frame: centre (x, y) of the middle of the subject's extent, its reach in pixels, bodies in view."""
    box = whole(source.info.width, source.info.height)
    size = min(COARSE, box.side)
    coarse = model.resized(box, size)
    scale, allowed = box.side / size, None if arena is None else take(arena[..., None], box, size)[..., 0]
    centres, reach = np.full((len(chosen), 2), np.nan), np.full(len(chosen), np.nan)
    bodies, expected = np.zeros(len(chosen), int), None
    firsts = {run.start for run in consecutive_runs(chosen)}
    if model.scene is None:
        expected = np.full(2, size / 2)  # the crop was centred on the subject by whoever made it
    for place, frame in enumerate(source.at(chosen)):
        if frame.image is None:
            continue
        if model.scene is not None and place in firsts:
            expected = None  # after a jump in time the subject may be anywhere
        small = take(frame.image, box, size, padding(model, frame.image))
        mask, centre, bodies[place] = coarse.subject(small, expected)
        if allowed is not None:
            mask = np.where(allowed > 127, mask, 0)
        if centre is None or not mask.any():
            continue
        expected = centre if model.scene is not None else expected
        x, y, radius = extent(mask)
        centres[place] = scale * (np.array([x, y]) + 0.5) - 0.5 + (box.x0, box.y0)
        reach[place] = scale * radius
    return centres, reach, bodies


def store_frames(
    clip: ClipWriter,
    source: Video | ImageFolder,
    chosen: np.ndarray,
    boxes: list[SquareBox],
    centres: np.ndarray,
    model: ForegroundModel | None,
    options: ClipOptions,
    arena: np.ndarray | None,
    fill: tuple[int, int, int],
) -> None:
    """Second pass: crop every frame, find the subject in the crop, append in chunks."""
    rows: list[tuple[np.ndarray, int, bool, np.ndarray, np.ndarray | None]] = []
    for place, frame in enumerate(source.at(chosen)):
        box, size = boxes[place], options.size
        image, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
        if frame.image is not None:
            image = take(frame.image, box, size, fill)
            if model is not None:
                expected = (centres[place] - (box.x0, box.y0) + 0.5) * size / box.side - 0.5
                if not np.isfinite(expected).all() or model.scene is None:
                    expected = np.full(2, size / 2)
                mask = model.subject(image, expected, box)[0]
                if arena is not None:
                    mask = np.where(take(arena[..., None], box, size)[..., 0] > 127, mask, 0).astype(np.uint8)
                if model.running is not None:
                    model.running.update(frame.image)
            if options.greyscale:
                image = np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)
        row_mask = None if model is None else mask
        rows.append((image, frame.index, frame.image is not None, box.source_from_store(size), row_mask))
        if len(rows) == CHUNK:
            flush(clip, rows)
    flush(clip, rows)


def flush(clip: ClipWriter, rows: list[Any]) -> None:
    """Append the collected rows and forget them."""
    if not rows:
        return
    images, index, valid, back, masks = zip(*rows, strict=True)
    with_mask = None if masks[0] is None else np.stack(masks)
    clip.append(np.stack(images), np.array(index), np.array(valid), np.stack(back), with_mask)
    rows.clear()


def arena_mask(path: str | None, width: int, height: int) -> np.ndarray | None:
    """The user's mask [H, W], white where the subject can be. Raises DataError when it is no picture."""
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            return np.array(image.convert("L").resize((width, height), Image.Resampling.NEAREST))
    except OSError as error:
        raise DataError(f"mask={path}: cannot be read as a picture ({error})") from error
