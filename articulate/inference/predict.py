"""One video to one result, streaming: memory does not grow with its length, and work on disk survives an end."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from articulate.data.sources import ImageFolder, open_source
from articulate.inference.frames import FrameStream, look_at
from articulate.inference.lift import lift
from articulate.inference.network import FrameDetector
from articulate.lifting.articulation import articulation_from_motion
from articulate.model import Model
from articulate.records import Articulation, FrameIndex, Motion, Tracks
from articulate.result import ClipInfo, Result
from articulate.runs import fingerprint, write_atomic
from articulate.video import Video

BATCH = 32  # frames; batches start at its multiples, so that a resumed video gives the same bits
AHEAD = 3  # batches that wait while the network works

Item = TypeVar("Item")


class Rows:
    """What is found per frame, in memory or in a folder; `done` counts the frames that are complete there."""

    def __init__(self, num_frames: int, num_keypoints: int, folder: Path | None = None, key: str = "") -> None:
        self.folder, self.key, self.done = folder, key, 0
        if folder is not None:
            self.done = self.frames_of_earlier_work()
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            "xy": (np.float32, (num_keypoints, 2)),
            "score": (np.float32, (num_keypoints,)),
            "covariance": (np.float32, (num_keypoints, 2, 2)),
            "source_from_store": (np.float64, (3,)),
            "valid": (np.bool_, ()),
            "centres": (np.float64, (4,)),
        }
        self.arrays = {name: self.array(name, dtype, (num_frames, *rest)) for name, (dtype, rest) in shapes.items()}

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        """One array of all frames, on disk where there is a folder."""
        if self.folder is None:
            return np.zeros(shape, dtype)
        mode = "r+" if self.done else "w+"
        path = self.folder / f"{name}.npy"
        return np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]

    def frames_of_earlier_work(self) -> int:
        """Complete frames of an earlier attempt with the same model, video and settings; else the folder is emptied."""
        assert self.folder is not None
        state = self.folder / "progress.json"
        if state.is_file():
            said = json.loads(state.read_text())
            if said["key"] == self.key:
                return int(said["done"])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return 0

    def write(self, first: int, **values: np.ndarray) -> None:
        """Put a batch in."""
        for name, value in values.items():
            self.arrays[name][first : first + len(value)] = value
            self.done = first + len(value)

    def keep(self) -> None:
        """Let what is complete survive the process."""
        if self.folder is None:
            return
        for array in self.arrays.values():
            array.flush()  # type: ignore[attr-defined]
        write_atomic(self.folder / "progress.json", json.dumps({"key": self.key, "done": self.done}))


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items, made up to `depth` early in a thread of their own."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
        waiting = [pool.submit(next, source, end) for _ in range(depth)]
        while (item := waiting.pop(0).result()) is not end:
            waiting.append(pool.submit(next, source, end))
            yield item  # type: ignore[misc]


def predict_video(
    model: Model,
    path: Path,
    work: Path | None = None,
    keep_every: int = 512,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Keypoints and 3D motion of every frame of the video (or folder of pictures) at `path`.

    With a folder `work`, frames that an earlier attempt finished are taken from there. Undecodable frames become NaN
    rows at their true numbers. `report(done, total)` is called after every batch. Raises DataError for a file that is
    no usable video.
    """
    source = open_source(path)
    total = source.info.num_frames
    key = fingerprint(model.fingerprint, str(path), total, [source.info.width, source.info.height])
    rows = Rows(total, model.num_keypoints, work, key)
    detect_rows(model, source, rows, keep_every, report)
    return assemble(model, source, rows)


def detect_rows(
    model: Model, source: Video | ImageFolder, rows: Rows, keep_every: int, report: Callable[[int, int], None]
) -> None:
    """Detect keypoints in all frames that are not done."""
    total = source.info.num_frames
    if rows.done == total:
        return
    view = look_at(source, model.settings)
    start = rows.done
    if start % BATCH or (view.model is not None and view.model.running is not None):
        start = 0  # a running background knows all earlier frames
    detector = FrameDetector(model.detector, model.settings)
    stream = FrameStream(source, model.settings, BATCH, rows.arrays["centres"], view)
    kept = start
    for batch in ahead(stream.batches(start), AHEAD):
        found = detector(batch.images, batch.masks)
        rows.write(
            batch.first,
            xy=found.xy.numpy(),
            score=found.score.numpy(),
            covariance=found.covariance.numpy(),
            source_from_store=batch.source_from_store,
            valid=batch.valid,
        )
        if rows.done - kept >= keep_every:
            rows.keep()
            kept = rows.done
        report(rows.done, total)
    rows.keep()


def assemble(model: Model, source: Video | ImageFolder, rows: Rows) -> Result:
    """The rows of a video as a result, lifted where the model lifts."""
    total, info = source.info.num_frames, source.info
    index = FrameIndex(torch.zeros(1, total, dtype=torch.int64), torch.arange(total)[None])
    held = {name: torch.from_numpy(np.array(array)) for name, array in rows.arrays.items()}
    valid = held["valid"]
    found = Tracks(held["xy"][None], held["score"][None], held["covariance"][None], index)
    tracks = found.blank(valid)
    motion = None
    if model.lifter is not None:
        motion = lift(model.lifter, tracks, model.skeleton, model.lifting).blank(valid)
    ordered = not isinstance(source, ImageFolder)
    name = info.path.stem if ordered else info.path.name
    clip = ClipInfo(name, info.fps, str(info.path), (info.width, info.height), ordered)
    return Result(
        tracks=tracks,
        skeleton=model.skeleton,
        clips=(clip,),
        source_from_store=held["source_from_store"],
        store_size=model.settings.size,
        motion=motion,
        articulation=articulation_of(model, motion),
        provenance={**model.provenance, "model": model.fingerprint},
    )


def articulation_of(model: Model, motion: Motion | None) -> Articulation | None:
    """The articulated model as this video shows it; that of the training where the video has no good frame."""
    if motion is None or not motion.joints.isfinite().all(-1).all(-1).any():
        return model.articulation
    return articulation_from_motion(motion.joints[0], model.skeleton.edges, model.names, "mean bone length")
