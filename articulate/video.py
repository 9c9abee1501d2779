"""Video in and out: streaming with exact frame numbers, a probe, and an H.264 writer that browsers play.

The true number of a frame is the rank of its time stamp among all packets of the file. A frame that cannot be decoded
is therefore missed at its own number, and decoding goes on after it.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from jaxtyping import Int, UInt8

from articulate.errors import DataError
from articulate.video_writer import VideoWriter

__all__ = ["VIDEO_SUFFIXES", "Video", "VideoFrame", "VideoInfo", "VideoWriter"]

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts", ".gif", ".ts")


WORTH_A_JUMP = 24  # frames; decoding this many costs about as much as opening and seeking


class VideoFrame(NamedTuple):
    """A frame's true number in its video and its RGB pixels; `image` is None when it cannot be decoded."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs on a frame
    image: UInt8[np.ndarray, "H W 3"] | None


@dataclass(frozen=True)
class VideoInfo:
    """Facts of one video. `width` and `height` are those of the upright picture, after the stored rotation."""

    path: Path
    width: int
    height: int
    fps: float
    num_frames: int
    variable_frame_rate: bool
    truncated: int = 0  # frames that the header promises and the file does not hold; they count in `num_frames`


class Video:
    """A video file. Opening reads its packets once without decoding; raises DataError when it is no usable video."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        check_file(self.path)
        with open_container(self.path) as container:
            stream = container.streams.video[0]
            self.exact, self.stamps, self.keys, promised = packet_table(container, stream)
            rate = stream.average_rate or stream.base_rate or Fraction(25)
            seconds = float(stream.time_base or Fraction(1, 90000))
        fps, variable = frame_rate(self.stamps * seconds, float(rate)) if self.exact else (float(rate), False)
        every = range(len(self.stamps))
        first = next(
            (frame.image for frame in self._decode(0, len(self.stamps), every) if frame.image is not None), None
        )
        if first is None:
            raise DataError(f"{self.path}: not one of its {len(self.stamps)} frames can be decoded; is it damaged?")
        lost = max(0, promised - len(self.stamps))
        height, width = first.shape[:2]
        self.info = VideoInfo(self.path, width, height, fps, len(self.stamps) + lost, variable, lost)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[VideoFrame]:
        """Frames start, start + step, ... below `stop`, each once and in order; memory stays at a few frames."""
        end = self.info.num_frames if stop is None else min(stop, self.info.num_frames)
        stored = min(end, len(self.stamps))
        wanted = range(start, end, step)
        yield from map(self._same_size, self._decode(start, stored, wanted))
        yield from (VideoFrame(index, None) for index in wanted if index >= stored)

    def at(self, indices: Sequence[int] | Int[np.ndarray, " N"]) -> Iterator[VideoFrame]:
        """The frames with these true numbers, ascending; jumps over stretches that hold a key frame."""
        wanted = sorted({int(i) for i in indices if i < self.info.num_frames})
        while wanted:
            # One run of decoding serves all numbers up to the next one that a later key frame reaches sooner.
            run = [wanted[0]]
            for index in wanted[1:]:
                if self._key_before(index) > run[-1] + WORTH_A_JUMP:
                    break
                run.append(index)
            chosen = set(run)
            stored = min(run[-1] + 1, len(self.stamps))
            yield from map(self._same_size, self._decode(run[0], stored, chosen))
            yield from (VideoFrame(index, None) for index in run if index >= stored)
            wanted = wanted[len(run) :]

    def _same_size(self, frame: VideoFrame) -> VideoFrame:
        shape = (self.info.height, self.info.width, 3)
        return frame if frame.image is None or frame.image.shape == shape else VideoFrame(frame.index, None)

    def _key_before(self, index: int) -> int:
        place = int(np.searchsorted(self.keys, index, side="right")) - 1
        return int(self.keys[place]) if place >= 0 else 0

    def _decode(self, start: int, stop: int, wanted: Container[int]) -> Iterator[VideoFrame]:
        """The frames below `stop` that are `wanted`; only these are turned into colours, which costs as much as
        decoding them."""
        following = start  # the next number to hand out
        with open_container(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO" if self.exact else "NONE"
            key = self._key_before(start)
            if self.exact and key > 0:
                container.seek(int(self.stamps[key]), stream=stream)
            ranked = self._ranked(container, stream) if self.exact else counted(container, stream)
            colours = VideoReformatter()
            for index, picture in ranked:
                if index >= stop:
                    break
                if index < following:
                    continue
                yield from (VideoFrame(missing, None) for missing in range(following, index) if missing in wanted)
                if index in wanted:
                    yield VideoFrame(index, None if picture is None else upright(picture, colours))
                following = index + 1
        yield from (VideoFrame(missing, None) for missing in range(following, stop) if missing in wanted)

    def _ranked(self, container, stream) -> Iterator[tuple[int, av.VideoFrame | None]]:
        """Decodable frames with their numbers. Bidirectional frames in front of a loss are lost too: what they lean
        on is gone, and decoders paint over it without a word."""
        waiting: list[tuple[int, av.VideoFrame]] = []
        for frame in (frame for frames in decoded(container, stream) for frame in frames or ()):
            rank = int(np.searchsorted(self.stamps, frame.pts)) if frame.pts is not None else len(self.stamps)
            if rank == len(self.stamps) or self.stamps[rank] != frame.pts or frame.is_corrupt:
                continue
            if waiting and waiting[-1][0] + 1 != rank:
                waiting = []
            if frame.pict_type == PictureType.B:
                waiting.append((rank, frame))
                continue
            yield from waiting
            waiting = []
            yield rank, frame
        if waiting and waiting[-1][0] + 1 == len(self.stamps):
            yield from waiting


def check_file(path: Path) -> None:
    """Raise DataError when `path` is no file that could hold a video."""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: a folder, where a video file is expected")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); was its copy interrupted?")


def open_container(path: Path):
    """An open PyAV container with at least one picture stream. Raises DataError otherwise."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}: cannot be read as a video ({reason}). The file is truncated, damaged, or no video at all; "
            "copy it again or convert it (ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4)."
        ) from error
    if not container.streams.video or container.format.name == "tty":  # tty: text drawn as a picture
        kind = container.format.long_name
        container.close()
        raise DataError(f"{path}: holds no video frames (it was recognised as: {kind})")
    return container


