"""The contract of every lifter: 2D keypoints in, 3D joints in the frame of the image out, and its own losses."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from articulate.config import StrictModel
from articulate.lifting.inputs import Prepared, prepare, subject_scale


class LifterConfig(StrictModel):
    """What every lifter's configuration says: its kind, and how it is trained when it is trained alone."""

    kind: str = ""
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(256, gt=1)


class Lifter(nn.Module):
    """Base of the lifters. Subclasses implement `lift` and `loss_terms` on prepared keypoints (centred, size about 1).

    Joints come back in units of `xy`, in the camera's frame (x right, y down, z forward), with mean depth 0; which of
    the two depth reflections is right cannot be known from 2D, and is the same for all frames of one training.
    """

    loss_names: ClassVar[tuple[str, ...]] = ()

    scale: Tensor
    calibrated: Tensor

    def __init__(self, num_keypoints: int, config: LifterConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        # Randomness of the losses (views, directions, noise) comes from one own generator, on the CPU on every device.
        self.noise = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("calibrated", torch.zeros((), dtype=torch.bool))

    def get_extra_state(self) -> Tensor:
        """State of the loss's random generator, so that a resumed training draws the same numbers."""
        return self.noise.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Inverse of `get_extra_state`."""
        self.noise.set_state(state.cpu())

    def calibrate(self, xy: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"] | None = None) -> None:
        """Set the one size by which all inputs are divided; `losses` does it from its first batch otherwise."""
        self.scale.copy_(subject_scale(xy, score))
        self.calibrated.fill_(True)

    def forward(
        self,
        xy: Float[Tensor, "N K 2"],
        score: Float[Tensor, "N K"] | None = None,
        scale: Float[Tensor, " N"] | None = None,
    ) -> Float[Tensor, "N K 3"]:
        """Joints of each frame; `scale` is the subject's size in the image where a clip differs from training.

        Missing points (NaN or score 0) are filled in by the model where the lifter can, else lie at the frame's centre.
        """
        prepared = prepare(xy, score, self.scale if scale is None else scale)
        joints = self.lift(prepared) * prepared.scale[:, None, None]
        return torch.cat([joints[..., :2] + prepared.centre, joints[..., 2:]], -1)

    def losses(
        self,
        xy: Float[Tensor, "N K 2"],
        score: Float[Tensor, "N K"] | None = None,
        edges: Int[Tensor, "L 2"] | None = None,
        scale: Float[Tensor, " N"] | None = None,
    ) -> dict[str, Tensor]:
        """Named dimensionless terms of the training loss on one batch; `edges` is the tree where it is known."""
        if not self.calibrated:
            self.calibrate(xy.detach(), score)
        prepared = prepare(xy, score, self.scale if scale is None else scale)
        return self.loss_terms(prepared, edges)

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        """Joints in units of the subject's size, centred."""
        raise NotImplementedError

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        """Losses on prepared keypoints."""
        raise NotImplementedError

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for an optimiser, each with `params` and its own `lr`; one backward pass of the sum suits all."""
        raise NotImplementedError


def with_depth(prepared: Prepared, depth: Float[Tensor, "N K"]) -> Float[Tensor, "N K 3"]:
    """The observed plane with a depth for every keypoint, brought to mean depth 0."""
    return torch.cat([prepared.points, (depth - depth.mean(1, keepdim=True))[..., None]], -1)
