"""Adversarial lifter: a discriminator judges the pose from a random angle (Harris 2024, section 3.4)."""

import math
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from articulate.geometry.rotations import rotation_about
from articulate.lifting.factorised import centred
from articulate.lifting.inputs import Prepared
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.networks import dense


class AdversarialConfig(LifterConfig):
    """Numbers of Harris 2024, section 3.4: code of 7, batch 512, Adam 1e-5 (lifter) and 1e-6 (discriminator).

    How long to train is for the caller to say (the source: 1500 epochs).
    """

    kind: Literal["adversarial"] = "adversarial"
    code: int = Field(7, gt=0)
    learning_rate: float = Field(1e-5, gt=0)
    discriminator_learning_rate: float = Field(1e-6, gt=0)
    batch_size: int = Field(512, gt=1)
    adversarial_weight: float = Field(1.0, ge=0)


class Adversarial(Lifter):
    """Pose = yaw(angle) (mean pose + residual); its projection from a random yaw must pass for an observed pose.

    Mean pose: parameters. Residual through a code of 7 (2K-25K-50K-25K-7-50K-3K), angle 2K-25K-30K-25K-1. The
    discriminator 2K-50K-25K-5K-2 is trained by the same backward pass: its own term sees detached poses, and the
    lifter's term sees it frozen, so that two parameter groups with their own learning rates are all it needs.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("reconstruction", "adversarial", "discriminator")

    def __init__(self, num_keypoints: int, config: AdversarialConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        k, g = num_keypoints, generator
        start = 0.1 * torch.randn(k, 3, generator=g)
        self.mean_pose = nn.Parameter(start - start.mean(0))
        self.encoder = dense([2 * k, 25 * k, 50 * k, 25 * k, config.code], g, nn.Tanh())
        self.decoder = dense([config.code, 50 * k, 3 * k], g)
        self.angle = dense([2 * k, 25 * k, 30 * k, 25 * k, 1], g, nn.Tanh())
        self.discriminator = dense([2 * k, 50 * k, 25 * k, 5 * k, 2], g)

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        flat = prepared.points.flatten(1)
        shape = self.mean_pose + self.decoder(self.encoder(flat)).unflatten(1, (-1, 3))
        yaw = rotation_about(1, math.pi * self.angle(flat)[:, 0])
        return centred(shape @ yaw.mT)

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        joints = self.lift(prepared)
        gap = (prepared.weight * (joints[..., :2] - prepared.points).square().sum(-1)).sum()
        angle = 2 * math.pi * torch.rand(len(joints), generator=self.noise, device=self.noise.device).to(joints)
        seen = (joints @ rotation_about(1, angle).mT)[..., :2].flatten(1)
        real = prepared.points.flatten(1)
        return {
            "reconstruction": gap / prepared.weight.sum().clamp_min(1e-6),
            "adversarial": self.config.adversarial_weight * judged(self.frozen_logits(seen), 1),
            "discriminator": 0.5
            * (judged(self.discriminator(seen.detach()), 0) + judged(self.discriminator(real.detach()), 1)),
        }

    def frozen_logits(self, poses: Float[Tensor, "N D"]) -> Float[Tensor, "N 2"]:
        """The discriminator's opinion with its weights as constants: gradients reach the poses only."""
        weights = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        return torch.func.functional_call(self.discriminator, weights, (poses,))

    def parameter_groups(self) -> list[dict[str, Any]]:
        judge = list(self.discriminator.parameters())
        own = [p for name, p in self.named_parameters() if not name.startswith("discriminator.")]
        return [
            {"params": own, "lr": self.config.learning_rate},
            {"params": judge, "lr": self.config.discriminator_learning_rate},
        ]


def judged(logits: Float[Tensor, "N 2"], label: int) -> Float[Tensor, ""]:
    """Cross-entropy of the two-way opinion against one label for the whole batch."""
    target = torch.full((len(logits),), label, dtype=torch.int64, device=logits.device)
    return nn.functional.cross_entropy(logits, target)
