"""Recordings for the lifting tables: true 3D in the camera's frame, and what a camera sees of it."""

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from articulate.evaluation.pose3d import unit_d
from articulate.geometry.rotations import rotation_about
from articulate.seeds import numpy_generator, torch_generator

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ARTICULATE_SHARED_DATA", ROOT.parent / "shared" / "data"))
sys.path.insert(0, str(ROOT / "datasets"))
from mocap import MocapRecipe, Recording, read_recordings  # noqa: E402


@dataclass
class View:
    """One clip as a camera saw it: true joints [T,K,3] (camera frame, 1 = 1 %d) and observed points [T,K,2]."""

    name: str
    joints: Tensor
    xy: Tensor
    edges: Tensor


def recordings(data: str) -> list[Recording]:
    """The clips of one data set of the tables."""
    folders = {"cmu": "cmu_mocap/clips", "rat": "rat23_3d/labels.npz", "mouse34": "mouse34_3d/labels.npz"}
    return read_recordings(MocapRecipe(paths=(SHARED / folders[data],)))


def seen(recording: Recording, yaw: str, elevation: float, seed: int, noise: float) -> View:
    """A recording turned by random yaws, tilted by `elevation` (rad), projected in parallel, with noise in %d.

    `yaw`: `frame` (each frame its own), `block` (each 2 seconds their own), `clip` (one), `none`.
    """
    x = torch.from_numpy(recording.camera_frame())
    x = x - x.mean(1, keepdim=True)
    x = x / unit_d(x)
    num = len(x)
    length = {"frame": 1, "block": max(1, round(2 * recording.fps)), "clip": num, "none": num}[yaw]
    draw = numpy_generator(seed, "yaw", recording.name).uniform(0, 2 * math.pi, -(-num // length))
    angle = torch.from_numpy(np.repeat(draw, length)[:num]) * (yaw != "none")
    tilt = rotation_about(0, torch.tensor(elevation, dtype=torch.float64))
    x = x @ (tilt @ rotation_about(1, angle)).mT
    jitter = torch.randn(x[..., :2].shape, generator=torch_generator(seed, "noise", recording.name), dtype=x.dtype)
    return View(recording.name, x, x[..., :2] + noise * jitter, torch.from_numpy(recording.edges()))


def convention(recording: Recording) -> tuple[int, tuple[int, ...]]:
    """Recordings with one skeleton: the same number of joints and the same parents."""
    return len(recording.parents), tuple(recording.parents.tolist())


def drawn_elevation(seed: int) -> float:
    """The seed's camera tilt, 5 to 20 degrees up or down."""
    generator = numpy_generator(seed, "elevation")
    return math.radians(generator.uniform(5, 20)) * generator.choice([-1.0, 1.0])
