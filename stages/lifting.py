"""Stage 4: 2D keypoints and their tree to 3D joints. Trains a lifter; over a whole run bones get constant lengths."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel, validate
from articulate.errors import ConfigError
from articulate.lifting.heading_fit import HeadingFit
from articulate.lifting.inputs import seen_points, trusted
from articulate.lifting.motion import in_bone_units, is_flat, rigid
from articulate.lifting.one_clip import OneClipConfig
from articulate.lifting.refined_run import refined_run
from articulate.lifting.refinement_config import RefinementConfig
from articulate.lifting.registry import CONFIGS, SEVERAL_CAMERAS, build_lifter
from articulate.lifting.run import RunConfig, lift_run
from articulate.lifting.settle import settle_clips
from articulate.lifting.solver_lessons import LessonConfig, solver_lessons, teach
from articulate.lifting.view_training import choose_start, view_data
from articulate.lifting.views import ViewLifter
from articulate.records import Motion, Seeds, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun, nearest
from articulate.seeds import numpy_generator, torch_generator
from articulate.state import State
from stages.pictures import contact_sheet, pose_picture

LEAST_FRAMES = 16


class LiftingConfig(StrictModel):
    """Which lifter, with which numbers, and what is done with its poses."""

    lifter: str = "views"
    settings: dict[str, Any] = {}
    subject_size: float | None = Field(
        None, gt=0, description="size by which keypoints are divided, image units; none: measured on the first ones"
    )
    settle: bool = Field(True, description="bring depths to the bone lengths of their clip, blend the solver")
    run: RunConfig = RunConfig.model_validate({})
    learn_from_solver: bool = Field(
        False, description="solve clips one by one; those that determine depth train the network of the view lifter"
    )
    lessons: LessonConfig = LessonConfig.model_validate({})
    refine: bool = Field(True, description="refine frames as one body where views vary or the order of depth is known")
    refinement: RefinementConfig = RefinementConfig.model_validate({})
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
        if config.lifter in SEVERAL_CAMERAS:
            raise ConfigError(
                f"lifting.lifter: `{config.lifter}` learns from several cameras and a run has one; train it with "
                f"articulate.lifting.several_cameras, or choose one of {sorted(CONFIGS)}"
            )
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
            return
        tracks = run.records.get(Tracks)
        if tracks is None or not seen_points(tracks.xy[0], tracks.score[0]).any():
            return
        xy, score = tracks.xy[0], trusted(tracks.score[0])
        self.lifter.calibrate(xy, score)
        if isinstance(self.lifter, ViewLifter):
            edges = run.records[Skeleton].edges
            generator = torch_generator(run.context.seed, "lifting", "start")
            data = view_data(xy, score, None, edges)
            if len(data.xy) >= LEAST_FRAMES:
                start = choose_start(self.lifter.config, data, edges, generator)
                self.lifter.load_state_dict(start.state_dict())

    def forward(self, state: State) -> Motion:
        tracks, skeleton = state[Tracks], state[Skeleton]
        length = tracks.xy.shape[1]
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        score = trusted(rearrange(tracks.score, "b t k -> (b t) k"))
        joints = rearrange(self.lifter(xy, score), "(b t) k d -> b t k d", t=length)
        return in_bone_units(joints, skeleton, tracks)

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        tracks, skeleton = state[Tracks], state[Skeleton]
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        terms = self.lifter.losses(xy, trusted(rearrange(tracks.score, "b t k -> (b t) k")), skeleton.edges)
        return {f"lift_{name}": value for name, value in terms.items()}

    def finish(self, run: WholeRun) -> Motion:
        """Joints of all frames, with the probability that each bone's sign of depth is right."""
        tracks, skeleton = run.records[Tracks], run.records[Skeleton]
        xy, score = tracks.xy[0], trusted(tracks.score[0])
        assert tracks.index is not None
        clip, good = tracks.index.clip[0], xy.isfinite().all(-1).all(-1)
        confidence, places, walk = None, None, self.config.rigid
        if isinstance(self.lifter, ViewLifter) and self.config.learn_from_solver:
            self.learn_from_solver(self.lifter, run)
        if isinstance(self.lifter, ViewLifter) and self.config.settle:
            random, gpu = numpy_generator(run.context.seed, "lift"), run.context.device.type == "cuda"
            solver = OneClipConfig(device=str(run.context.device) if gpu else None)
            lifted = lift_run(xy, score, clip, skeleton.edges, self.lifter, self.config.run, random, solver)
            order = run.records[Seeds].order if Seeds in run.records else None
            if self.config.refine:
                shown, edges = tracks.score[0], skeleton.edges
                lifted, model = refined_run(
                    lifted, xy, shown, clip, edges, self.lifter, order, self.config.refinement, skeleton.mirror
                )
                if model is not None:
                    # New video is read with the Gaussian of the refined poses.
                    self.lifter.learn_from(HeadingFit(model, 0.0, self.lifter.teacher.track_noise))
                    places = lifted.joints[None, ..., :2].float()
            run.context.say(f"lifting: {lifted.statement}")
            joints, confidence = lifted.joints, lifted.confidence[None]
            # Bones that are seen foreshortened would be stretched within the picture.
            walk = walk and not is_flat(joints)
        else:
            device = run.context.device
            with torch.no_grad():
                joints = self.lifter(xy.to(device), score.to(device)).cpu()
            joints[~good] = torch.nan
            if self.config.settle and good.any():
                joints[good], _ = settle_clips(joints[good], score[good], skeleton.edges, clip[good])
        motion = in_bone_units(joints[None].float(), skeleton, tracks)
        motion = replace(motion, confidence=confidence, places=places)
        return rigid(motion, skeleton) if walk else motion

    def learn_from_solver(self, lifter: ViewLifter, run: WholeRun) -> None:
        """Train the network on the poses of the clips that determine depth on their own."""
        tracks, seed = run.records[Tracks], run.context.seed
        assert tracks.index is not None
        xy, score, clip = tracks.xy[0], trusted(tracks.score[0]), tracks.index.clip[0]
        random, settings = numpy_generator(seed, "lessons"), self.config.lessons
        lessons = solver_lessons(xy, score, clip, run.records[Skeleton].edges, lifter, settings, random)
        if lessons is None:
            run.context.say("lifting: no clip determines depth on its own, so the solver teaches nothing")
            return
        losses = teach(lifter, lessons, settings, torch_generator(seed, "lessons"))
        clips = f"{len(lessons.clips)} of {len(clip.unique())} clips"
        run.context.say(f"lifting: the solver taught {clips}; loss {losses[0]:.3g} to {losses[-1]:.3g}")

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        joints, edges = state[Motion].joints[:, 0], state[Skeleton].edges
        tiles = [pose_picture(joints[n], edges, turn) for n in range(min(4, len(joints))) for turn in (0.0, 0.8, 1.57)]
        return {"poses": contact_sheet(tiles, columns=3)}
