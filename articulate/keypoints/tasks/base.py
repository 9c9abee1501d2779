"""What every self-supervised task is: extra views it wants detected, then losses and metrics from the keypoints."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from articulate.geometry.thin_plate import ThinPlateWarp, random_warp
from articulate.keypoints.detector import Detection
from articulate.keypoints.hourglass import scaled


class TaskConfig(BaseModel):
    """Settings that every task has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: float = Field(default=1.0, gt=0, description="channels of the task's networks relative to the source")
    share: float = Field(default=1.0, gt=0, le=1, description="part of the batch on which the task is played")


class WarpConfig(BaseModel):
    """How strongly images are warped by thin-plate splines; deviations in the image frame, radians, log units."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int = Field(default=5, ge=2, description="the control grid has side x side points")
    strength: float = Field(default=0.1, ge=0)
    rotation: float = Field(default=0.2, ge=0)
    zoom: float = Field(default=0.1, ge=0)
    shift: float = Field(default=0.1, ge=0)

    def sample(self, images: Tensor, generator: torch.Generator) -> ThinPlateWarp:
        """One random warp per image."""
        return random_warp(
            len(images), generator, side=self.side, strength=self.strength, rotation=self.rotation,
            zoom=self.zoom, shift=self.shift, like=images,
        )  # fmt: skip


class WarpingConfig(TaskConfig):
    """Settings of a task that compares an image with another one, and how strong the warp is that may make it."""

    warp: WarpConfig = Field(default_factory=WarpConfig)


@dataclass(frozen=True)
class Frame:
    """What tasks are built for: number of keypoints, colour channels, and image size (H, W)."""

    num_keypoints: int
    channels: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Views:
    """Further images that a task wants detected in the same pass, how they were made, and later what was found."""

    images: Float[Tensor, "M C H W"]
    warp: ThinPlateWarp | None = None
    detection: Detection | None = None

    def with_detection(self, detection: Detection) -> "Views":
        """The same views, detected."""
        return replace(self, detection=detection)


@dataclass(frozen=True)
class TaskResult:
    """Scalars: losses to train on, metrics to look at."""

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor]


Settings = TypeVar("Settings", bound=TaskConfig)


class Task(nn.Module, Generic[Settings]):
    """A game played with keypoints; its networks are its own and are thrown away after training."""

    Config: ClassVar[type[Any]] = TaskConfig

    def __init__(self, config: Settings, frame: Frame) -> None:
        super().__init__()
        self.config = config
        self.frame = frame

    def views(
        self,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        partner: Float[Tensor, "N C H W"] | None = None,
    ) -> Views | None:
        """Images to detect besides `images`; `partner` is another frame of each image's video, where there is one."""
        return None

    @abstractmethod
    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Losses and metrics of one batch."""

    def played(self, number: int) -> int:
        """How many of `number` images the task is played on, at least 2."""
        return min(number, max(2, round(number * self.config.share)))


Warping = TypeVar("Warping", bound=WarpingConfig)


class SecondFrameTask(Task[Warping], Generic[Warping]):
    """A task on pairs of images: two frames of one video where the data has them, else an image and a warp of it."""

    Config: ClassVar[type[Any]] = WarpingConfig
    from_video: ClassVar[bool] = True

    def views(
        self,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        partner: Float[Tensor, "N C H W"] | None = None,
    ) -> Views:
        """The second frames."""
        number = self.played(len(images))
        if partner is not None and self.from_video:
            return Views(partner[:number])
        warp = self.config.warp.sample(images[:number], generator)
        return Views(warp.warp(images[:number]), warp)


def widths(channels: tuple[int, ...], width: float) -> list[int]:
    """Layer widths of a task's network, scaled."""
    return [scaled(c, width) for c in channels]


def mlp(sizes: list[int], last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with ReLU between them and `last` at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1], *([last] if last is not None else []))


def convolutions(sizes: list[int], kernel: int, activation: nn.Module, *, activate_last: bool = False) -> nn.Sequential:
    """Convolutions that keep the size, with `activation` between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), activation]
    return nn.Sequential(*(layers if activate_last else layers[:-1]))
