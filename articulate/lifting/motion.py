"""Lifted joints as motion: in units of the mean bone length, walked along the tree with constant bone lengths."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.lifting.kinematics import bone_directions, forward_kinematics, median_bone_lengths
from articulate.lifting.settle import bone_lengths
from articulate.records import Camera, Motion, Skeleton, Tracks


def is_flat(joints: Float[Tensor, "*N K 3"]) -> bool:
    """Whether no frame has any depth, because nothing determines it."""
    return bool((joints[..., 2].nan_to_num() == 0).all())


def in_bone_units(joints: Float[Tensor, "B T K 3"], skeleton: Skeleton, tracks: Tracks) -> Motion:
    """Joints in units of the image as motion in units of the mean bone length, with the camera that goes back.

    Frames of NaN do not count towards the lengths; without a single good frame the unit is that of the image. Where no
    frame has depth, bones are longer than they look: their longest projections count too (`bone_lengths`).
    """
    poses = joints.detach().flatten(0, 1)
    lengths = median_bone_lengths(poses, skeleton.edges)
    if is_flat(poses):
        seen = poses.isfinite().all(-1).to(poses)
        lengths = bone_lengths(poses[..., :2].nan_to_num(), torch.zeros_like(seen), skeleton.edges, seen)
    unit = torch.nan_to_num(lengths.mean(), nan=1.0).clamp_min(1e-6)
    batch, time = joints.shape[:2]
    camera = Camera(scale=unit.expand(batch, time), translation=joints.new_zeros(batch, time, 2))
    return Motion(
        joints=joints / unit,
        bone_lengths=(lengths / unit).expand(batch, -1),
        camera=camera,
        index=tracks.index,
    )


def rigid(motion: Motion, skeleton: Skeleton) -> Motion:
    """The motion of a whole run (B = 1) walked along the tree with constant bone lengths: rigid by construction."""
    joints, edges = motion.joints[0].double(), skeleton.edges
    lengths = motion.bone_lengths[0].double()
    walked = forward_kinematics(joints[:, edges[0, 0]], bone_directions(joints, edges), lengths, edges)
    return replace(motion, joints=walked[None].to(motion.joints.dtype))
