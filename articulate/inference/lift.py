"""2D tracks of a new video to 3D with a trained lifter: the steps of the lifting stage, chunk by chunk."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.inputs import trusted
from articulate.lifting.kinematics import bone_directions, forward_kinematics, median_bone_lengths
from articulate.lifting.lifter import Lifter
from articulate.lifting.settle import settle_clips
from articulate.records import Camera, Motion, Skeleton, Tracks

CHUNK = 1024  # frames per pass of the lifter


class LiftSettings(StrictModel):
    """What is done with the poses of the lifter, as in training."""

    settle: bool = True
    rigid: bool = True


@torch.no_grad()
def lift(lifter: Lifter, tracks: Tracks, skeleton: Skeleton, settings: LiftSettings) -> Motion:
    """Joints of all frames in units of this video's mean bone length; frames without keypoints are NaN."""
    xy, score = tracks.xy[0], trusted(tracks.score[0])
    device = lifter.scale.device
    parts = [lifter(xy[n : n + CHUNK].to(device), score[n : n + CHUNK].to(device)) for n in range(0, len(xy), CHUNK)]
    joints = torch.cat([part.cpu() for part in parts])
    good = xy.isfinite().all(-1).all(-1)
    joints[~good] = torch.nan
    if settings.settle and good.any():
        assert tracks.index is not None
        joints[good], _ = settle_clips(joints[good], score[good], skeleton.edges, tracks.index.clip[0, good])
    motion = in_bone_units(joints, skeleton, tracks)
    if settings.rigid:
        walked = joints_of_rigid_bones(motion, skeleton)
        motion = replace(motion, joints=walked[None])
    return motion


def in_bone_units(joints: Float[Tensor, "T K 3"], skeleton: Skeleton, tracks: Tracks) -> Motion:
    """Joints in units of the image as motion in units of the mean bone length, with the camera that goes back."""
    lengths = median_bone_lengths(joints, skeleton.edges)
    unit = torch.nan_to_num(lengths.mean(), nan=1.0).clamp_min(1e-6)  # a video without a single good frame has no size
    camera = Camera(scale=unit.expand(1, len(joints)), translation=joints.new_zeros(1, len(joints), 2))
    return Motion(joints=(joints / unit)[None], bone_lengths=(lengths / unit)[None], camera=camera, index=tracks.index)


def joints_of_rigid_bones(motion: Motion, skeleton: Skeleton) -> Float[Tensor, "T K 3"]:
    """The motion walked along the tree with constant bone lengths."""
    joints, edges = motion.joints[0].double(), skeleton.edges
    lengths = motion.bone_lengths[0].double()
    walked = forward_kinematics(joints[:, edges[0, 0]], bone_directions(joints, edges), lengths, edges)
    return walked.to(motion.joints.dtype)
