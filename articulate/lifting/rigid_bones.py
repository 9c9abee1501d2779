"""Rigid bones as the source describes them: variance of limb lengths and self-consistency at 90 degrees (5.4)."""

from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.lifting.inputs import Prepared
from articulate.lifting.lifter import Lifter, LifterConfig, with_depth
from articulate.lifting.networks import dense


class RigidBonesConfig(LifterConfig):
    """Numbers of Harris 2024, section 5.4: layers after the input, learning rate, batch.

    How long to train is for the caller to say (the source: 250 epochs).
    """

    kind: Literal["rigid_bones"] = "rigid_bones"
    hidden: tuple[int, ...] = (256, 128, 64)
    learning_rate: float = Field(1e-5, gt=0)
    batch_size: int = Field(256, gt=1)


def limb_variance(
    joints: Float[Tensor, "N K 3"], weight: Float[Tensor, "N K"], edges: Int[Tensor, "L 2"]
) -> Float[Tensor, ""]:
    """Mean over limbs of the variance of their 3D length over the batch, divided by the squared mean length.

    The source sums the raw variances (Harris 2024, section 5.4); dividing by one common length keeps it dimensionless.
    Each frame counts by the product of its two ends' scores.
    """
    if len(edges) == 0:
        return joints.sum() * 0
    parent, child = edges.unbind(1)
    # The tiny square keeps the gradient finite at limbs of zero length.
    length = ((joints[:, child] - joints[:, parent]).square().sum(-1) + 1e-10).sqrt()
    pair = weight[:, child] * weight[:, parent]
    share = pair / pair.sum(0).clamp_min(1e-6)
    mean = (share * length).sum(0)
    variance = (share * (length - mean).square()).sum(0)
    return variance.mean() / mean.mean().square().clamp_min(1e-6)


class RigidBones(Lifter):
    """Network 2K -> 256 -> 128 -> 64 -> K (ReLU) that gives each keypoint's depth.

    Losses: limb variance along the tree, and self-consistency || net(z, y) + x ||^2: seen from the side, at 90 degrees,
    the depth of a point is minus its x. Both hold for the true pose, its depth reflection, and (up to the second
    term) for any set of lengths above the longest projections: METHODS 7 found it worse than flat.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("limb_variance", "self_consistency")

    def __init__(self, num_keypoints: int, config: RigidBonesConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        self.network = dense([2 * num_keypoints, *config.hidden, num_keypoints], generator)

    def depth(self, points: Float[Tensor, "N K 2"]) -> Float[Tensor, "N K"]:
        """Depth of every keypoint, mean 0."""
        z = self.network(points.flatten(1))
        return z - z.mean(1, keepdim=True)

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        return with_depth(prepared, self.depth(prepared.points))

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        z = self.depth(prepared.points)
        joints = with_depth(prepared, z)
        tree = edges if edges is not None else torch.zeros(0, 2, dtype=torch.int64, device=z.device)
        seen = prepared.weight > 0
        side = torch.stack([torch.where(seen, z, torch.zeros_like(z)), prepared.points[..., 1]], -1)
        gap = (self.depth(side) + prepared.points[..., 0]).square()
        return {
            "limb_variance": limb_variance(joints, prepared.weight, tree),
            "self_consistency": (prepared.weight * gap).sum() / prepared.weight.sum().clamp_min(1e-6),
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.config.learning_rate}]
