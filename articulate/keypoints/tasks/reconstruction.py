"""Reconstruction of the image from cleaned heatmaps by a high- and a low-frequency network (Harris 2024, section 4)."""

import math
from typing import cast

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, convolutions, widths


class ReconstructionConfig(TaskConfig):
    """What the decoder draws before it has learned anything."""

    background: float = Field(
        default=0.5, gt=0, lt=1, description="brightness of the first drawings, e.g. 0.1 on black"
    )


class TwoFrequencyDecoder(nn.Module):
    """Maps to an image: two networks summed, then a sigmoid.

    High: 3x3 convolutions K->20->48->64->32->C, LeakyReLU 0.1 but the last. Low: 5x5 convolutions
    K->5->10->12->12->12, maxpool 2, 12->5->C, upsampled x2 bilinearly.
    """

    def __init__(self, inputs: int, channels: int, width: float, background: float = 0.5) -> None:
        super().__init__()
        leaky = nn.LeakyReLU(0.1, inplace=True)
        self.high = convolutions([inputs, *widths((20, 48, 64, 32), width), channels], 3, leaky)
        nn.init.constant_(cast(Tensor, self.high[-1].bias), math.log(background / (1 - background)))
        before = widths((5, 10, 12, 12, 12), width)
        self.low_full = convolutions([inputs, *before], 5, leaky, activate_last=True)
        self.low_half = convolutions([before[-1], *widths((5,), width), channels], 5, leaky)

    def forward(self, maps: Float[Tensor, "N M H W"]) -> Float[Tensor, "N C H W"]:
        """Image in [0, 1]."""
        low = self.low_half(functional.max_pool2d(self.low_full(maps), 2))
        low = functional.interpolate(low, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.high(maps) + low)


class Reconstruction(Task[ReconstructionConfig]):
    """Mean squared error between the image and what the decoder draws from the cleaned heatmaps.

    The loss is divided by the batch's variance around its mean image (dimensionless: 1 = nothing learned); the plain
    mean squared error is the metric `reconstruction_mse`.
    """

    Config = ReconstructionConfig

    def __init__(self, config: ReconstructionConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        self.decoder = TwoFrequencyDecoder(frame.num_keypoints, frame.channels, config.width, config.background)

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Reconstruct the played part of the batch."""
        number = self.played(len(images))
        return reconstruction_result("reconstruction", self.decoder(cleaned[:number]), images[:number])


def reconstruction_result(name: str, drawn: Float[Tensor, "N C H W"], images: Float[Tensor, "N C H W"]) -> TaskResult:
    """Mean squared error, as it is and over the variance of the batch around its mean image."""
    error = functional.mse_loss(drawn, images)
    # The floor keeps a batch of equal images finite.
    spread = (images - images.mean(0, keepdim=True)).square().mean().clamp_min(1.0e-4)
    return TaskResult({name: error / spread}, {f"{name}_mse": error.detach()})
