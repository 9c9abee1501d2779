"""Frames and masks of a store as the body-axis strategy needs them: contrast to the background inside the mask."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8

from articulate.data.store import ClipStore

BLOCK = 256  # consecutive frames that are kept together when a store is sampled


@dataclass(frozen=True)
class BodyPictures:
    """The sampled frames of a store: which rows they are, what time order they have, mask and contrast."""

    rows: Int[np.ndarray, " T"]  # place of the frame in the store, all clips one after the other
    follows: Bool[np.ndarray, " T"]  # the frame comes right after the one before it, in the same clip
    mask: UInt8[np.ndarray, "T S S"]  # soft foreground, 255 = subject
    contrast: UInt8[np.ndarray, "T S S"]  # 128 = level of the background; nothing outside the mask
    grey: UInt8[np.ndarray, "T S S"]  # the same with what is outside the mask

    @property
    def size(self) -> int:
        """Side of the square frames in pixels."""
        return self.mask.shape[1]


def sampled_rows(num_frames: int, most: int) -> Int[np.ndarray, " N"]:
    """Numbers of at most `most` frames: all, or evenly spread blocks of consecutive ones."""
    if num_frames <= most:
        return np.arange(num_frames)
    blocks = max(1, most // BLOCK)
    length = min(BLOCK, most)
    starts = np.linspace(0, num_frames - length, blocks).round().astype(int)
    return np.unique(np.concatenate([np.arange(s, s + length) for s in starts]))


def read_pictures(store: ClipStore, most: int) -> BodyPictures | str:
    """Masks and contrast of at most `most` decodable frames with a subject; the reason, when there are too few.

    Contrast is the grey level less the clip's level outside the mask, inside the mask alone, so that neither the arena
    nor a second animal plays a part.
    """
    if not store.has_masks:
        return "the store has no foreground masks"
    rows, follows, masks, greys = [], [], [], []
    first = 0
    for i, clip in enumerate(store.clips):
        chosen = sampled_rows(clip.num_frames, max(BLOCK, most * clip.num_frames // max(1, store.num_frames)))
        mask = np.asarray(store.masks(i))[chosen]
        use = store.valid(i)[chosen] & (mask >= 128).any((1, 2))
        chosen, mask = chosen[use], mask[use]
        if len(chosen):
            greys.append(levels_of(np.asarray(store.frames(i))[chosen], mask))
            masks.append(mask)
            rows.append(first + chosen)
            follows.append(np.concatenate([[False], np.diff(store.frame_index(i)[chosen]) <= 2 * step_of(store, i)]))
        first += clip.num_frames
    if sum(map(len, rows)) < 30:
        return "fewer than 30 frames show a subject"
    mask, grey = np.concatenate(masks), np.concatenate(greys)
    return BodyPictures(np.concatenate(rows), np.concatenate(follows), mask, within(grey, mask), grey)


def step_of(store: ClipStore, i: int) -> int:
    """Usual distance of stored frames of clip `i` in frames of the video."""
    steps = np.diff(store.frame_index(i))
    return int(np.median(steps)) if len(steps) else 1


def levels_of(
    frames: UInt8[np.ndarray, "T S S 3"], mask: UInt8[np.ndarray, "T S S"], sampled: int = 100
) -> UInt8[np.ndarray, "T S S"]:
    """Half the grey level relative to the background's median, 128 = the same."""
    some = np.unique(np.linspace(0, len(frames) - 1, sampled).astype(int))
    outside = frames[some].mean(-1)[mask[some] == 0]
    level = float(np.median(outside)) if len(outside) else 0.0
    result = np.empty(mask.shape, np.uint8)
    for t in range(0, len(frames), BLOCK):
        part = slice(t, t + BLOCK)
        difference = frames[part].astype(np.float32).mean(-1) - level
        result[part] = np.clip(128 + difference / 2, 0, 255).round().astype(np.uint8)
    return result


def within(grey: UInt8[np.ndarray, "T S S"], mask: UInt8[np.ndarray, "T S S"]) -> UInt8[np.ndarray, "T S S"]:
    """The same levels with zero contrast (128) outside the mask."""
    result = np.empty(mask.shape, np.uint8)
    for t in range(0, len(grey), BLOCK):
        part = slice(t, t + BLOCK)
        difference = (grey[part].astype(np.float32) - 128) * (mask[part].astype(np.float32) / 255)
        result[part] = (128 + difference).round().astype(np.uint8)
    return result
