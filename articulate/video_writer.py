"""Writing H.264 video that browsers play."""

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from articulate.errors import ExportError


class VideoWriter:
    """Writes RGB frames as H.264 (yuv420p, mp4, index first); the file appears at `path` when all is written.

    Odd sizes are padded by one repeated row or column, because yuv420p needs even ones. Raises ExportError when the
    file cannot be written.
    """

    def __init__(self, path: Path | str, fps: float | int, quality: int = 20):
        self.path, self.fps, self.quality = Path(path), Fraction(fps).limit_denominator(1001), quality
        self.partial = self.path.with_name(f".{self.path.name}.partial")
        self.container: Any = None
        self.stream: Any = None

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """Append one frame; the first one sets the size."""
        height, width = image.shape[:2]
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            if self.stream is None:
                self._start(image.shape[1], image.shape[0])
            assert image.shape[:2] == (self.stream.height, self.stream.width), "all frames must have one size"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            self.container.mux(self.stream.encode(frame))
        except OSError as error:
            raise self._failed(error) from error

    def _start(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.container = av.open(str(self.partial), "w", format="mp4", options={"movflags": "+faststart"})
        self.stream = self.container.add_stream("libx264", rate=self.fps)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        # One encoding thread: the same frames give the same file on any machine.
        self.stream.codec_context.thread_count = 1
        self.stream.options = {"crf": str(self.quality), "preset": "veryfast"}

    def _failed(self, error: OSError) -> ExportError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return ExportError(f"{self.path}: cannot be written ({'the disk is full' if full else error})")

    def __exit__(self, kind, value, trace) -> None:
        try:
            if self.container is None:
                if kind is None:
                    raise ExportError(f"{self.path}: no frame was written, so there is no video")
                return
            try:
                if kind is None:
                    self.container.mux(self.stream.encode())
            finally:
                self.container.close()
            if kind is None:
                self.partial.replace(self.path)
        except OSError as error:
            if kind is None:
                raise self._failed(error) from error
        finally:
            self.partial.unlink(missing_ok=True)
