"""Images to keypoints: a network behind one module with one config, whatever the network is made of."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.centred import CentredLinear
from articulate.keypoints.hourglass import Hourglass, Start
from articulate.keypoints.soft_argmax import DEFAULT_RADIUS, Method, read_heatmaps


class KeypointDetectorConfig(BaseModel):
    """Size of the detector and how its heatmaps are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_keypoints: int = Field(gt=0)
    network: Literal["hourglass", "centred"] = Field(
        default="hourglass", description="heatmaps of any picture, or points of a light figure on a dark ground"
    )
    side: int = Field(default=32, ge=8, description="centred: pixels across the frame as the network sees it")
    channels: int = Field(default=3, gt=0, description="colour channels of the images")
    width: float = Field(default=1.0, gt=0, description="channels of the hourglass relative to Harris 2024")
    skip: Literal["full", "half"] = Field(default="full", description="where side branch 4b joins, see Hourglass")
    start: Start = Field(default="torch", description="first weights of the hourglass, see Hourglass")
    method: Method = "corrected"
    temperature: float = Field(default=1.0, gt=0)
    radius: int = Field(default=DEFAULT_RADIUS, ge=1, description="half side of the window around the mode, in cells")
    padding: int = Field(default=0, ge=0, multiple_of=4, description="cells added on each side of image and heatmap")
    sigma_px: float = Field(default=1.0, gt=0, description="half-width of the cleaned heatmaps")


@dataclass(frozen=True)
class Detection:
    """Heatmaps (logits, with the detector's padding; empty planes where the network makes none) and points of them."""

    heatmaps: Float[Tensor, "N K Hp Wp"]
    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"]
    covariance: Float[Tensor, "N K 2 2"]

    def __getitem__(self, part: slice) -> "Detection":
        """The detection of some of the images."""
        return Detection(self.heatmaps[part], self.xy[part], self.score[part], self.covariance[part])


class KeypointDetector(nn.Module):
    """Keypoints of images in [0, 1] whose sides are divisible by 4."""

    def __init__(self, config: KeypointDetectorConfig) -> None:
        super().__init__()
        self.config = config
        if config.network == "centred":
            self.centred = CentredLinear(config.num_keypoints, side=config.side)
            return
        self.hourglass = Hourglass(
            config.num_keypoints, channels=config.channels, width=config.width, skip=config.skip, start=config.start
        )

    def forward(self, images: Float[Tensor, "N C H W"]) -> Detection:
        """Detect the K keypoints of each image."""
        c = self.config
        if c.network == "centred":
            return self.read_centred(images)
        if c.padding:
            images = functional.pad(images, (c.padding,) * 4, mode="replicate")
        heatmaps = self.hourglass(images)
        reading = read_heatmaps(
            heatmaps, method=c.method, temperature=c.temperature, radius=c.radius, padding=c.padding
        )
        return Detection(heatmaps, *reading)

    def read_centred(self, images: Float[Tensor, "N C H W"]) -> Detection:
        """Points of the brightness; every score is 1, the standard deviation a tenth of a pixel that the network sees.

        The network knows no doubt of its own; that deviation is what it reaches on stickmen (table T2).
        """
        xy = self.centred(images.mean(dim=1, keepdim=True))
        covariance = (0.2 / self.config.side) ** 2 * torch.eye(2, dtype=xy.dtype, device=xy.device)
        ones = torch.ones_like(xy[..., 0])
        return Detection(images.new_zeros(*xy.shape[:2], 0, 0), xy, ones, covariance * ones[..., None, None])
