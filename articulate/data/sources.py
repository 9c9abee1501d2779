"""A clip's pixels wherever they are: a video file, or a folder of pictures in natural order."""

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image, UnidentifiedImageError

from articulate.errors import DataError
from articulate.video import VIDEO_SUFFIXES, Video, VideoFrame, VideoInfo

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def natural_order(path: Path) -> list[tuple[int, int | str]]:
    """Sorting key with `frame2` before `frame10`."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", path.name)]


class ImageFolder:
    """A folder of pictures as a video without a clock (25 frames a second are assumed). Same interface as `Video`.

    Pictures of another size than the first are counted as undecodable, as are damaged ones.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.files = sorted((f for f in self.path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), key=natural_order)
        if not self.files:
            raise DataError(f"{path}: holds neither videos nor pictures ({', '.join(IMAGE_SUFFIXES)})")
        first = next((image for image in map(self._read, self.files) if image is not None), None)
        if first is None:
            raise DataError(f"{path}: not one of its {len(self.files)} pictures can be read")
        self.info = VideoInfo(self.path, first.shape[1], first.shape[0], 25.0, len(self.files), False)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[VideoFrame]:
        """Pictures start, start + step, ... below `stop`."""
        yield from self.at(range(start, min(stop or len(self.files), len(self.files)), step))

    def at(self, indices: Sequence[int] | Int[np.ndarray, " N"]) -> Iterator[VideoFrame]:
        """The pictures with these numbers, ascending."""
        for index in sorted({int(i) for i in indices}):
            image = self._read(self.files[index])
            fits = image is not None and image.shape[:2] == (self.info.height, self.info.width)
            yield VideoFrame(index, image if fits else None)

    @staticmethod
    def _read(path: Path) -> np.ndarray | None:
        try:
            with Image.open(path) as image:
                return np.array(image.convert("RGB"))
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
            return None  # counted as undecodable by the caller


def open_source(path: Path | str) -> Video | ImageFolder:
    """The video or the folder of pictures at `path`. Raises DataError when it is neither."""
    return ImageFolder(path) if Path(path).is_dir() else Video(path)


def expand(patterns: Sequence[str]) -> list[Path]:
    """Files, globs, folders of videos, folders of pictures -> one path per clip, in a fixed order, each once.

    Raises DataError naming a pattern that matches nothing.
    """
    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(map(Path, glob.glob(str(Path(pattern).expanduser()), recursive=True)), key=natural_order)
        if not matches:
            kind = "no file matches" if glob.has_magic(pattern) else "no such file or folder"
            raise DataError(f"{pattern}: {kind} (relative paths start at {Path.cwd().name}/)")
        for match in matches:
            videos = (
                sorted((f for f in match.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES), key=natural_order)
                if (match.is_dir())
                else []
            )
            found.extend(videos or [match])
    return list(dict.fromkeys(found))
