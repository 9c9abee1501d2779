"""Stage 1: images to keypoints. The detector of chapter 4, trained by the tasks that the configuration names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, computed_field, field_validator
from torch import Tensor
from torch.nn import functional

from articulate.config import StrictModel
from articulate.data.few_labels import LabelledFrames, keypoint_of_landmark, read_labelled_frames
from articulate.errors import ConfigError
from articulate.keypoints.detector import Detection, KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.mask_terms import mask_attraction, mask_coverage
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig, Shape
from articulate.keypoints.seed_loss import seed_cross_entropy
from articulate.keypoints.watch import HealthWatch
from articulate.records import Clips, Seeds, Tracks
from articulate.runs import file_fingerprint
from articulate.schedule import Context, Moment, Stage, WholeRun
from articulate.state import State
from stages.pictures import contact_sheet, keypoint_picture

BACKGROUND = 0.5


class KeypointsConfig(StrictModel):
    """How many keypoints, which network finds them, and what teaches it."""

    num_keypoints: int = Field(16, ge=2, le=64)
    seeds: bool = Field(False, description="loss `seeds`: follow the first guesses of the seeds stage")
    keep_seeds: bool = Field(
        True, description="tracks of these frames are the seeds where known, the detector's elsewhere"
    )
    shrink: int = Field(1, ge=1, le=8, description="factor by which frames are reduced before the detector")
    foreground: bool = Field(True, description="paint everything outside the mask grey, where a mask is known")
    mask_terms: bool = Field(True, description="losses mask_attraction and mask_coverage")
    detector: dict = Field({}, description="numbers of the detector beside num_keypoints")
    tasks: dict[str, dict] = {"reconstruction": {}}
    shapes: tuple[Shape, ...] = ("jensen_shannon",)
    labels: dict[str, Path] = Field(
        {}, description="loss `labels`: name of a clip -> file of frames of it that were labelled by hand (.npz)"
    )
    labels_per_step: int = Field(8, ge=1, description="labelled frames drawn for every step")

    @field_validator("labels")
    @classmethod
    def files_exist(cls, labels: dict[str, Path]) -> dict[str, Path]:
        """Every file of labels is there."""
        absent = [str(path) for path in labels.values() if not path.is_file()]
        if absent:
            raise ValueError(f"no such file of labels: {', '.join(absent)}")
        return labels

    @computed_field  # what the files hold is part of what a run depends on
    def label_contents(self) -> list[str]:
        """Fingerprints of the files of labels."""
        return [file_fingerprint(path) for path in self.labels.values()]


class KeypointsStage(Stage):
    """Consumes clips, produces tracks."""

    name = "keypoints"
    Config = KeypointsConfig
    consumes = (Clips,)
    produces = Tracks
    landmarks: Tensor

    def __init__(self, config: KeypointsConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.watch = HealthWatch(context.say, at_end=config.seeds or bool(config.labels))
        size = context.store.image_size
        settings = KeypointDetectorConfig(num_keypoints=config.num_keypoints, **config.detector)
        self.detector = KeypointDetector(settings)
        if settings.network == "centred" and (config.tasks or config.shapes or config.seeds or config.foreground):
            raise ConfigError(
                "keypoints.detector.network: `centred` makes no heatmaps and reads the brightness of frames; it needs "
                "tasks: {}, shapes: [], seeds: false and foreground: false"
            )
        task_settings = MultiTaskConfig(tasks=config.tasks, shapes=config.shapes)
        if size % (4 * config.shrink):
            raise ConfigError(
                f"keypoints.shrink: frames of {size} px reduced {config.shrink} times are no multiple of 4"
            )
        self.tasks = MultiTask(task_settings, settings, (size // config.shrink, size // config.shrink))
        if config.mask_terms and not context.store.has_masks:
            raise ConfigError(
                f"keypoints.mask_terms: the store {context.store.path} holds no foreground masks; "
                "use keypoints.mask_terms=false, or a recipe option that makes masks"
            )
        self.labelled: LabelledFrames | None = None
        self.register_buffer("landmarks", torch.zeros(0, dtype=torch.int64))
        if config.labels:
            self.labelled = read_labelled_frames(context.store, config.labels)
            # The tree's and the seeds' own order of keypoints decides, once they are known (`begin`).
            self.landmarks = keypoint_of_landmark(self.labelled.xy, None, config.num_keypoints)
        names = [*task_settings.loss_names(), *(["seeds"] if config.seeds else [])]
        names += ["labels"] if config.labels else []
        self.loss_names = (*names, *(("mask_attraction", "mask_coverage") if config.mask_terms else ()))

    def begin(self, run: WholeRun) -> None:
        """Give every labelled landmark the keypoint that already follows it, where seeds are known."""
        if self.labelled is not None and Seeds in run.records:
            seeds = run.records[Seeds].xy[0, self.labelled.rows]
            found = keypoint_of_landmark(self.labelled.xy, seeds, self.config.num_keypoints)
            self.landmarks.copy_(found)

    def label_loss(self, labelled: LabelledFrames, generator: torch.Generator) -> Tensor:
        """Cross-entropy of the heatmaps to the landmarks of some labelled frames, drawn anew in every step."""
        device = self.landmarks.device
        pick = torch.randint(
            len(labelled.rows), (self.config.labels_per_step,), generator=generator, device=generator.device
        ).cpu()
        clips, index = labelled.clips, labelled.clips.index
        assert index is not None
        drawn = Clips(
            frames=clips.frames[pick],
            index=type(index)(clip=index.clip[pick], frame=index.frame[pick]),
            mask=None if clips.mask is None else clips.mask[pick],
        ).to(device)
        xy = labelled.xy[pick].to(device)
        heatmaps = self.detector(self.images(drawn)).heatmaps[:, self.landmarks]
        return seed_cross_entropy(heatmaps, xy, torch.ones_like(xy[..., 0]), self.detector.config)

    def images(self, clips: Clips) -> Tensor:
        """Frames [B * T, 3, H, W], grey outside the mask, reduced as configured."""
        frames = rearrange(clips.frames, "b t c h w -> (b t) c h w")
        if clips.mask is not None and self.config.foreground:
            mask = rearrange(clips.mask, "b t c h w -> (b t) c h w")
            frames = frames * mask + BACKGROUND * (1 - mask)
        return functional.avg_pool2d(frames, self.config.shrink) if self.config.shrink > 1 else frames

    def forward(self, state: State) -> Tracks:
        clips = state[Clips]
        return self.tracks(self.detector(self.images(clips)), clips)

    def tracks(self, detection: Detection, clips: Clips) -> Tracks:
        """The detection of a batch as a record."""
        length = clips.frames.shape[1]
        return Tracks(
            xy=rearrange(detection.xy, "(b t) k d -> b t k d", t=length),
            score=rearrange(detection.score, "(b t) k -> b t k", t=length),
            covariance=rearrange(detection.covariance, "(b t) k d e -> b t k d e", t=length),
            index=clips.index,
        )

    def training_step(self, state: State, moment: Moment) -> dict[str, Tensor]:
        clips = state[Clips]
        images = self.images(clips)
        partner = other_frames(images, clips.frames.shape[1])
        result = self.tasks(self.detector, images, moment.generator, partner)
        tracks = self.tracks(result.detection, clips)
        state.add(tracks)
        losses = dict(result.losses)
        if self.config.seeds:
            seeds, settings = state[Seeds], self.detector.config
            xy, score = (rearrange(value, "b t k ... -> (b t) k ...") for value in (seeds.xy, seeds.score))
            losses["seeds"] = seed_cross_entropy(result.detection.heatmaps, xy, score, settings)
        if self.labelled is not None:
            losses["labels"] = self.label_loss(self.labelled, moment.generator)
        if self.config.mask_terms:
            xy = result.detection.xy
            assert clips.mask is not None
            flat = rearrange(clips.mask, "b t c h w -> (b t) c h w")
            losses |= {"mask_attraction": mask_attraction(xy, flat), "mask_coverage": mask_coverage(xy, flat)}
        return losses

    def after_step(self, state: State, moment: Moment) -> dict[str, float]:
        """Alarms about keypoints that do no work, now and then."""
        tracks = state[Tracks]
        parts = (tracks.xy, tracks.score, tracks.covariance)
        xy, score, covariance = (part.flatten(0, 1) for part in parts)
        return self.watch.look(xy, score, moment.step, moment.share, covariance)

    def finish(self, run: WholeRun) -> Tracks:
        """The detector's keypoints of all frames; where seeds are known and kept, those: they were fitted per frame."""
        tracks = super().finish(run)
        assert isinstance(tracks, Tracks)
        self.watch.tell(tracks.xy.flatten(0, 1), tracks.score.flatten(0, 1), "all frames")
        if not self.config.seeds:
            return tracks
        seeds = run.records[Seeds]
        known = seeds.xy.isfinite().all(-1) & tracks.xy.isfinite().all(-1)
        if known.any():
            apart = (tracks.xy - seeds.xy).norm(dim=-1)[known].median() * 50
            run.context.say(f"keypoints: the detector follows the seeds to {apart:.2f} % of the image side (median)")
        if not self.config.keep_seeds:
            return tracks
        return replace(
            tracks,
            xy=torch.where(known[..., None], seeds.xy, tracks.xy),
            score=torch.where(known, seeds.score, tracks.score),
        )

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        clips, tracks = state[Clips], state[Tracks]
        tiles = [keypoint_picture(clips.frames[b, 0], tracks.xy[b, 0]) for b in range(min(16, len(tracks.xy)))]
        return {"keypoints": contact_sheet(tiles)}


def other_frames(images: Float[Tensor, "N C H W"], length: int) -> Float[Tensor, "N C H W"] | None:
    """For every image the next one of its window of `length` frames (cyclic); None for single frames."""
    if length == 1:
        return None
    return rearrange(rearrange(images, "(b t) c h w -> b t c h w", t=length).roll(-1, 1), "b t c h w -> (b t) c h w")
