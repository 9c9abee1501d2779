"""Motion capture to arrays: BVH (own forward kinematics) and the `.npz` of xyz, parents, up_axis, fps.

Arrays feed renderers and benchmarks; 3D positions are never shown to training code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field

from articulate.config import StrictModel
from articulate.errors import DataError
from articulate.geometry.rotations import rotation_about

SIGN_AND_AXIS = {"x": (1, 0), "y": (1, 1), "z": (1, 2), "-x": (-1, 0), "-y": (-1, 1), "-z": (-1, 2)}


class MocapRecipe(StrictModel):
    """Which recordings to read, and how often: `step` keeps every n-th frame."""

    recipe: Literal["mocap"] = "mocap"
    paths: tuple[Path, ...] = Field(description="BVH or NPZ files, or folders of them", min_length=1)
    step: int = Field(1, gt=0)
    drop_end_sites: bool = False


@dataclass(frozen=True)
class Recording:
    """One recording: joint positions in its own unit and frame, with its tree (`parents[root] = -1`)."""

    name: str
    xyz: Float[np.ndarray, "T K 3"]
    parents: Int[np.ndarray, " K"]
    joint_names: tuple[str, ...]
    up_axis: str
    fps: float

    def edges(self) -> Int[np.ndarray, "L 2"]:
        """(parent, child) of every bone."""
        child = np.flatnonzero(self.parents >= 0)
        return np.stack([self.parents[child], child], 1)

    def camera_frame(self) -> Float[np.ndarray, "T K 3"]:
        """Positions with x right, y down, z forward, by a proper rotation: no left becomes a right."""
        sign, axis = SIGN_AND_AXIS[self.up_axis]
        right, forward = self.xyz[..., (axis + 1) % 3], self.xyz[..., (axis + 2) % 3]
        up = sign * self.xyz[..., axis]
        # (up, right, forward) in cyclic order is right-handed, so (right, -up, forward) is; a flipped up flips forward.
        return np.stack([right, -up, sign * forward], -1)


def read_recordings(recipe: MocapRecipe) -> list[Recording]:
    """Every recording that the recipe names, in the order of its paths and of names within folders."""
    found = []
    for path in recipe.paths:
        files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix.lower() in READERS)
        if not files:
            raise DataError(f"{path}: no .bvh or .npz file here; give a recording or a folder of recordings")
        for file in files:
            if file.suffix.lower() not in READERS:
                raise DataError(f"{file}: cannot read `{file.suffix}` (can: {', '.join(READERS)})")
            found.append(READERS[file.suffix.lower()](file, recipe))
    return found


def read_npz(path: Path, recipe: MocapRecipe) -> Recording:
    """A recording kept as xyz [T,K,3], parents [K], up_axis, fps. Raises DataError naming a missing or wrong entry."""
    with np.load(path, allow_pickle=False) as stored:
        lacking = [name for name in ("xyz", "parents", "up_axis", "fps") if name not in stored.files]
        if lacking:
            raise DataError(f"{path}: lacks {', '.join(lacking)} (has: {', '.join(stored.files)})")
        xyz, parents = stored["xyz"].astype(np.float64), stored["parents"].astype(np.int64)
        names = stored["kp_names"] if "kp_names" in stored.files else np.arange(len(parents)).astype(str)
        up, fps = str(stored["up_axis"]), float(stored["fps"])
    if xyz.ndim != 3 or xyz.shape[1:] != (len(parents), 3):
        raise DataError(f"{path}: xyz has shape {xyz.shape}, expected (T, {len(parents)}, 3) for these parents")
    if up not in SIGN_AND_AXIS:
        raise DataError(f"{path}: up_axis is `{up}` (allowed: {', '.join(SIGN_AND_AXIS)})")
    return Recording(path.stem, xyz[:: recipe.step], parents, tuple(map(str, names)), up, fps / recipe.step)


def read_bvh(path: Path, recipe: MocapRecipe) -> Recording:
    """A BVH file with its forward kinematics; y is up, as the format's writers agree."""
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if "MOTION" not in lines or lines[0].upper() != "HIERARCHY":
        raise DataError(f"{path}: no BVH file, it needs a HIERARCHY and a MOTION section")
    split = lines.index("MOTION")
    joints = parse_hierarchy(lines[1:split], path)
    try:
        count, seconds = int(lines[split + 1].split()[-1]), float(lines[split + 2].split()[-1])
        values = np.array([line.split() for line in lines[split + 3 :]], np.float64)
    except (ValueError, IndexError):
        raise DataError(f"{path}: the MOTION section is not `Frames:`, `Frame Time:` and rows of numbers") from None
    channels = sum(len(joint.channels) for joint in joints)
    if values.shape != (count, channels) or seconds <= 0:
        raise DataError(f"{path}: {values.shape} motion values at {seconds} s, expected ({count}, {channels})")
    xyz = forward_kinematics(joints, values[:: recipe.step])
    return drop_ends(joints, xyz, path.stem, 1 / (seconds * recipe.step), recipe.drop_end_sites)


