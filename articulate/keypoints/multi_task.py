"""Any subset of the tasks on one detector, in one pass over all images that they want detected."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

from articulate.errors import ConfigError
from articulate.keypoints.detector import Detection, KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.regularisers import SHAPES, concentration
from articulate.keypoints.soft_argmax import draw_gaussians
from articulate.keypoints.tasks import TASKS, Frame

Shape = Literal["concentration", "jensen_shannon", "variance", "kullback_leibler"]


class MultiTaskConfig(BaseModel):
    """Which tasks, each with its settings, and which constraints on the heatmaps' shape."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: dict[str, dict[str, Any]] = Field(
        default={"reconstruction": {}, "distractor": {}, "middle_frame": {}}, description="task -> its settings"
    )
    shapes: tuple[Shape, ...] = ("jensen_shannon",)

    @field_validator("tasks")
    @classmethod
    def known_tasks(cls, tasks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Every name is a task, and every task's settings are its own."""
        for name, settings in tasks.items():
            if name not in TASKS:
                raise ValueError(f"task {name!r} is not known; use some of {sorted(TASKS)}")
            TASKS[name].Config(**settings)
        return tasks

    def loss_names(self) -> list[str]:
        """Names of the losses that the tasks and constraints return."""
        return [*self.tasks, *self.shapes]


@dataclass(frozen=True)
class MultiTaskResult:
    """Raw losses and metrics by name, the detection of the images themselves, and what all losses pass through.

    `shared` (the heatmaps of images and views) is what `Balancer` needs for gradient shares and for `pareto`.
    """

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor]
    detection: Detection
    shared: tuple[Tensor, ...]


class MultiTask(nn.Module):
    """The tasks' networks. `forward` detects images and all views together, once."""

    def __init__(self, config: MultiTaskConfig, detector: KeypointDetectorConfig, size: tuple[int, int]) -> None:
        super().__init__()
        self.config = config
        frame = Frame(detector.num_keypoints, detector.channels, size)
        self.size = size
        self.tasks = nn.ModuleDict(
            {name: TASKS[name](TASKS[name].Config(**settings), frame) for name, settings in config.tasks.items()}
        )

    def forward(
        self,
        detector: KeypointDetector,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        partner: Float[Tensor, "N C H W"] | None = None,
    ) -> MultiTaskResult:
        """Losses and metrics of one batch; `partner` holds another frame of each image's video, where there is one."""
        if tuple(images.shape[-2:]) != self.size:
            raise ConfigError(f"images of {tuple(images.shape[-2:])} given to tasks that were built for {self.size}")
        views = {name: self.task(name).views(images, generator, partner) for name in self.tasks}
        extra = {name: v for name, v in views.items() if v is not None}
        together = detector(torch.cat([images, *(v.images for v in extra.values())]))
        detection, start = together[: len(images)], len(images)
        for name, view in extra.items():
            views[name] = view.with_detection(together[start : start + len(view.images)])
            start += len(view.images)
        # Without tasks nobody looks at the cleaned heatmaps.
        xy = detection.xy if self.tasks else detection.xy[:0]
        cleaned = draw_gaussians(xy, self.size, detector.config.sigma_px)
        losses, metrics = dict[str, Tensor](), dict[str, Tensor]()
        for name in self.tasks:
            result = self.task(name)(detection, images, generator, cleaned=cleaned, views=views[name])
            losses |= result.losses
            metrics |= result.metrics
        losses |= shape_losses(self.config.shapes, detection, detector.config)
        return MultiTaskResult(losses, metrics, detection, (together.heatmaps,))

    def task(self, name: str) -> Any:
        """The task called `name`."""
        return self.tasks[name]


def shape_losses(names: tuple[Shape, ...], detection: Detection, config: KeypointDetectorConfig) -> dict[str, Tensor]:
    """The constraints on the heatmaps of the images."""
    losses = dict[str, Tensor]()
    for name in names:
        if name == "concentration":
            outer, pad = detection.heatmaps.shape[-1], config.padding
            xy = detection.xy * ((outer - 2 * pad) / outer)
            losses[name] = concentration(detection.heatmaps, xy, config.sigma_px)
        else:
            losses[name] = SHAPES[name](detection.heatmaps, config.sigma_px, config.temperature)
    return losses
