"""Pictures to draw results on: the original video where it can be opened, else the frames of the clip store."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.errors import DataError, ExportError
from articulate.geometry.coordinates import pixels_from_normalised
from articulate.result import Result
from articulate.video import VIDEO_SUFFIXES, Video


def source_video(result: Result, number: int) -> Video | None:
    """The original video of a clip when it is still there and readable."""
    path = Path(result.clips[number].source)
    if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
        return None
    try:
        return Video(path)
    except DataError:
        return None


def pictures(
    result: Result, number: int, rows: Int[Tensor, " N"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"], Float[np.ndarray, "K 2"]]]:
    """(row, RGB picture, keypoints in its pixels) for ascending `rows` of clip `number`.

    Raises ExportError when neither the video nor the clip store can be opened. Undecodable frames are black.
    """
    video = source_video(result, number)
    if video is None:
        yield from stored_pictures(result, number, rows)
        return
    xy, frames = result.xy, result.frame[rows].tolist()
    shape = (video.info.height, video.info.width, 3)
    row_of = dict(zip(frames, rows.tolist(), strict=True))
    for frame in video.at(frames):
        image = np.zeros(shape, np.uint8) if frame.image is None else frame.image
        row = row_of[frame.index]
        yield row, image, xy[row].numpy()


def stored_pictures(
    result: Result, number: int, rows: Int[Tensor, " N"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"], Float[np.ndarray, "K 2"]]]:
    """The same from the clip store: the square stored frames."""
    if not result.store or not Path(result.store).is_dir():
        raise ExportError(
            f"{result.clips[number].name}: its video ({result.clips[number].source or 'generated'}) and its clip store "
            f"({result.store or 'none'}) are gone, so there is nothing to draw on; make the store again"
        )
    store = ClipStore.open(result.store)
    stored, place = store.frames(number), {int(f): i for i, f in enumerate(store.frame_index(number).tolist())}
    pixels = pixels_from_normalised(result.tracks.xy[0], (store.image_size, store.image_size))
    for row in rows.tolist():
        yield row, np.asarray(stored[place[int(result.frame[row])]]), pixels[row].double().numpy()


def spread_rows(result: Result, at_most: int) -> Sequence[tuple[int, Int[Tensor, " N"]]]:
    """Rows to show of every clip: `at_most` in all, from the start of each clip, in the order of time."""
    share = max(1, at_most // max(1, len(result.clips)))
    return [(number, result.rows(number)[:share]) for number in range(len(result.clips))]
