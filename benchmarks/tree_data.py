"""Recorded keypoints with known limbs, for the tables of the tree."""

import os
from pathlib import Path

import numpy as np
import torch

DATA = Path(os.environ.get("ARTICULATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
ANIMALS = {
    "rat23_3d": "rat23_3d/labels",
    "mouse34_3d": "mouse34_3d/labels",
    "fly13 fly0": "fly13_court/labels_fly0",
    "fly13 fly1": "fly13_court/labels_fly1",
    "fly24 fly0": "fly24_pair/labels_fly0",
    "fly24 fly1": "fly24_pair/labels_fly1",
    "fly32": "fly32_images/labels",
}


def read_sequence(path: Path) -> tuple[torch.Tensor, list, list[str]]:
    """Points in units of the body's median diagonal, at most 1200 frames; true edges; names of the keypoints."""
    with np.load(path) as z:
        xyz = np.array(z["xyz"] if "xyz" in z.files else z["xy"], dtype=np.float64)
        if "crop_xy0" in z.files:
            xyz = xyz + z["crop_xy0"][:, None]
        if "vis" in z.files:
            xyz[~z["vis"]] = np.nan
        known = xyz[np.isfinite(xyz).all((1, 2))]
        size = np.median(np.linalg.norm(known.max(1) - known.min(1), axis=-1))
        names = (
            [str(name) for name in z["kp_names"]] if "kp_names" in z.files else [str(i) for i in range(xyz.shape[1])]
        )
        return torch.from_numpy(xyz[:1200] / size), z["edges"].tolist(), names


def sequences(quick: bool) -> list[tuple[str, torch.Tensor, list, bool]]:
    """(set, points, true edges, is mocap) of `read_sequence`; with `quick` every fifth clip of the motion capture."""
    clips = sorted((DATA / "cmu_mocap" / "clips").glob("*.npz"))
    files = [("cmu (tuned on)" if i % 2 == 0 else "cmu (held out)", p) for i, p in enumerate(clips)]
    files = files[2::5] if quick else files
    files += [(name, DATA / f"{place}.npz") for name, place in ANIMALS.items()]
    return [(name, *read_sequence(path)[:2], name.startswith("cmu")) for name, path in files]
