"""Images to keypoints: the hourglass and the soft-argmax behind one module with one config."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.hourglass import Hourglass, Start
from articulate.keypoints.soft_argmax import DEFAULT_RADIUS, Method, read_heatmaps


class KeypointDetectorConfig(BaseModel):
    """Size of the detector and how its heatmaps are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_keypoints: int = Field(gt=0)
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
    """Heatmaps (logits, with the detector's padding) and what was read from them, in the image frame."""

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
        self.hourglass = Hourglass(
            config.num_keypoints, channels=config.channels, width=config.width, skip=config.skip, start=config.start
        )

    def forward(self, images: Float[Tensor, "N C H W"]) -> Detection:
        """Detect the K keypoints of each image."""
        c = self.config
        if c.padding:
            images = functional.pad(images, (c.padding,) * 4, mode="replicate")
        heatmaps = self.hourglass(images)
        reading = read_heatmaps(
            heatmaps, method=c.method, temperature=c.temperature, radius=c.radius, padding=c.padding
        )
        return Detection(heatmaps, *reading)
