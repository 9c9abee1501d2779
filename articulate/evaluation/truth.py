"""Ground truth, read here and nowhere else: the truth files of a clip store and the label files of recordings.

Nothing in training imports this module (a test guards it). Truth files hold coordinates of the stored frame in
[-1, 1]; label files hold pixels of their video, which `source_from_store` takes to the stored frame.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.errors import DataError
from articulate.geometry.coordinates import normalised_from_pixels, store_from_source

REQUIRED = ("xy", "parents")


@dataclass(frozen=True)
class Truth:
    """What is known of one clip: J landmarks in 2D, and in 3D (camera frame, `units`) where the data has it."""

    names: tuple[str, ...]
    xy: Float[Tensor, "T J 2"]
    visible: Bool[Tensor, "T J"]
    parents: Int[Tensor, " J"]
    edges: Int[Tensor, "L 2"]
    xyz: Float[Tensor, "T J 3"] | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    units: str = ""
    activity: str = ""
    other_animal: Bool[Tensor, " T"] | None = None

    def rows(self, index: Int[Tensor, " N"]) -> "Truth":
        """The same truth at the frames `index` of the clip."""
        return Truth(
            self.names,
            self.xy[index],
            self.visible[index],
            self.parents,
            self.edges,
            None if self.xyz is None else self.xyz[index],
            self.pairs,
            self.units,
            self.activity,
            None if self.other_animal is None else self.other_animal[index],
        )


def edges_from_parents(parents: np.ndarray) -> np.ndarray:
    """(parent, child) of every keypoint but the roots."""
    return np.array([(p, k) for k, p in enumerate(parents.tolist()) if p >= 0], dtype=np.int64).reshape(-1, 2)


def load_truth(path: Path | str) -> Truth:
    """Truth of one clip from `STORE/truth/CLIP.npz`. Raises DataError when it is absent or lacks a field."""
    path = Path(path)
    stored = read_arrays(path)
    for name in REQUIRED:
        if name not in stored:
            raise DataError(f"{path}: no `{name}` in this truth file (have: {sorted(stored)}); make the store again")
    xy = torch.from_numpy(stored["xy"]).float()
    num_joints = xy.shape[1]
    edges = stored.get("edges", edges_from_parents(stored["parents"]))
    pairs = stored.get("pairs", np.zeros((0, 2), np.int64)).reshape(-1, 2).tolist()
    return Truth(
        names=read_names(stored, num_joints),
        xy=xy,
        visible=torch.from_numpy(stored.get("visible", np.isfinite(stored["xy"]).all(-1))).bool(),
        parents=torch.from_numpy(stored["parents"].astype(np.int64)),
        edges=torch.from_numpy(edges.astype(np.int64)),
        xyz=torch.from_numpy(stored["xyz"]).float() if "xyz" in stored else None,
        pairs=tuple((int(a), int(b)) for a, b in pairs),
        units=str(stored.get("units", "")),
        activity=str(stored.get("activity", "")),
    )


def read_names(stored: dict[str, np.ndarray], num_joints: int) -> tuple[str, ...]:
    """Names of the landmarks under either spelling, else numbers."""
    for key in ("keypoint_names", "kp_names"):
        if key in stored:
            return tuple(map(str, stored[key]))
    return tuple(f"joint_{k}" for k in range(num_joints))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a `.npz`. Raises DataError when there is no readable file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; this clip has no ground truth")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from error


def load_labels(
    path: Path | str,
    frame: Int[np.ndarray, " T"],
    source_from_store: Float[np.ndarray, "T 3"],
    store_size: int,
) -> Truth:
    """Labels of a recording (pixels of its video) in the stored frame of every clip frame; frames without are hidden.

    `frame` and `source_from_store` are those of the clip in the store. Raises DataError for a file without 2D labels.
    """
    path = Path(path)
    stored = read_arrays(path)
    if "xy" not in stored:
        raise DataError(f"{path}: no 2D labels `xy` in this file (have: {sorted(stored)})")
    numbers = stored.get("frame_idx", np.arange(len(stored["xy"])))
    row_of = {int(number): row for row, number in enumerate(numbers.tolist())}
    rows = np.array([row_of.get(int(number), -1) for number in frame])
    known = rows >= 0
    pixels = torch.from_numpy(stored["xy"][np.maximum(rows, 0)]).double()
    inside = store_from_source(pixels, torch.from_numpy(np.asarray(source_from_store)).double())
    xy = normalised_from_pixels(inside, (store_size, store_size)).float()
    visible = torch.from_numpy(stored.get("vis", np.isfinite(stored["xy"]).all(-1))[np.maximum(rows, 0)]).bool()
    other = stored.get("other_animal_in_crop")
    parents = stored.get("parents", np.full(xy.shape[1], -1))
    return Truth(
        names=read_names(stored, xy.shape[1]),
        xy=xy,
        visible=visible & torch.from_numpy(known)[:, None] & xy.isfinite().all(-1),
        parents=torch.from_numpy(parents.astype(np.int64)),
        edges=torch.from_numpy(stored.get("edges", edges_from_parents(parents)).astype(np.int64)),
        other_animal=None if other is None else torch.from_numpy(other[np.maximum(rows, 0)] & known).bool(),
    )
