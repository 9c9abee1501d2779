"""Recorded 3D motion as the source of a built-in clip: reading, turning upright, choosing a window, thickness."""

import glob
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d

from articulate.data.synthetic.family import Family
from articulate.data.synthetic.kinematics import swing_frames
from articulate.data.synthetic.poses import Poses
from articulate.errors import DataError

NEEDED = ("xyz", "parents", "fps", "up_axis")
# Rows take the recording's axes to x, y up, z, without mirroring.
UPRIGHT = {"y": np.eye(3), "z": np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]), "-y": np.diag([1.0, -1.0, -1.0])}
SIDES = (("Left", "Right"), ("left", "right"), ("L", "R"), ("l", "r"))


@dataclass(frozen=True)
class Recording:
    """One recording with y up."""

    name: str
    xyz: Float[np.ndarray, "T K 3"]
    parents: Int[np.ndarray, " K"]
    names: tuple[str, ...]
    fps: float
    units: str


def load_recordings(places: Sequence[str]) -> list[Recording]:
    """All recordings in `places` (files, patterns, folders), which must share one skeleton."""
    files: list[Path] = []
    for place in places:
        path = Path(place).expanduser()
        found = sorted(path.glob("**/*.npz")) if path.is_dir() else sorted(map(Path, glob.glob(str(path))))
        if not found:
            raise DataError(f"motion: {place!r} holds no .npz recording; give files, a pattern or a folder of them")
        files += found
    recordings = [load_recording(path) for path in files]
    kinds = {recording.names: path for recording, path in zip(recordings, files, strict=True)}
    if len(kinds) > 1:
        listed = "; ".join(f"{path.name}: {len(names)} keypoints" for names, path in kinds.items())
        raise DataError(
            f"motion: the recordings have different skeletons ({listed}). Choose files of one, by a pattern."
        )
    return recordings


def load_recording(path: Path) -> Recording:
    """One `.npz` with xyz [T, K, 3], parents [K], fps, up_axis (y, z or -y) and optional kp_names, units."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            absent = [key for key in NEEDED if key not in stored.files]
            if absent:
                raise DataError(f"{path}: lacks {absent}; a recording of motion holds {', '.join(NEEDED)}")
            xyz, parents = np.asarray(stored["xyz"], np.float64), np.asarray(stored["parents"], np.int64)
            names = stored["kp_names"] if "kp_names" in stored.files else np.arange(len(parents)).astype(str)
            fps, up = float(stored["fps"]), str(stored["up_axis"])
            units = str(stored["units"]) if "units" in stored.files else "unknown"
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no readable .npz recording ({error})") from error
    if up not in UPRIGHT:
        raise DataError(f"{path}: up_axis is {up!r}, allowed are {', '.join(UPRIGHT)}")
    if xyz.ndim != 3 or xyz.shape[1:] != (len(parents), 3) or (parents < 0).sum() != 1:
        raise DataError(f"{path}: xyz {xyz.shape} and parents {parents.shape} are not one rooted tree of keypoints")
    good = np.asarray(np.isfinite(xyz).all((1, 2)))
    if not good.any():
        raise DataError(f"{path}: no frame has all keypoints")
    start, stop = longest_run(good)
    return Recording(path.stem, xyz[start:stop] @ UPRIGHT[up].T, parents, tuple(map(str, names)), fps, units)


def longest_run(good: np.ndarray) -> tuple[int, int]:
    """Start and end of the longest stretch of True."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.int8), [0]])))
    starts, stops = bounds[::2], bounds[1::2]
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])


def pose_recording(
    recording: Recording, num_frames: int, stride: int, generator: np.random.Generator, follow: bool
) -> Poses:
    """A window of `num_frames` (or what there is) at a random place; true frames only, nothing is interpolated."""
    available = (len(recording.xyz) - 1) // stride + 1
    length = min(num_frames, available)
    start = int(generator.integers(len(recording.xyz) - (length - 1) * stride))
    points = recording.xyz[start : start + (length - 1) * stride + 1 : stride].copy()
    root = points[:, int(np.flatnonzero(recording.parents < 0)[0])]
    # Slow enough that a step or a jump still shows, fast enough that a walk or a climb stays in the frame.
    path = gaussian_filter1d(root, 0.4 * recording.fps / stride, axis=0, mode="nearest") if follow else root[:1]
    points -= path[:, None]
    return Poses(points, swing_frames(points, recording.parents, tree_edges(recording.parents)))


def tree_edges(parents: Int[np.ndarray, " K"]) -> Int[np.ndarray, "L 2"]:
    """(parent, child) of every keypoint but the root."""
    children = np.flatnonzero(parents >= 0)
    return np.stack([parents[children], children], axis=1)


def recording_family(recording: Recording, recordings: Sequence[Recording]) -> Family:
    """A family without activities: lengths of this recording, one size for all `recordings`.

    Limbs that carry much of the body are thicker: radius = size (0.012 + 0.05 sqrt(descendants / K)).
    """
    parents, edges = recording.parents, tree_edges(recording.parents)
    extents = [np.percentile(np.ptp(r.xyz, axis=1).max(1), 90) for r in recordings]
    size = float(np.median(extents))
    below = np.ones(len(parents))
    for k in np.argsort([-_level(parents, k) for k in range(len(parents))], kind="stable"):
        if parents[k] >= 0:
            below[parents[k]] += below[k]
    thickness = size * (0.012 + 0.05 * np.sqrt(np.minimum(below, 0.5 * len(parents)) / len(parents)))
    starts = np.minimum(thickness[edges[:, 0]], 1.3 * thickness[edges[:, 1]])
    offsets = recording.xyz - recording.xyz[:, np.maximum(parents, 0)]
    return Family(
        name="recording",
        names=recording.names,
        parents=parents,
        offsets=np.median(np.linalg.norm(offsets, axis=-1), axis=0)[:, None] * np.array([0.0, 1.0, 0.0]),
        limits=np.zeros((len(parents), 3, 2)),
        radii=np.stack([starts, thickness[edges[:, 1]]], axis=1),
        pairs=side_pairs(recording.names),
        reference_size=size,
        activities={},
        units=recording.units,
    )


def _level(parents: np.ndarray, k: int) -> int:
    level = 0
    while parents[k] >= 0:
        k, level = int(parents[k]), level + 1
    return level


def side_pairs(names: Sequence[str]) -> Int[np.ndarray, "P 2"]:
    """(left, right) keypoints, from names that differ only by a leading or trailing side."""
    place = {name: k for k, name in enumerate(names)}
    found: dict[int, int] = {}
    for k, name in enumerate(names):
        for left, right in SIDES:
            for twin in (
                right + name.removeprefix(left) if name.startswith(left) else "",
                name.removesuffix(left) + right if name.endswith(left) else "",
            ):
                if twin in place and twin != name:
                    found.setdefault(k, place[twin])
    return np.array(sorted(found.items()), dtype=np.int64).reshape(-1, 2)