@dataclass
class BvhJoint:
    """A joint of the hierarchy: its offset from the parent and its channels in file order."""

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()
    is_end: bool = False


def parse_hierarchy(lines: list[str], path: Path) -> list[BvhJoint]:
    """Joints in file order, parents first; an end site is a joint without channels."""
    joints: list[BvhJoint] = []
    stack: list[int] = []
    for line in lines:
        word, *rest = line.split()
        kind = word.upper()
        if kind in ("ROOT", "JOINT", "END"):
            end = kind == "END"
            parent = stack[-1] if stack else -1
            name = f"{joints[parent].name}_end" if end else " ".join(rest)
            joints.append(BvhJoint(name, parent, is_end=end))
        elif kind == "{":
            stack.append(len(joints) - 1)
        elif kind == "}":
            stack.pop()
        elif kind == "OFFSET" and len(rest) == 3:
            joints[stack[-1]].offset = tuple(map(float, rest))
        elif kind == "CHANNELS":
            joints[stack[-1]].channels = tuple(name.lower() for name in rest[1:])
        else:
            raise DataError(f"{path}: cannot read the hierarchy line `{line}`")
    if stack or not joints:
        raise DataError(f"{path}: the HIERARCHY section has unbalanced braces or no joint")
    return joints


def forward_kinematics(joints: list[BvhJoint], values: Float[np.ndarray, "T C"]) -> Float[np.ndarray, "T K 3"]:
    """Positions of all joints: p = p_parent + R_parent (offset + translation); R = R_parent times channels."""
    frames = torch.from_numpy(np.ascontiguousarray(values))
    places: list[torch.Tensor] = []
    turns: list[torch.Tensor] = []
    column = 0
    for joint in joints:
        shift = torch.tensor(joint.offset, dtype=torch.float64).expand(len(frames), 3).clone()
        turn = torch.eye(3, dtype=torch.float64).expand(len(frames), 3, 3)
        for channel in joint.channels:
            axis, value = "xyz".index(channel[0]), frames[:, column]
            if channel.endswith("position"):
                shift[:, axis] += value
            else:
                turn = turn @ rotation_about(axis, torch.deg2rad(value))
            column += 1
        if joint.parent < 0:
            places.append(shift)
            turns.append(turn)
        else:
            places.append(places[joint.parent] + (turns[joint.parent] @ shift[..., None])[..., 0])
            turns.append(turns[joint.parent] @ turn)
    return torch.stack(places, 1).numpy()


def drop_ends(
    joints: list[BvhJoint], xyz: Float[np.ndarray, "T K 3"], name: str, fps: float, without_ends: bool
) -> Recording:
    """The recording, without end sites if asked."""
    keep = [i for i, joint in enumerate(joints) if not (without_ends and joint.is_end)]
    place = {old: new for new, old in enumerate(keep)}
    parents = np.array([place.get(joints[i].parent, -1) for i in keep], np.int64)
    return Recording(name, xyz[:, keep], parents, tuple(joints[i].name for i in keep), "y", fps)


READERS = {".bvh": read_bvh, ".npz": read_npz}
