"""Results in the formats of other tools: one file per format, one function `(result, path) -> files written` each."""

from collections.abc import Callable, Sequence
from pathlib import Path

from articulate.export.arrays import write_anipose_csv, write_pose3d_npz, write_tracks_npz
from articulate.export.bvh import write_bvh
from articulate.export.coco import write_coco
from articulate.export.deeplabcut import write_dlc_csv, write_dlc_h5
from articulate.export.gltf import write_gltf
from articulate.export.mujoco_models import write_mjcf, write_urdf
from articulate.export.nwb import write_nwb, write_nwb_3d
from articulate.export.overlay import write_overlay
from articulate.export.skeleton_files import (
    write_connections_csv,
    write_connections_npy,
    write_graphml,
    write_skeleton_json,
)
from articulate.export.sleap import write_analysis_h5, write_slp
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
    "sleap": write_slp,
    "sleap_h5": write_analysis_h5,
    "coco": write_coco,
    "nwb": write_nwb,
    "nwb_3d": write_nwb_3d,
    "bvh": write_bvh,
    "glb": write_gltf,
    "mjcf": write_mjcf,
    "urdf": write_urdf,
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
