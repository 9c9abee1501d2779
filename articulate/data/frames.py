"""Batches of windows of frames from a clip store, addressed by step so that a resumed run sees the same ones."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from articulate.data.store import ClipStore
from articulate.errors import DataError
from articulate.records import Clips, FrameIndex
from articulate.seeds import numpy_generator


def windows(store: ClipStore, clip_length: int, stride: int) -> Int[np.ndarray, "N 2"]:
    """(clip, first position) of every window of `clip_length` decodable frames, `stride` apart and evenly timed.

    Raises DataError when there is none.
    """
    found, longest = [], 0
    for i in range(len(store.clips)):
        good, frame = store.valid(i), store.frame_index(i)
        span = (clip_length - 1) * stride
        starts = np.arange(max(0, len(good) - span))
        usable = good[starts] if len(starts) else np.zeros(0, bool)
        if clip_length > 1 and not store.clips[i].ordered:
            raise DataError(
                f"{store.path}: clip `{store.clips[i].name}` is a set of unordered images, but windows of "
                f"{clip_length} consecutive frames are asked for; use clip_length=1 or a store made of video"
            )
        if clip_length > 1 and len(starts):
            # A clip made with step=2 has frame numbers 0, 2, 4, ...: one constant gap within a window is what counts.
            gap = np.min(np.diff(frame)) if len(frame) > 1 else 1
            even = np.concatenate([[0], np.cumsum((np.diff(frame) != gap) | ~good[1:] | ~good[:-1])])
            usable = usable & (even[starts + span] == even[starts])
        longest = max(longest, int(good.sum()))
        found.append(np.stack([np.full(usable.sum(), i), starts[usable]], axis=1))
    table = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
    if not len(table):
        raise DataError(
            f"{store.path}: no window of {clip_length} frames with stride {stride}; the longest clip has {longest} "
            "good frames. Use a smaller clip_length or stride, or a longer video."
        )
    return table.astype(np.int64)


class FrameBatches(Dataset):
    """Shuffled batches of windows. `batch(step)` depends on (store, seed, step) alone: no state, so resuming is exact.

    Every window comes once per epoch; a batch that crosses the end of an epoch continues in the next. As a torch
    Dataset it holds one batch per item, for a DataLoader with `batch_size=None` and any number of workers.
    """

    def __init__(self, store: ClipStore, batch_size: int, clip_length: int = 1, stride: int = 1, seed: int = 0):
        self.store, self.batch_size, self.clip_length, self.stride, self.seed = (
            store,
            batch_size,
            clip_length,
            stride,
            seed,
        )
        self.table = windows(store, clip_length, stride)
        count = range(len(store.clips))
        self.frames = [store.frames(i) for i in count]
        masks = [store.masks(i) for i in count]
        self.masks = [mask for mask in masks if mask is not None] if store.has_masks else None
        self.numbers = [store.frame_index(i) for i in count]
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Batches per epoch, the last one included when it is filled from the next epoch."""
        return -(-len(self.table) // self.batch_size)

    def __getitem__(self, step: int) -> Clips:
        return self.batch(step)

    def batch(self, step: int) -> Clips:
        """The batch of training step `step`."""
        places = self._places(step)
        frames = np.stack([self.frames[clip][at] for clip, at in places])
        masks = None if self.masks is None else np.stack([self.masks[clip][at] for clip, at in places])
        return to_clips(frames, masks, self.index(step))

    def index(self, step: int) -> FrameIndex:
        """Which frames the batch of a step holds; no pixel is read."""
        places = self._places(step)
        number = np.stack([self.numbers[clip][at] for clip, at in places])
        clip = np.repeat(np.array([clip for clip, _ in places])[:, None], self.clip_length, axis=1)
        return FrameIndex(clip=torch.from_numpy(clip), frame=torch.from_numpy(number))

    def _places(self, step: int) -> list[tuple[int, Int[np.ndarray, " T"]]]:
        """Clip and positions within it of every window of a step."""
        first = step * self.batch_size
        rows = [self._window(sample) for sample in range(first, first + self.batch_size)]
        offsets = np.arange(self.clip_length) * self.stride
        return [(int(clip), start + offsets) for clip, start in rows]

    def _window(self, sample: int) -> np.ndarray:
        epoch, place = divmod(sample, len(self.table))
        if epoch != self._epoch:
            self._order = numpy_generator(self.seed, "frame order", epoch).permutation(len(self.table))
            self._epoch = epoch
        return self.table[self._order[place]]


def row_numbers(store: ClipStore, index: FrameIndex) -> Int[Tensor, "B T"]:
    """Positions, among all frames of the store in order, of the frames `index`."""
    numbers = [store.frame_index(i) for i in range(len(store.clips))]
    starts = np.cumsum([0] + [len(frames) for frames in numbers])
    clip, frame = index.clip.cpu().numpy(), index.frame.cpu().numpy()
    rows = np.empty_like(frame)
    for number in np.unique(clip):
        here = clip == number
        rows[here] = starts[number] + np.searchsorted(numbers[number], frame[here])
    return torch.from_numpy(rows)


def iterate(store: ClipStore, chunk: int = 64) -> Iterator[Clips]:
    """All frames of all clips in order (B = 1, T <= `chunk`); a chunk never holds two clips.

    A frame that could not be decoded is all NaN (mask 0), so that whatever is computed from it says so.
    """
    for i, entry in enumerate(store.clips):
        frames, masks, numbers, valid = store.frames(i), store.masks(i), store.frame_index(i), store.valid(i)
        for start in range(0, entry.num_frames, chunk):
            part = slice(start, min(start + chunk, entry.num_frames))
            number = numbers[part][None]
            mask = None if masks is None or not store.has_masks else masks[part][None]
            index = FrameIndex(torch.from_numpy(np.full_like(number, i)), torch.from_numpy(np.array(number)))
            clips = to_clips(frames[part][None], mask, index)
            clips.frames[0, torch.from_numpy(~valid[part])] = torch.nan
            yield clips


def to_clips(
    frames: UInt8[np.ndarray, "B T S S 3"],
    masks: UInt8[np.ndarray, "B T S S"] | None,
    index: FrameIndex,
) -> Clips:
    """The record of stored pixels: channels first, [0, 1]."""
    pixels = torch.from_numpy(np.array(frames)).permute(0, 1, 4, 2, 3).contiguous()
    mask = None if masks is None else torch.from_numpy(np.array(masks))[:, :, None].to(torch.float32).div_(255)
    return Clips(frames=pixels.to(torch.float32).div_(255), index=index, mask=mask)
