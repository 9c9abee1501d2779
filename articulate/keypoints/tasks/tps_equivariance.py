"""Equivariance under thin-plate warps after Thewlis et al. 2017: keypoints must follow the image."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import SecondFrameTask, TaskResult, Views, WarpingConfig


class TpsEquivarianceConfig(WarpingConfig):
    """Strength of the warp and of the diversity term without which all keypoints may fall together."""

    separation: float = Field(default=0.15, gt=0, description="distance in the image frame of mutual repulsion")
    diversity: float = Field(default=1.0, ge=0, description="weight of the repulsion inside this task")


class TpsEquivariance(SecondFrameTask[TpsEquivarianceConfig]):
    """Mean squared distance between g(keypoints of the warped image) and keypoints of the image, g the warp.

    Plus `diversity` times the mean of exp(-d^2 / 2 separation^2) over pairs, in the place of Thewlis' sum over patches.
    The squared distance is divided by separation^2. Metric: `equivariance_error` (mean distance, image frame).
    """

    Config = TpsEquivarianceConfig
    # The warp between both images is known, which two frames of a video do not give.
    from_video = False

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Compare both detections in the frame of the image."""
        assert views is not None and views.detection is not None and views.warp is not None
        xy = detection.xy[: len(views.images)]
        squared = (views.warp.source_points(views.detection.xy) - xy).square().sum(-1)
        loss = squared.mean() / self.config.separation**2
        loss = loss + self.config.diversity * crowding(xy, self.config.separation)
        return TaskResult({"tps_equivariance": loss}, {"equivariance_error": squared.detach().sqrt().mean()})


def crowding(xy: Float[Tensor, "N K 2"], separation: float) -> Float[Tensor, ""]:
    """Mean over pairs of exp(-d^2 / (2 separation^2)): 1 when all keypoints coincide, 0 when all are apart."""
    number = xy.shape[1]
    if number < 2:
        return xy.sum() * 0
    squared = (xy[:, :, None] - xy[:, None]).square().sum(-1)
    rows, columns = torch.triu_indices(number, number, offset=1, device=xy.device)
    return torch.exp(-0.5 * squared[:, rows, columns] / separation**2).mean()
