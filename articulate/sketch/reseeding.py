"""Re-seeding over a training: from time to time the least useful keypoint is called to what the drawing leaves out."""

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from articulate.sketch.allocation import farthest_unexplained, plan_reseeding


class ReseedingConfig(BaseModel):
    """When keypoints are called, and what counts as unexplained. The defaults are those of table T2."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int = Field(default=60, ge=2, description="steps between two decisions")
    hold: int = Field(default=20, ge=1, description="steps during which a call lasts")
    begin: float = Field(default=0.03, ge=0, le=1, description="share of the training before the first call")
    end: float = Field(default=0.6, ge=0, le=1, description="share of the training after which nothing is moved")
    tolerance: float = Field(default=4.0, gt=0, description="half-widths from the drawing that count as unexplained")
    images: int = Field(default=32, ge=1, description="images of a batch that decide")


class Reseeder(nn.Module):
    """Which keypoint is called until which step, kept in a buffer so that a resumed training goes on alike."""

    called: Int[Tensor, "2"]

    def __init__(self, config: ReseedingConfig | None = None) -> None:
        super().__init__()
        self.config = config or ReseedingConfig()
        self.register_buffer("called", torch.tensor([-1, 0]))

    def due(self, share: float) -> bool:
        """Whether keypoints are moved at all when this share of the training is done."""
        return self.config.begin < share < self.config.end

    def plan(
        self,
        step: int,
        points: Float[Tensor, "B K 2"],
        edges: Int[Tensor, "L 2"],
        target: Float[Tensor, "B 1 H W"],
        half_width: float,
    ) -> bool:
        """Decide where it is time to, from white-on-black `target`; whether a keypoint was called."""
        c = self.config
        if step % c.every != c.every - 1:
            return False
        plan = plan_reseeding(points.detach()[: c.images], edges, target[: c.images], half_width, c.tolerance)
        if plan is None:
            return False
        self.called.copy_(torch.tensor([plan.keypoint, step + c.hold]))
        return True

    def loss(
        self,
        step: int,
        points: Float[Tensor, "B K 2"],
        edges: Int[Tensor, "L 2"],
        target: Float[Tensor, "B 1 H W"],
        half_width: float,
    ) -> Float[Tensor, ""]:
        """Mean squared distance of the called keypoint to the farthest unexplained pixel of each image; else 0.

        Also 0 where fewer than three images in ten have something unexplained: the call has been followed.
        """
        keypoint, until = self.called.tolist()
        if step >= until:
            return 0.0 * points.sum()  # a zero that has a gradient, as every loss must
        place, distance = farthest_unexplained(points.detach(), edges, target)
        found = (distance > self.config.tolerance * half_width).to(points.dtype)
        if float(found.mean()) < 0.3:
            return 0.0 * points.sum()  # a zero that has a gradient, as every loss must
        return ((points[:, keypoint] - place).square().sum(-1) * found).sum() / found.sum()
