"""Recipe `h36m`: your own download of Human3.6M (licensed; nothing is fetched) -> a clip store with 16 joints as truth.

    python datasets/h36m.py --out stores/h36m root=/data/h36m split=train step=5

Expected below `root`, as the site's archives unpack:

    S1/Videos/Directions 1.54138969.mp4                                  (the videos)
    S1/MyPoseFeatures/D2_Positions/Directions 1.54138969.cdf             (2D, pixels of the video)
    S1/MyPoseFeatures/D3_Positions_mono/Directions 1.54138969.cdf        (3D, camera frame, millimetres; optional)

and so on for S5, S6, S7, S8, S9, S11. In place of a `.cdf`, an `.npz` of the same name with an array `Pose` is read, so
that the package `cdflib` is not needed. Subjects 1, 5, 6, 7, 8 are for training, 9 and 11 for testing.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from articulate.data.recipe_cli import recipe_main
from articulate.data.store import StoreWriter
from articulate.data.video_clips import add_clip
from articulate.errors import DataError
from articulate.video import Video

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
# Name, index among the 32 stored joints, parent among the 16.
JOINTS = (
    ("Hip", 0, -1),
    ("RHip", 1, 0),
    ("RKnee", 2, 1),
    ("RFoot", 3, 2),
    ("LHip", 6, 0),
    ("LKnee", 7, 4),
    ("LFoot", 8, 5),
    ("Spine", 12, 0),
    ("Thorax", 13, 7),
    ("Head", 15, 8),
    ("LShoulder", 17, 8),
    ("LElbow", 18, 10),
    ("LWrist", 19, 11),
    ("RShoulder", 25, 8),
    ("RElbow", 26, 13),
    ("RWrist", 27, 14),
)
PAIRS = ((4, 1), (5, 2), (6, 3), (10, 13), (11, 14), (12, 15))


class Options(BaseModel):
    """Where the download lies, and what to take from it."""

    model_config = ConfigDict(extra="forbid")

    recipe: Literal["h36m"] = "h36m"
    root: str = Field("data/h36m", description="folder that holds S1, S5, ...")
    split: Literal["train", "test"] = Field("train", description="train (S1,5,6,7,8) | test (S9,11)")
    subjects: list[str] | None = Field(None, description="instead of the split: a list such as [S1]")
    cameras: list[str] | None = Field(None, description="only these camera numbers, such as ['54138969']")
    actions: list[str] | None = Field(None, description="only actions whose names start so, such as [Walking]")
    size: int = Field(128, ge=16, le=1024, description="side of the stored square frames in pixels")
    step: int = Field(5, ge=1, description="take every n-th of the 50 frames a second")
    max_frames: int | None = Field(None, ge=3, description="most frames per video")
    crop: Literal["auto", "none", "follow", "center"] = Field("auto", description="square crop that follows the person")
    foreground: Literal["auto", "none", "median", "running"] = Field("median", description="how the person is found")
    greyscale: bool = Field(False, description="drop the colour")
    key: None = None
    mask: None = None
    stand_in: dict[str, Any] | None = Field(None, description="read by the runner: what stands in when this is absent")


def make(options: Options, out: Path, report: Callable[[str], None] = print) -> None:
    """Write the store `out`. Raises DataError when `root` or a file in it is absent or of another shape."""
    videos = find_videos(options)
    with StoreWriter(out, recipe="h36m", options=options.model_dump(mode="json"), image_size=options.size) as writer:
        for path in videos:
            source = Video(path)
            chosen = np.arange(0, source.info.num_frames, options.step)[: options.max_frames]
            subject = path.parents[1].name
            pose_2d = read_pose(path, "D2_Positions", 2)
            if pose_2d is None:
                raise DataError(
                    f"{path.parents[1]}: lacks MyPoseFeatures/D2_Positions/{path.stem}.cdf (or .npz); unpack the pose "
                    "archive of the site into it"
                )
            pose_3d = read_pose(path, "D3_Positions_mono", 3)
            keeper = TruthKeeper(path.stem.split(".")[0], pose_2d, pose_3d, options.size)
            add_clip(writer, source, chosen, options, report, name=f"{subject}_{path.stem}", truth=keeper)


def find_videos(options: Options) -> list[Path]:
    """Videos of the wanted subjects, cameras and actions. Raises DataError when a subject has none."""
    root = Path(options.root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"{root}: no Human3.6M here. Register at vision.imar.ro/human3.6m, unpack the archives so that "
            f"{root}/S1/Videos exists (python datasets/h36m.py --help), or give root=FOLDER."
        )
    found: list[Path] = []
    for subject in options.subjects or SUBJECTS[options.split]:
        videos = sorted((root / subject / "Videos").glob("*.mp4"))
        if not videos:
            raise DataError(f"{root / subject / 'Videos'}: no .mp4 here; subject {subject} of split={options.split}")
        for video in videos:
            action, _, camera = video.stem.rpartition(".")
            wanted = options.actions is None or any(action.startswith(name) for name in options.actions)
            if wanted and (options.cameras is None or camera in map(str, options.cameras)) and action != "_ALL":
                found.append(video)
    if not found:
        raise DataError(f"{root}: no video matches actions={options.actions}, cameras={options.cameras}")
    return found


def read_pose(video: Path, kind: str, axes: int) -> np.ndarray | None:
    """Joints [T, 16, axes] of one video; None when there is no file."""
    folder = video.parents[1] / "MyPoseFeatures" / kind
    for path in (folder / f"{video.stem}.npz", folder / f"{video.stem}.cdf"):
        if path.is_file():
            values = read_npz(path) if path.suffix == ".npz" else read_cdf(path)
            values = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
            if values.shape[1] != 32 * axes:
                raise DataError(f"{path}: `Pose` has {values.shape[1]} columns, expected {32 * axes} (32 joints)")
            return values.reshape(len(values), 32, axes)[:, [index for _, index, _ in JOINTS]]
    return None


def read_npz(path: Path) -> np.ndarray:
    """The array `Pose` of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["Pose"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: holds no readable array `Pose` ({error})") from error


def read_cdf(path: Path) -> np.ndarray:
    """The variable `Pose` of a .cdf file, through the optional package cdflib."""
    try:
        import cdflib
    except ImportError as error:
        raise DataError(f"{path}: reading .cdf needs cdflib: pip install 'articulate-models[h36m]'") from error
    try:
        return cdflib.CDF(path).varget("Pose")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a CDF file ({error})") from error


class TruthKeeper:
    """Turns poses of the video into truth of the stored frames."""

    def __init__(self, activity: str, pose_2d: np.ndarray, pose_3d: np.ndarray | None, size: int):
        self.activity, self.pose_2d, self.pose_3d, self.size = activity, pose_2d, pose_3d, size

    def __call__(self, chosen: np.ndarray, source_from_store: np.ndarray) -> dict[str, np.ndarray]:
        """2D in the stored frame's [-1, 1], 3D in millimetres of the camera; NaN past the end of the pose file."""
        store = (self._at(self.pose_2d, chosen) - source_from_store[:, None, 1:] + 0.5) / source_from_store[:, None, :1]
        arrays = {
            "xy": 2 * store / self.size - 1,
            "parents": np.array([parent for _, _, parent in JOINTS]),
            "kp_names": np.array([name for name, _, _ in JOINTS]),
            "pairs": np.array(PAIRS),
            "units": np.array("mm"),
            "activity": np.array(self.activity),
        }
        if self.pose_3d is not None:
            arrays["xyz"] = self._at(self.pose_3d, chosen)
        return arrays

    @staticmethod
    def _at(pose: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        rows = np.full((len(chosen), *pose.shape[1:]), np.nan)
        inside = chosen < len(pose)
        rows[inside] = pose[chosen[inside]]
        return rows


if __name__ == "__main__":
    sys.exit(recipe_main(Options, make, __doc__ or "", Path(__file__).name))
