"""Factorised auto-encoder: mean pose + residual, seen by a predicted camera (Harris 2024, section 3.3)."""

import math
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from articulate.geometry.rotations import rotation_from_axis_angle
from articulate.lifting.inputs import Prepared
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.networks import dense


class FactorisedConfig(LifterConfig):
    """Numbers of Harris 2024, section 3.3; the size of the code and the camera noise are not stated there."""

    kind: Literal["factorised"] = "factorised"
    code: int = Field(7, gt=0)
    camera_noise: float = Field(0.1, ge=0, description="standard deviation of the stability test's rotation, rad")
    residual_weight: float = Field(0.1, ge=0)
    stability_weight: float = Field(0.1, ge=0)


class Factorised(Lifter):
    """Pose = R(camera) (mean pose + residual), each from its own network on the same 2D keypoints.

    Mean pose 2K-25K-1-25K-3K through a single number, residual 2K-25K-50K-25K-l-50K-3K, camera 2K-25K-30K-25K-3 as
    axis-angle in units of pi. Losses: 2D reconstruction, size of the residual, and stability: the pose seen by a
    slightly turned camera must give the same shape. Right in 2D; depth is not determined by these terms.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("reconstruction", "residual_size", "stability")

    def __init__(self, num_keypoints: int, config: FactorisedConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        k, g = num_keypoints, generator
        self.mean_pose = nn.Sequential(dense([2 * k, 25 * k, 1], g, nn.ReLU()), dense([1, 25 * k, 3 * k], g, nn.Tanh()))
        self.encoder = dense([2 * k, 25 * k, 50 * k, 25 * k, config.code], g, nn.Tanh())
        self.decoder = dense([config.code, 50 * k, 3 * k], g, nn.Tanh())
        self.camera = dense([2 * k, 25 * k, 30 * k, 25 * k, 3], g, nn.Tanh())

    def factors(
        self, points: Float[Tensor, "N K 2"]
    ) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "N K 3"], Float[Tensor, "N 3 3"]]:
        """Mean pose, residual and camera rotation of each frame."""
        flat = points.flatten(1)
        # Tanh ends at 1 while a body of unit RMS size reaches farther than that.
        mean = 3 * self.mean_pose(flat).unflatten(1, (-1, 3))
        residual = 3 * self.decoder(self.encoder(flat)).unflatten(1, (-1, 3))
        return mean, residual, rotation_from_axis_angle(math.pi * self.camera(flat))

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        mean, residual, rotation = self.factors(prepared.points)
        return centred((mean + residual) @ rotation.mT)

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        mean, residual, rotation = self.factors(prepared.points)
        shape = mean + residual
        seen = centred(shape @ rotation.mT)
        gap = (prepared.weight * (seen[..., :2] - prepared.points).square().sum(-1)).sum()
        noise = self.config.camera_noise * torch.randn(len(mean), 3, generator=self.noise, device=self.noise.device)
        turn = rotation_from_axis_angle(noise.to(mean))
        again_mean, again_residual, _ = self.factors((seen @ turn.mT)[..., :2])
        return {
            "reconstruction": gap / prepared.weight.sum().clamp_min(1e-6),
            "residual_size": self.config.residual_weight * residual.square().sum(-1).mean(),
            "stability": self.config.stability_weight * (again_mean + again_residual - shape).square().sum(-1).mean(),
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.config.learning_rate}]


def centred(joints: Float[Tensor, "N K 3"]) -> Float[Tensor, "N K 3"]:
    """Joints with their mean at the origin."""
    return joints - joints.mean(1, keepdim=True)
