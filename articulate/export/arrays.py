"""Tracks and 3D poses as NumPy archives, and 3D poses as the table that Anipose writes."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from articulate.errors import ExportError
from articulate.export.writing import atomic, clip_path, provenance_text
from articulate.result import Result

CHUNK = 4096  # frames that are turned into pixels at once, in double precision


def shared_arrays(result: Result) -> dict[str, np.ndarray]:
    """What both archives say: whose frame each row is, names, tree, provenance."""
    return {
        "clip": result.clip.cpu().numpy(),
        "frame": result.frame.cpu().numpy(),
        "clip_names": np.array([clip.name for clip in result.clips]),
        "fps": np.array([clip.fps for clip in result.clips]),
        "names": np.array(result.names),
        "edges": result.edges.cpu().numpy(),
        "provenance": np.array(provenance_text(result)),
    }


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> list[Path]:
    """Write a compressed `.npz` as `numpy.savez_compressed` does, but piece by piece: a long video takes no more."""
    with atomic(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            array = np.ascontiguousarray(array).reshape(array.shape)  # without axes it would get one
            header = np.lib.format.header_data_from_array_1_0(array)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(array) if array.ndim else 1, CHUNK):
                    file.write((array[start : start + CHUNK] if array.ndim else array).tobytes())
    return [path]


def write_tracks_npz(result: Result, path: Path) -> list[Path]:
    """`tracks.npz`: keypoints in pixels of the original video with confidence and covariance (pixels^2)."""
    xy = np.empty(result.tracks.xy.shape[1:], np.float32)
    for rows in torch.arange(len(xy)).split(CHUNK):
        xy[rows] = result.pixels(rows).cpu().numpy()
    pixels = (result.source_from_store[:, 0].double() * result.store_size / 2).float()  # video pixels per image unit
    covariance = result.tracks.covariance[0].float() * pixels[:, None, None, None].square()
    own = {
        "xy": xy,
        "confidence": result.confidence.float().cpu().numpy(),
        "covariance": covariance.cpu().numpy(),
        "source_size": np.array([clip.source_size for clip in result.clips]),
        "source_from_store": result.source_from_store.cpu().numpy(),
        "store_size": np.array(result.store_size),
    }
    return save_arrays(path, own | shared_arrays(result))


def write_pose3d_npz(result: Result, path: Path) -> list[Path]:
    """`pose3d.npz`: joints in the camera frame in mean bone lengths, bone lengths, camera. Raises without 3D."""
    motion = result.motion
    if motion is None:
        raise ExportError(f"{path}: this run has no 3D motion; add the stage `lifting` to its schedule")
    own = {
        "xyz": motion.joints[0].float().cpu().numpy(),
        "bone_lengths": motion.bone_lengths[0].float().cpu().numpy(),
        "camera_scale": motion.camera.scale[0].float().cpu().numpy(),
        "camera_translation": motion.camera.translation[0].float().cpu().numpy(),
        "units": np.array("mean bone length"),
    }
    if motion.confidence is not None:
        own["bone_confidence"] = motion.confidence[0].float().cpu().numpy()
    return save_arrays(path, own | shared_arrays(result))


def write_anipose_csv(result: Result, path: Path) -> list[Path]:
    """3D table as Anipose writes it (NAME_x, _y, _z, _error, _ncams, _score, fnum), one file per clip.

    One camera: `_error` is empty, `_ncams` is 1. Unit: mean bone length; frame: the camera's, with M = identity.
    """
    if result.xyz is None:
        raise ExportError(f"{path}: this run has no 3D motion; add the stage `lifting` to its schedule")
    written = []
    for number in range(len(result.clips)):
        rows = result.rows(number)
        xyz, score = result.xyz[rows].double().cpu().numpy(), result.confidence[rows].double().cpu().numpy()
        columns: dict[str, np.ndarray] = {}
        for k, name in enumerate(result.names):
            for axis, letter in enumerate("xyz"):
                columns[f"{name}_{letter}"] = xyz[:, k, axis]
            columns[f"{name}_error"] = np.full(len(rows), np.nan)
            columns[f"{name}_ncams"] = np.isfinite(xyz[:, k]).all(-1).astype(float)
            columns[f"{name}_score"] = score[:, k]
        for i in range(3):
            for j in range(3):
                columns[f"M_{i}{j}"] = np.full(len(rows), float(i == j))
            columns[f"center_{i}"] = np.zeros(len(rows))
        columns["fnum"] = result.frame[rows].cpu().numpy()
        target = clip_path(result, path, number)
        with atomic(target) as partial:
            pd.DataFrame(columns).to_csv(partial, index=False, chunksize=500)
        written.append(target)
    return written
