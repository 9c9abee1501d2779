"""Stage 4: 2D keypoints and their tree to 3D joints. Trains a lifter; over a whole run bones get constant lengths."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel, validate
from articulate.errors import ConfigError
from articulate.lifting.kinematics import bone_directions, forward_kinematics, median_bone_lengths
from articulate.lifting.registry import CONFIGS, build_lifter
from articulate.lifting.settle import settle_clips
from articulate.records import Camera, Motion, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun, nearest
from articulate.seeds import torch_generator
from articulate.state import State
from stages.pictures import contact_sheet, pose_picture


class LiftingConfig(StrictModel):
    """Which lifter, with which numbers, and what is done with its poses."""

    lifter: str = "views"
    settings: dict[str, Any] = {}
    subject_size: float | None = Field(
        None, gt=0, description="size by which keypoints are divided, image units; none: measured on the first ones"
    )
    settle: bool = Field(True, description="bring depths to the bone lengths of their clip, keeping the lifter's signs")
    rigid: bool = Field(True, description="walk the tree with constant bone lengths over the whole run")


class LiftingStage(Stage):
    """Consumes tracks and the skeleton, produces motion."""

    name = "lifting"
    Config = LiftingConfig
    consumes = (Tracks, Skeleton)
    produces = Motion

    def __init__(self, config: LiftingConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        if config.lifter not in CONFIGS:
            raise ConfigError(
                f"lifting.lifter: unknown lifter `{config.lifter}`; {nearest(config.lifter, list(CONFIGS))}"
            )
        numbers = dict(config.settings)
        if "steps" in CONFIGS[config.lifter].model_fields:
            groups = [group for group in context.config["schedule"] if self.name in group["stages"]]
            numbers.setdefault("steps", max(1, sum(group["steps"] for group in groups)))
        settings = validate(CONFIGS[config.lifter], numbers, "lifting.settings")
        count = int(context.config["stages"]["keypoints"]["num_keypoints"])
        self.lifter = build_lifter(count, settings, torch_generator(context.seed, "lifter"))
        self.loss_names = tuple(f"lift_{name}" for name in self.lifter.loss_names)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The lifter's own groups; their rates are the source's, the schedule's cosine scales them."""
        groups = self.lifter.parameter_groups()
        return [{**g, "scale": g["lr"] / learning_rate} for g in groups]

    def begin(self, run: WholeRun) -> None:
        """Fix the one size by which all keypoints are divided."""
        if self.config.subject_size is not None:
            # Untrained keypoints lie in one place: their size would magnify all that follows.
            self.lifter.scale.fill_(self.config.subject_size)
            self.lifter.calibrated.fill_(True)
        elif Tracks in run.records:
            tracks = run.records[Tracks]
            self.lifter.calibrate(tracks.xy[0], tracks.score[0])

    def forward(self, state: State) -> Motion:
        tracks, skeleton = state[Tracks], state[Skeleton]
        length = tracks.xy.shape[1]
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        score = rearrange(tracks.score, "b t k -> (b t) k")
        joints = rearrange(self.lifter(xy, score), "(b t) k d -> b t k d", t=length)
        return in_bone_units(joints, skeleton, tracks)

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        tracks, skeleton = state[Tracks], state[Skeleton]
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        terms = self.lifter.losses(xy, rearrange(tracks.score, "b t k -> (b t) k"), skeleton.edges)
        return {f"lift_{name}": value for name, value in terms.items()}

    def finish(self, run: WholeRun) -> Motion:
        """Joints of all frames: signs of depth from the lifter, magnitudes from the bone lengths of each clip."""
        tracks, skeleton = run.records[Tracks], run.records[Skeleton]
        xy, score = tracks.xy[0], tracks.score[0]
        device = run.context.device
        with torch.no_grad():
            joints = self.lifter(xy.to(device), score.to(device)).cpu()
            good = xy.isfinite().all(-1).all(-1)
            joints[~good] = torch.nan
            if self.config.settle and good.any():
                assert tracks.index is not None
                joints[good], _ = settle_clips(joints[good], score[good], skeleton.edges, tracks.index.clip[0, good])
            motion = in_bone_units(joints[None], skeleton, tracks)
            return rigid(motion, skeleton) if self.config.rigid else motion

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        joints, edges = state[Motion].joints[:, 0], state[Skeleton].edges
        tiles = [pose_picture(joints[n], edges, turn) for n in range(min(4, len(joints))) for turn in (0.0, 0.8, 1.57)]
        return {"poses": contact_sheet(tiles, columns=3)}


def in_bone_units(joints: Float[Tensor, "B T K 3"], skeleton: Skeleton, tracks: Tracks) -> Motion:
    """Joints in units of the image as motion in units of the mean bone length, with the camera that goes back."""
    lengths = median_bone_lengths(joints.detach().flatten(0, 1), skeleton.edges)  # NaN frames do not count
    unit = lengths.mean().clamp_min(1e-6)
    batch, time = joints.shape[:2]
    camera = Camera(scale=unit.expand(batch, time), translation=joints.new_zeros(batch, time, 2))
    return Motion(
        joints=joints / unit,
        bone_lengths=(lengths / unit).expand(batch, -1),
        camera=camera,
        index=tracks.index,
    )


def rigid(motion: Motion, skeleton: Skeleton) -> Motion:
    """The same motion walked along the tree with constant bone lengths: rigid by construction."""
    joints, edges = motion.joints[0].double(), skeleton.edges
    lengths = motion.bone_lengths[0].double()
    walked = forward_kinematics(joints[:, edges[0, 0]], bone_directions(joints, edges), lengths, edges)
    return replace(motion, joints=walked[None].to(motion.joints.dtype))
