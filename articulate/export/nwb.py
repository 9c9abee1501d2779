"""Neurodata Without Borders through ndx-pose: 2D and 3D in files of their own, one per clip.

`processing/behavior/PoseEstimation`, one series per keypoint, time stamps from true frame numbers and the frame rate.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from articulate.errors import ExportError
from articulate.export.writing import atomic, clip_path, provenance_text, require
from articulate.result import Result

EXTRA = ("ndx_pose", "nwb", "the NWB format")
# The date of a recording is not in its video; NWB wants one.
UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)


def file_for(result: Result, number: int, values: np.ndarray, unit: str, frame: str, dimensions: str) -> Any:
    """An NWB file in memory with the pose `values` [N, K, 2 or 3] of one clip."""
    ndx, pynwb = require(*EXTRA), require("pynwb", "nwb", "the NWB format")
    clip, rows = result.clips[number], result.rows(number)
    rate = clip.fps if clip.fps > 0 else 1.0
    seconds = result.frame[rows].double().cpu().numpy() / rate
    confidence = result.confidence[rows].double().cpu().numpy()
    series = [
        ndx.PoseEstimationSeries(
            name=name,
            description=f"keypoint {k}, discovered without labels",
            data=values[:, k],
            unit=unit,
            reference_frame=frame,
            timestamps=seconds,
            confidence=confidence[:, k],
            confidence_definition="0 to 1: how sure the detector is; 0 where the frame was lost",
        )
        for k, name in enumerate(result.names)
    ]
    edges = np.array(result.edges.tolist(), dtype="uint8").reshape(-1, 2)
    skeleton = ndx.Skeleton(name="discovered", nodes=list(result.names), edges=edges)
    pose = ndx.PoseEstimation(
        name="PoseEstimation",
        pose_estimation_series=series,
        description=f"{dimensions} keypoints and tree of limbs, discovered by articulate",
        original_videos=[clip.source or clip.name],
        dimensions=np.array([[clip.source_size[0], clip.source_size[1]]], dtype="uint16"),
        scorer="articulate",
        source_software="articulate",
        skeleton=skeleton,
    )
    nwb = pynwb.NWBFile(
        session_description=f"articulate: {clip.name}; the date is unknown and set to 1970",
        identifier=f"{clip.name}-{dimensions}",
        session_start_time=UNKNOWN_DATE,
        notes=provenance_text(result),
    )
    module = nwb.create_processing_module("behavior", "pose from video")
    module.add(ndx.Skeletons(skeletons=[skeleton]))
    module.add(pose)
    return nwb


def save(result: Result, path: Path, build: Callable[[int], Any]) -> list[Path]:
    """Write one file per clip."""
    pynwb = require("pynwb", "nwb", "the NWB format")
    written = []
    for number in range(len(result.clips)):
        target = clip_path(result, path, number)
        content = build(number)
        with atomic(target) as partial, pynwb.NWBHDF5IO(str(partial), "w") as stream:
            stream.write(content)
        written.append(target)
    return written


def write_nwb(result: Result, path: Path) -> list[Path]:
    """2D keypoints in pixels of the original video. Raises ExportError without the extra `nwb`."""
    require(*EXTRA)
    xy = result.xy.cpu().numpy()
    place = "(0, 0) is the centre of the video's upper left pixel; x right, y down"
    return save(result, path, lambda number: file_for(result, number, xy[result.rows(number)], "pixels", place, "2D"))


def write_nwb_3d(result: Result, path: Path) -> list[Path]:
    """3D joints in the camera frame. Raises ExportError without 3D or without the extra `nwb`."""
    require(*EXTRA)
    if result.xyz is None:
        raise ExportError(f"{path}: this run has no 3D motion; add the stage `lifting` to its schedule")
    xyz = result.xyz.double().cpu().numpy()
    place = "camera: x right, y down, z forward; origin free in depth"
    unit = "mean bone length"
    return save(result, path, lambda number: file_for(result, number, xyz[result.rows(number)], unit, place, "3D"))
