"""Recipe `video_folder`: videos or folders of pictures -> a clip store of square frames with foreground masks.

    python datasets/video_folder.py --out stores/mouse 'videos=[data/mouse*.mp4]' size=128

Each clip gets a background model from sampled frames, a square crop of fixed size that follows the subject where the
camera stands still, and a mask per frame. Everything streams: memory does not grow with the length of a video.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from articulate.data.recipe_cli import recipe_main
from articulate.data.sources import expand, open_source
from articulate.data.store import StoreWriter
from articulate.data.video_clips import CHUNK, add_clip
from articulate.errors import ConfigError


class Options(BaseModel):
    """What to take from which videos, and how to store it."""

    model_config = ConfigDict(extra="forbid")

    recipe: Literal["video_folder"] = "video_folder"
    videos: list[str] = Field(min_length=1, description="files, globs, folders of videos or of pictures")
    size: int = Field(128, ge=16, le=1024, description="side of the stored square frames in pixels")
    crop: Literal["auto", "none", "follow", "center"] | tuple[int, int, int, int] = Field(
        "auto", description="auto | none | follow | center | [x, y, width, height] in pixels of the video"
    )
    foreground: Literal["auto", "none", "median", "running", "dark", "bright", "colour_key"] = Field(
        "auto", description="how the subject is told from the background"
    )
    key: tuple[int, int, int] | None = Field(None, description="background colour for colour_key (red, green, blue)")
    start: int = Field(0, ge=0, description="first frame")
    stop: int | None = Field(None, ge=1, description="one past the last frame; null: to the end")
    step: int = Field(1, ge=1, description="take every n-th frame")
    max_frames: int | None = Field(
        20000, ge=3, description="most frames in all; longer videos give blocks spread evenly"
    )
    greyscale: bool = Field(False, description="drop the colour")
    mask: str | None = Field(None, description="picture of the arena: only its white part can hold the subject")


def source_state(options: Options) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the raw files, so that changed videos make a new store."""
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in expand(options.videos)]


def make(options: Options, out: Path, report: Callable[[str], None] = print) -> None:
    """Write the store `out`. Raises DataError for unusable videos, ConfigError for options that contradict."""
    paths = expand(options.videos)
    sources = [open_source(path) for path in paths]  # every bad file is reported before any work
    ranges = [frame_range(source.info.num_frames, options, source.path) for source in sources]
    shares = fair_shares([len(frames) for frames in ranges], options.max_frames)
    recorded = options.model_dump(mode="json")
    with StoreWriter(out, recipe=options.recipe, options=recorded, image_size=options.size) as writer:
        for source, frames, share in zip(sources, ranges, shares, strict=True):
            add_clip(writer, source, chosen_frames(frames, share), options, report)


def fair_shares(lengths: Sequence[int], most: int | None) -> list[int]:
    """How many frames to take of each video: the same of all, and what short ones leave goes to the longer ones."""
    shares = list(lengths)
    left = sum(lengths) if most is None else max(most, 3 * len(lengths))
    by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
    for place, i in enumerate(by_length):
        shares[i] = min(lengths[i], left // (len(lengths) - place))
        left -= shares[i]
    return shares


def frame_range(num_frames: int, options: Options, path: Path) -> np.ndarray:
    """True numbers of the frames that the options allow. Raises ConfigError when there are none."""
    frames = np.arange(options.start, min(options.stop or num_frames, num_frames), options.step)
    if not len(frames):
        raise ConfigError(
            f"{path}: start={options.start}, stop={options.stop} leave none of its {num_frames} frames; "
            "choose a range inside the video"
        )
    return frames


def chosen_frames(frames: np.ndarray, share: int) -> np.ndarray:
    """True numbers of the frames to store: the range, and of a long one evenly spread blocks of consecutive frames."""
    if len(frames) <= share:
        return frames
    count = -(-share // CHUNK)
    edges = np.linspace(0, share, count + 1).round().astype(int)
    starts = np.linspace(0, len(frames) - share, count).round().astype(int) + edges[:-1]
    return np.concatenate([frames[s : s + n] for s, n in zip(starts, np.diff(edges), strict=True)])


if __name__ == "__main__":
    sys.exit(recipe_main(Options, make, __doc__ or "", Path(__file__).name))