def packet_table(container, stream) -> tuple[bool, np.ndarray, np.ndarray, int]:
    """Whether time stamps are unique, their sorted list, the ranks of key frames, and the promised frame count."""
    stamps: list[int | None] = []
    keys: list[int | None] = []
    discarded = 0
    try:
        for packet in container.demux(stream):
            if packet.size and packet.is_discard:
                discarded += 1
            elif packet.size:
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    except av.error.FFmpegError:
        pass  # the file ends early; the frames up to here are good, the rest is counted as lost
    if not stamps:
        raise DataError(f"{container.name}: holds no video frames; the file is truncated or damaged")
    known = [stamp for stamp in stamps if stamp is not None]
    exact = len(known) == len(stamps) == len(set(known))
    # Only these containers state the count of frames reliably; others guess it from the duration.
    reliable = "mp4" in container.format.name and exact
    promised = stream.frames - discarded if reliable else 0
    if not exact:
        return False, np.arange(len(stamps), dtype=np.int64), np.zeros(1, np.int64), promised
    table = np.sort(np.array(known, dtype=np.int64))
    ranks = np.searchsorted(table, np.sort(np.array([k for k in keys if k is not None], dtype=np.int64)))
    return True, table, ranks, promised


def decoded(container, stream) -> Iterator[list | None]:
    """Decoded frames packet by packet, None for a packet that cannot be decoded."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            packet = None  # damaged to the end
        if packet is None:
            return
        try:
            yield packet.decode()
        except av.error.FFmpegError:
            yield None


def counted(container, stream) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """Frames numbered by counting, for files whose time stamps are absent or repeat."""
    index = 0
    for frames in decoded(container, stream):
        for picture in [None] if frames is None else [None if f.is_corrupt else f for f in frames]:
            yield index, picture
            index += 1


def upright(frame: av.VideoFrame, colours: VideoReformatter) -> UInt8[np.ndarray, "H W 3"]:
    """RGB pixels, turned as the file asks (phones store portrait video lying down).

    `colours` keeps its tables from frame to frame; a frame that converts itself makes new ones, at ten times the time.
    """
    image = colours.reformat(frame, format="rgb24").to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def frame_rate(seconds: np.ndarray, stated: float) -> tuple[float, bool]:
    """Frames per second, and whether the gaps between frames vary (more than a quarter, in over 0.5 % of gaps)."""
    if len(seconds) < 3:
        return stated, False
    gaps = np.diff(seconds)
    typical = float(np.median(gaps))
    uneven = float(np.mean(np.abs(gaps - typical) > 0.25 * typical))
    variable = uneven > 0.005
    if not variable and abs(stated * typical - 1) < 0.1:
        return stated, False
    return float((len(seconds) - 1) / (seconds[-1] - seconds[0])), variable
