"""2D tracks of a new video to 3D with a trained lifter: the steps of the lifting stage, chunk by chunk."""

from dataclasses import replace

import torch

from articulate.config import StrictModel
from articulate.lifting.inputs import trusted
from articulate.lifting.lifter import Lifter
from articulate.lifting.motion import in_bone_units, rigid
from articulate.lifting.settle import settle_clips
from articulate.records import Motion, Skeleton, Tracks

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
    motion = in_bone_units(joints[None], skeleton, tracks)
    if not settings.rigid:
        return motion
    # Chunk by chunk, because the walk needs many times the memory of its result.
    chunks = (replace(motion, joints=part) for part in motion.joints.split(CHUNK, dim=1))
    return replace(motion, joints=torch.cat([rigid(chunk, skeleton).joints for chunk in chunks], dim=1))
