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

# What each format is and who opens it; the last two are written from the networks of a run, not from its results.
OPENS_IN = {
    "skeleton": "tree, certainty, lengths and joint ranges as JSON",
    "connections": "connection matrix as a table: every pair with probability and cost",
    "connections_npy": "connection matrix K x K for NumPy",
    "graphml": "tree for networkx, Gephi, Cytoscape",
    "tracks": "2D keypoints with confidence for NumPy",
    "dlc": "2D keypoints as DeepLabCut csv, with a config stub",
    "dlc_h5": "the same as DeepLabCut h5",
    "pose3d": "3D joints for NumPy",
    "anipose": "3D joints as Anipose csv",
    "overlay": "video with the skeleton on it",
    "sleap": "2D keypoints as SLEAP .slp",
    "sleap_h5": "2D keypoints as SLEAP analysis .h5",
    "coco": "2D keypoints as COCO JSON, with scores",
    "nwb": "2D keypoints for NWB and DANDI (ndx-pose)",
    "nwb_3d": "3D joints for NWB and DANDI (ndx-pose)",
    "bvh": "3D motion for Blender and motion capture tools",
    "glb": "animated skeleton (glTF) for Blender, browsers, engines",
    "mjcf": "the discovered body for MuJoCo",
    "urdf": "the discovered body for robotics tools",
    "model": "detector and lifter in one file, with a card, for articulate.load",
    "onnx": "detector and lifter for onnxruntime",
}
ROTATIONS = ("bvh", "glb", "mjcf", "urdf")  # formats that know no positions

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
