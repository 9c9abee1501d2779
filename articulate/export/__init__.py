"""Results in the formats of other tools: one file per format, one function `(result, path) -> files written` each."""

from collections.abc import Callable, Sequence
from pathlib import Path

from articulate.export.arrays import write_anipose_csv, write_pose3d_npz, write_tracks_npz
from articulate.export.deeplabcut import write_dlc_csv, write_dlc_h5
from articulate.export.overlay import write_overlay
from articulate.export.skeleton_files import (
    write_connections_csv,
    write_connections_npy,
    write_graphml,
    write_skeleton_json,
)
from articulate.result import Result

EXPORTERS: dict[str, Callable[[Result, Path], list[Path]]] = {
    "skeleton": write_skeleton_json,
    "connections": write_connections_csv,
    "connections_npy": write_connections_npy,
    "graphml": write_graphml,
    "tracks": write_tracks_npz,
    "dlc": write_dlc_csv,
    "dlc_h5": write_dlc_h5,
    "pose3d": write_pose3d_npz,
    "anipose": write_anipose_csv,
    "overlay": write_overlay,
}

# What every run leaves in its folder of results, in this order; `pose3d` only when there is 3D motion.
RUN_FILES = {
    "skeleton": "skeleton.json",
    "connections": "connections.csv",
    "connections_npy": "connections.npy",
    "graphml": "skeleton.graphml",
    "tracks": "tracks.npz",
    "dlc": "tracks_dlc.csv",
    "pose3d": "pose3d.npz",
    "overlay": "overlay.mp4",
}


def write_run_files(result: Result, folder: Path, formats: Sequence[str] = tuple(RUN_FILES)) -> list[Path]:
    """Write the files of a run into `folder` under their fixed names. Raises ExportError for the first that fails."""
    written = []
    for name in formats:
        if name == "pose3d" and result.motion is None:
            continue
        written += EXPORTERS[name](result, folder / RUN_FILES[name])
    return written
