"""Biovision BVH: the skeleton and its motion as Euler angles, one file per clip.

y up, unit: mean bone length. Every bone is a joint of its own at its start, because a BVH joint turns all its children
alike; leaf bones end in an End Site.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from articulate.export.armature import Y_UP, Armature, ArmatureMotion, armature, clip_motion, depth_first
from articulate.export.writing import clip_path, write_text
from articulate.result import Result

ORDER = "ZXY"
ROTATIONS = " ".join(f"{axis}rotation" for axis in ORDER)


def offset(vector) -> str:
    """An OFFSET line."""
    return "OFFSET " + " ".join(f"{v:.6f}" for v in vector.tolist())


def joint_lines(skeleton: Armature, bone: int, depth: int) -> list[str]:
    """The JOINT block of a bone and of all that hang on it."""
    pad = "\t" * depth
    lines = [f"{pad}JOINT {skeleton.names[bone]}", pad + "{", f"{pad}\t{offset(skeleton.start[bone])}"]
    lines.append(f"{pad}\tCHANNELS 3 {ROTATIONS}")
    for child in skeleton.children_of(bone):
        lines += joint_lines(skeleton, child, depth + 1)
    if not skeleton.children_of(bone):
        lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\t{offset(skeleton.vector[bone])}", pad + "\t}"]
    return [*lines, pad + "}"]


def euler(matrices: np.ndarray) -> np.ndarray:
    """Angles in degrees for R = Rz Rx Ry."""
    with np.errstate(invalid="ignore"):
        return Rotation.from_matrix(matrices).as_euler(ORDER, degrees=True)


def motion_lines(skeleton: Armature, motion: ArmatureMotion) -> list[str]:
    """One line per frame: root position, body rotation, then every joint in the order of the hierarchy."""
    swing = motion.swing.numpy()[..., [1, 2, 3, 0]]
    columns = [motion.root.numpy(), euler(motion.body.numpy())]
    for bone in depth_first(skeleton):
        columns.append(Rotation.from_quat(swing[:, bone]).as_euler(ORDER, degrees=True))
    table = np.concatenate(columns, 1)
    return [" ".join(f"{v:.6f}" for v in row) for row in table]


def write_bvh(result: Result, path: Path) -> list[Path]:
    """Write one BVH file per clip. Lost frames hold the pose before them. Raises ExportError without 3D."""
    skeleton = armature(result, path, Y_UP)
    written = []
    for number in range(len(result.clips)):
        motion = clip_motion(result, number, Y_UP)
        lines = ["HIERARCHY", f"ROOT {skeleton.root_name}", "{", "\tOFFSET 0.000000 0.000000 0.000000"]
        lines.append(f"\tCHANNELS 6 Xposition Yposition Zposition {ROTATIONS}")
        for bone in skeleton.children_of(-1):
            lines += joint_lines(skeleton, bone, 1)
        lines += ["}", "MOTION", f"Frames: {len(motion.root)}", f"Frame Time: {1 / motion.fps:.8f}"]
        lines += motion_lines(skeleton, motion)
        written.append(write_text(clip_path(result, path, number), "\n".join(lines) + "\n"))
    return written
