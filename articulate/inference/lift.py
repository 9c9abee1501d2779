"""2D tracks of a new video to 3D with a trained lifter: whole clips as the lifting stage does, or network alone."""

from dataclasses import replace
from typing import Literal

import torch

from articulate.config import StrictModel
from articulate.lifting.inputs import seen_points, trusted
from articulate.lifting.lifter import Lifter
from articulate.lifting.motion import in_bone_units, rigid
from articulate.lifting.run import RunConfig, lift_run
from articulate.lifting.settle import settle_clips
from articulate.lifting.views import ViewLifter
from articulate.records import Motion, Skeleton, Tracks

CHUNK = 1024  # frames per pass of the lifter
# A new video has its own zoom: the subject's size is the one under which the heading model finds the views most likely.
RUN = RunConfig(scale="likely")


class LiftSettings(StrictModel):
    """What is done with the poses of the lifter, as in training.

    `whole` smooths every clip in time, blends the solver of one clip and states confidences; it needs all frames of a
    clip at once and a lifter with a heading model. `network` is one pass per frame (tens of thousands of poses a
    second), for frames that come one by one; other lifters always take it.
    """

    settle: bool = True
    rigid: bool = True
    method: Literal["whole", "network"] = "whole"


@torch.no_grad()
def lift(lifter: Lifter, tracks: Tracks, skeleton: Skeleton, settings: LiftSettings, ordered: bool = True) -> Motion:
    """Joints of all frames in units of this video's mean bone length; frames without keypoints are NaN.

    Frames that are not `ordered` in time (a folder of pictures) are lifted as a set.
    """
    xy, score = tracks.xy[0], trusted(tracks.score[0])
    assert tracks.index is not None
    clip, confidence = tracks.index.clip[0], None
    seen = (seen_points(xy, score).sum(1) >= 2).any()
    modelled = isinstance(lifter, ViewLifter) and lifter.teacher.model is not None
    if isinstance(lifter, ViewLifter) and modelled and settings.settle and settings.method == "whole" and seen:
        run = RUN if ordered else RUN.model_copy(update={"order": "set", "method": "views"})
        found = lift_run(xy, score, clip, skeleton.edges, lifter, run)
        joints, confidence = found.joints, found.confidence[None]
    else:
        joints = frame_by_frame(lifter, xy, score)
        good = joints.isfinite().all(-1).all(-1)
        if settings.settle and good.all():  # the usual case, in which nothing need be copied
            joints, _ = settle_clips(joints, score, skeleton.edges, clip)
        elif settings.settle and good.any():
            joints[good], _ = settle_clips(joints[good], score[good], skeleton.edges, clip[good])
    motion = replace(in_bone_units(joints[None].float(), skeleton, tracks), confidence=confidence)
    if not settings.rigid:
        return motion
    # Chunk by chunk and in place, because the walk needs many times the memory of its result.
    for part in motion.joints.split(CHUNK, dim=1):
        part.copy_(rigid(replace(motion, joints=part, confidence=None), skeleton).joints)
    return motion


@torch.no_grad()
def frame_by_frame(lifter: Lifter, xy: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Joints (unit of `xy`) by the network alone, chunk by chunk; NaN in frames where a keypoint is."""
    device = lifter.scale.device
    joints = xy.new_full((*xy.shape[:2], 3), torch.nan)
    for n in range(0, len(xy), CHUNK):
        part = slice(n, n + CHUNK)
        found = lifter(xy[part].to(device), score[part].to(device)).cpu()
        joints[part] = found.where(xy[part].isfinite().all(-1).all(-1)[:, None, None], torch.nan)
    return joints
