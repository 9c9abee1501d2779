"""Reconstruction of what changed between two frames, after B-KinD (Sun et al. 2022), with small networks."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.soft_argmax import draw_gaussians
from articulate.keypoints.tasks.base import (
    Frame,
    SecondFrameTask,
    TaskResult,
    Views,
    WarpingConfig,
    convolutions,
    widths,
)


class DifferenceMapConfig(WarpingConfig):
    """Also the cleaned heatmaps' half-width."""

    sigma_px: float = 1.0


class DifferenceMap(SecondFrameTask[DifferenceMapConfig]):
    """Predict |second frame - first frame| from the first frame's appearance and both frames' cleaned heatmaps.

    With a static camera the background cancels, so only what moves must be explained. The appearance encoder sees a
    quarter of the resolution. Mean squared error over the mean square of the difference (1 = predicting nothing).
    """

    Config = DifferenceMapConfig

    def __init__(self, config: DifferenceMapConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        leaky = nn.LeakyReLU(0.1, inplace=True)
        seen = widths((16, 32), config.width)
        self.appearance = convolutions([frame.channels, *seen], 3, leaky, activate_last=True)
        self.decoder = convolutions(
            [2 * frame.num_keypoints + seen[-1], *widths((32, 48, 32), config.width), frame.channels], 3, leaky
        )

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Predict the difference map of the played part."""
        assert views is not None and views.detection is not None, "difference_map needs its views detected"
        number = len(views.images)
        size = (images.shape[-2], images.shape[-1])
        second = draw_gaussians(views.detection.xy, size, self.config.sigma_px)
        seen = self.appearance(functional.avg_pool2d(images[:number], 4))
        seen = functional.interpolate(seen, size=size, mode="bilinear", align_corners=False)
        predicted = self.decoder(torch.cat([cleaned[:number], second, seen], 1))
        target = (views.images - images[:number]).abs()
        # The floor keeps a pair of equal frames, in which nothing is to be explained, finite.
        scale = target.square().mean().clamp_min(1.0e-4)
        loss = functional.mse_loss(predicted, target) / scale
        return TaskResult({"difference_map": loss}, {"difference_unexplained": loss.detach()})
