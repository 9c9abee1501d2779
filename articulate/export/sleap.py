"""SLEAP: predictions as `.slp` and as analysis `.h5`, through sleap-io. Pixels of the original videos."""

from pathlib import Path
from typing import Any

from articulate.export.writing import atomic, clip_path, require, short_provenance
from articulate.result import Result

EXTRA = ("sleap_io", "sleap", "the SLEAP format")


def labels_of(result: Result) -> Any:
    """All clips as sleap-io `Labels`: one video, one track and one predicted instance per found frame of each."""
    sio = require(*EXTRA)
    nodes = [sio.Node(name) for name in result.names]
    edges = [sio.Edge(nodes[a], nodes[b]) for a, b in result.edges.tolist()]
    skeleton = sio.Skeleton(nodes=nodes, edges=edges, name="articulate")
    track = sio.Track("subject")
    xy, score = result.xy.cpu().numpy(), result.confidence.double().cpu().numpy()
    videos, found = [], []
    for number, clip in enumerate(result.clips):
        rows = result.rows(number).tolist()
        frames = result.frame[rows].tolist()
        shape = (max(frames) + 1, clip.source_size[1], clip.source_size[0], 3)
        video = sio.Video(clip.source or f"{clip.name}.mp4", backend_metadata={"shape": shape}, open_backend=False)
        videos.append(video)
        for row, frame in zip(rows, frames, strict=True):
            instance = sio.PredictedInstance.from_numpy(
                points_data=xy[row],
                skeleton=skeleton,
                point_scores=score[row],
                score=float(score[row].mean()),
                track=track,
            )
            found.append(sio.LabeledFrame(video=video, frame_idx=frame, instances=[instance]))
    about = {key: str(value) for key, value in short_provenance(result).items()}
    return sio.Labels(found, videos=videos, skeletons=[skeleton], tracks=[track], provenance=about)


def write_slp(result: Result, path: Path) -> list[Path]:
    """Write one `.slp` with all videos. Raises ExportError without the extra `sleap`."""
    labels = labels_of(result)
    with atomic(path) as partial:
        require(*EXTRA).save_slp(labels, str(partial), embed=False, verbose=False)
    return [path]


def write_analysis_h5(result: Result, path: Path) -> list[Path]:
    """Write SLEAP's analysis `.h5`, one per video. Raises ExportError without the extra `sleap`."""
    sio, labels = require(*EXTRA), labels_of(result)
    written = []
    for number in range(len(result.clips)):
        target = clip_path(result, path, number)
        with atomic(target) as partial:
            sio.save_analysis_h5(labels, str(partial), video=number)
        written.append(target)
    return written
