"""One video to one result, streaming: memory does not grow with its length, and work on disk survives an end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from articulate.data.sources import ImageFolder, open_source
from articulate.inference.frames import FrameStream, look_at
from articulate.inference.lift import lift
from articulate.inference.memory import give_back_freed
from articulate.inference.network import FrameDetector
from articulate.inference.rows import Rows
from articulate.inference.threads import detections, one_thread_each
from articulate.lifting.articulation import articulation_from_motion
from articulate.model import Model
from articulate.records import Articulation, FrameIndex, Motion, Tracks
from articulate.result import ClipInfo, Result
from articulate.runs import fingerprint
from articulate.video import Video

BATCH = 32  # frames; batches start at its multiples, so that a resumed video gives the same bits
MODEL_FRAMES = 2048  # frames spread over a video that tell its rest pose and joint ranges


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
    with one_thread_each() as threads:
        detect_rows(model, source, rows, threads, keep_every, report)
        give_back_freed()
        return assemble(model, source, rows)


def detect_rows(
    model: Model,
    source: Video | ImageFolder,
    rows: Rows,
    threads: int,
    keep_every: int,
    report: Callable[[int, int], None],
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
    for batch, found in detections(detector, stream.batches(start), threads):
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
    info, tracks = source.info, tracks_of(rows)
    valid, source_from_store = (
        torch.from_numpy(np.array(rows.arrays[name])) for name in ("valid", "source_from_store")
    )
    rows.close()
    motion, ordered = None, not isinstance(source, ImageFolder)
    if model.lifter is not None:
        motion = lift(model.lifter, tracks, model.skeleton, model.lifting, ordered)
        motion = motion if valid.all() else motion.blank(valid)
        give_back_freed()
    name = info.path.stem if ordered else info.path.name
    clip = ClipInfo(name, info.fps, str(info.path), (info.width, info.height), ordered)
    return Result(
        tracks=tracks,
        skeleton=model.skeleton,
        clips=(clip,),
        source_from_store=source_from_store,
        store_size=model.settings.size,
        motion=motion,
        articulation=articulation_of(model, motion),
        provenance={**model.provenance, "model": model.fingerprint},
    )


def tracks_of(rows: Rows) -> Tracks:
    """The tracks of a video's rows; frames that could not be decoded are NaN."""
    xy, score, covariance, valid = (
        torch.from_numpy(np.array(rows.arrays[name])) for name in ("xy", "score", "covariance", "valid")
    )
    index = FrameIndex(torch.zeros(1, len(xy), dtype=torch.int64), torch.arange(len(xy))[None])
    tracks = Tracks(xy[None], score[None], covariance[None], index)
    return tracks if valid.all() else tracks.blank(valid)


def articulation_of(model: Model, motion: Motion | None) -> Articulation | None:
    """The articulated model as this video shows it; that of the training where the video has no good frame."""
    if motion is None:
        return model.articulation
    joints = motion.joints[0]
    good = joints.isfinite().all(-1).all(-1).nonzero().flatten()
    if not len(good):
        return model.articulation
    spread = good[torch.linspace(0, len(good) - 1, min(MODEL_FRAMES, len(good))).round().long()]
    return articulation_from_motion(joints[spread], model.skeleton.edges, model.names, "mean bone length")
