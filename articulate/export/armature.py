"""The motion as rotations of rigid bones, for formats that know no positions: BVH, glTF, MJCF, URDF.

Positions do not show how a bone turns about itself, so every rotation here is swing only: the twist is conventional.
Constant bone lengths replace those of each frame; `residual` says how far that moves the joints.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.errors import ExportError
from articulate.lifting.articulation import swing_axes
from articulate.lifting.kinematics import body_rotation, joint_rotations, joints_from_rotations, parent_bones
from articulate.records import Articulation
from articulate.result import Result

# Rows are the new axes in the camera frame (x right, y down, z forward); both are proper rotations.
Y_UP = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))  # x right, y up, z towards the viewer
Z_UP = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))  # x right, y forward, z up

TWIST_NOTE = "twist about a bone is conventional: positions do not show it"


@dataclass(frozen=True)
class Armature:
    """A rest pose of rigid bones: bone l runs from `start[l]` (seen from its parent's start) along `vector[l]`.

    `parent[l]` is the bone that ends where bone l starts, -1 at the root. All frames are aligned in the rest pose.
    """

    root_name: str
    names: tuple[str, ...]
    children: tuple[str, ...]  # name of the keypoint at the end of each bone
    parent: tuple[int, ...]
    start: Float[Tensor, "L 3"]
    vector: Float[Tensor, "L 3"]
    axes: Float[Tensor, "L 2 3"]  # swing axes in the frame of the parent bone
    ranges: Float[Tensor, "L 2 2"]  # low and high swing (rad) about them

    def leaves(self) -> list[int]:
        """Bones that no other continues."""
        return [bone for bone in range(len(self.names)) if bone not in self.parent]

    def children_of(self, bone: int) -> list[int]:
        """Bones that start where `bone` ends (-1: at the root)."""
        return [other for other, parent in enumerate(self.parent) if parent == bone]


@dataclass(frozen=True)
class ArmatureMotion:
    """One clip: where the root is, how the body is turned, and the swing of every bone (quaternions w, x, y, z)."""

    root: Float[Tensor, "T 3"]
    body: Float[Tensor, "T 3 3"]
    swing: Float[Tensor, "T L 4"]
    fps: float
    residual: float  # mean distance (mean bone lengths) of these joints from the found ones


def clean(name: str) -> str:
    """A name that every format accepts."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name) or "_"


def model_of(result: Result, path: Path) -> Articulation:
    """The articulated model. Raises ExportError when the run has no 3D or no tree."""
    if result.articulation is None or result.motion is None or not len(result.edges):
        raise ExportError(f"{path}: this run has no 3D skeleton; add the stages `connectivity` and `lifting`")
    return result.articulation


def armature(result: Result, path: Path, axes: tuple[tuple[float, ...], ...]) -> Armature:
    """The rest pose as bones in the frame `axes` (`Y_UP` or `Z_UP`). Raises ExportError without 3D."""
    model, edges = model_of(result, path), result.edges
    turn = torch.tensor(axes, dtype=torch.float64)
    rest = model.rest_pose.double() @ turn.T
    parent = parent_bones(edges)
    start = torch.stack(
        [
            rest[a] - rest[edges[p, 0]] if p >= 0 else torch.zeros(3).double()
            for (a, _), p in zip(edges, parent, strict=True)
        ]
    )
    swing = swing_axes(model.rest_pose.double(), edges)[edges[:, 1]] @ turn.T
    names = [clean(name) for name in result.names]
    return Armature(
        root_name=names[int(edges[0, 0])],
        names=tuple(f"{names[a]}_to_{names[b]}" for a, b in edges.tolist()),
        children=tuple(names[b] for _, b in edges.tolist()),
        parent=tuple(parent),
        start=start,
        vector=rest[edges[:, 1]] - rest[edges[:, 0]],
        axes=swing,
        ranges=model.joint_ranges[edges[:, 1]].double(),
    )


def hold_last(joints: Float[Tensor, "T K 3"]) -> Float[Tensor, "T K 3"]:
    """Lost frames replaced by the one before (at the start: by the first known); animations cannot say NaN."""
    known = joints.isfinite().all(-1).all(-1)
    if not known.any():
        return torch.zeros_like(joints)
    first = int(known.nonzero()[0])
    source = torch.where(known, torch.arange(len(joints)), torch.full((len(joints),), first))
    return joints[source.cummax(0).values]


def clip_motion(result: Result, number: int, axes: tuple[tuple[float, ...], ...]) -> ArmatureMotion:
    """Rotations of one clip in the frame `axes`, with the residual of forward kinematics."""
    assert result.articulation is not None and result.xyz is not None
    edges, rest = result.edges, result.articulation.rest_pose.double()
    joints = hold_last(result.xyz[result.rows(number)].double().cpu())
    body = body_rotation(joints, rest, edges)
    swing = joint_rotations(joints, rest, edges, body)
    root = joints[:, int(edges[0, 0])]
    again = joints_from_rotations(root, swing, rest, edges, body)
    turn = torch.tensor(axes, dtype=torch.float64)
    vector = swing[..., 1:] @ turn.T  # a change of axes turns a rotation's axis and keeps its angle
    fps = result.clips[number].fps
    return ArmatureMotion(
        root=root @ turn.T,
        body=turn @ body @ turn.T,
        swing=torch.cat([swing[..., :1], vector], -1),
        fps=fps if fps > 0 and math.isfinite(fps) else 25.0,
        residual=(again - joints).norm(dim=-1).mean().item(),
    )


def depth_first(skeleton: Armature, bone: int = -1) -> list[int]:
    """Bones in depth-first order, those of the subtree after `bone`."""
    return [b for child in skeleton.children_of(bone) for b in (child, *depth_first(skeleton, child))]


def padded_range(limits: Float[Tensor, " 2"]) -> tuple[float, float]:
    """Low and high with at least a hundredth of a radian around zero, so that the rest pose is always allowed."""
    return min(float(limits[0]), -0.01), max(float(limits[1]), 0.01)


def residual(result: Result) -> float:
    """Mean distance (mean bone lengths) by which rigid bones without twist miss the found joints, in the worst clip."""
    return max(clip_motion(result, number, Z_UP).residual for number in range(len(result.clips)))


def residual_note(result: Result) -> str:
    """The residual and the convention of twist in words, as the files of rotations carry them."""
    return f"mean forward-kinematics residual {residual(result):.4g} mean bone lengths (worst clip); {TWIST_NOTE}"
