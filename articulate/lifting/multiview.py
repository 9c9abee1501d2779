"""Lifters that learn from several cameras at once and need one at test time (Li 2020, chapters 3 and 4)."""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.geometry.cameras import from_perspective, perspective, relative_pose, transform
from articulate.geometry.rotations import rotation_from_axis_angle
from articulate.lifting.factorised import centred
from articulate.lifting.inputs import Prepared, prepare, seen_points
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.networks import ResidualDense


class ReprojectionConfig(LifterConfig):
    """Transform re-projection: calibrated, synchronised cameras; distances in the unit of the camera centres."""

    kind: Literal["transform_reprojection"] = "transform_reprojection"
    width: int = Field(256, gt=0)
    blocks: int = Field(2, ge=0)
    rig_distance: float = Field(4.0, gt=0, description="mean distance of the cameras from the subject; a start")
    transfer_weight: float = Field(1.0, ge=0, description="weight of the other view's re-projection")
    body_size: float = Field(1.0, gt=0, description="size by which errors are divided, in the unit of the centres")


class TransformReprojection(Lifter):
    """Pose Y and root r in the camera's frame; Y + r, moved to the other camera, must project on what that one saw.

    Points are normalised image coordinates (x / z, focal length 1, not centred): the ray matters. The root branch
    starts at the rig's distance and both heads near zero, which replaces pre-training (a constant point in front of
    every camera is a fixed point of every transfer). `losses_of_pair` trains; a single view suffices for `forward`.
    """

    def __init__(self, num_keypoints: int, config: ReprojectionConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        k, g = num_keypoints, generator
        self.pose = ResidualDense(3 * k, config.width, config.blocks, k, g)
        self.root = ResidualDense(3 * k, config.width, config.blocks, 1, g)
        with torch.no_grad():
            self.pose.last.weight.mul_(0.03)
            self.root.last.weight.mul_(0.03)

    def global_joints(
        self, rays: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"] | None = None
    ) -> Float[Tensor, "N K 3"]:
        """Joints in the camera's frame and unit, on the rays of seen points; a missing one lies on the centre's."""
        seen = seen_points(rays, score)
        weight = seen.to(rays.dtype) if score is None else torch.where(seen, score, torch.zeros_like(score))
        p = prepare(rays, score, self.scale)
        flat = torch.cat([p.points.flatten(1), weight], 1)
        offset = self.pose(flat)
        distance = self.config.rig_distance * torch.exp(self.root(flat))
        z = distance + self.config.body_size * (offset - offset.mean(1, keepdim=True))
        filled = torch.where(seen[..., None], rays, p.centre.expand_as(rays))
        return from_perspective(filled, z.clamp_min(1e-3))

    def forward(
        self,
        xy: Float[Tensor, "N K 2"],
        score: Float[Tensor, "N K"] | None = None,
        scale: Float[Tensor, " N"] | None = None,
    ) -> Float[Tensor, "N K 3"]:
        """Joints in the camera's frame and the unit of the camera centres: absolute, unlike other lifters."""
        return self.global_joints(xy, score)

    def losses_of_pair(
        self,
        first: Float[Tensor, "N K 2"],
        second: Float[Tensor, "N K 2"],
        rotations: tuple[Float[Tensor, "3 3"], Float[Tensor, "3 3"]],
        centres: tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]],
        scores: tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]] | None = None,
    ) -> dict[str, Tensor]:
        """Errors of each view's pose in the other view (Li 2020, equation 3.5), weighted by both scores.

        Cameras are X_camera = R (X_world - c). Points lie on their own rays here, so the error of equation 3.2 in the
        own view is zero by construction. Image errors times distance over body size are dimensionless.
        """
        if not self.calibrated:
            self.calibrate(first.detach(), None if scores is None else scores[0])
        own = scores or (torch.ones_like(first[..., 0]), torch.ones_like(second[..., 0]))
        weight = [
            torch.where(seen_points(x, s), s, torch.zeros_like(s)) for x, s in zip((first, second), own, strict=True)
        ]
        joints = [self.global_joints(x, s) for x, s in zip((first, second), own, strict=True)]
        terms = {}
        for name, (a, b) in {"first_to_second": (0, 1), "second_to_first": (1, 0)}.items():
            rotation, centre = relative_pose(rotations[a], centres[a], rotations[b], centres[b])
            image = perspective(transform(joints[a], rotation, centre), nearest=0.1 * self.config.rig_distance)
            target = torch.nan_to_num((first, second)[b])
            both = weight[a] * weight[b]
            gap = (both * (image - target).square().sum(-1)).sum() / both.sum().clamp_min(1e-6)
            unit = self.config.rig_distance / self.config.body_size
            terms[name] = self.config.transfer_weight * unit**2 * gap
        return terms

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.config.learning_rate}]


class ConsistentConfig(LifterConfig):
    """Consistent factorisation: synchronised cameras of unknown place, parallel rays."""

    kind: Literal["consistent_factorisation"] = "consistent_factorisation"
    width: int = Field(256, gt=0)
    blocks: int = Field(2, ge=0)
    code: int = Field(10, gt=0, description="size of the shape's code, as the smallest dictionary of the source")
    consistency_weight: float = Field(1.0, ge=0)


class ConsistentFactorisation(Lifter):
    """A canonical shape from a code, turned by axis-angle: two views of one instant must give one shape (4.3, 4.4).

    Two parallel views of a rigid body leave a one-parameter family of shapes (three are needed: Ullman 1979): depth
    is determined only as far as the code, shared by instants and camera pairs, picks one of them.
    """

    def __init__(self, num_keypoints: int, config: ConsistentConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        k, g = num_keypoints, generator
        self.encoder = ResidualDense(3 * k, config.width, config.blocks, config.code + 3, g)
        self.decoder = ResidualDense(config.code, config.width, 1, 3 * k, g)
        with torch.no_grad():
            # The mean shape must not start flat, or no view tells its depth.
            self.decoder.last.bias.uniform_(-1, 1, generator=g)

    def factors(
        self, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"]
    ) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "N 3 3"]]:
        """Canonical shape and rotation of each frame."""
        out = self.encoder(torch.cat([points.flatten(1), weight], 1))
        code, turn = out[:, : self.config.code], math.pi * out[:, self.config.code :]
        return centred(self.decoder(code).unflatten(1, (-1, 3))), rotation_from_axis_angle(turn)

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        shape, rotation = self.factors(prepared.points, prepared.weight)
        return shape @ rotation.mT

    def losses_of_pair(
        self,
        first: Float[Tensor, "N K 2"],
        second: Float[Tensor, "N K 2"],
        scores: tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]] | None = None,
    ) -> dict[str, Tensor]:
        """Re-projection in both views and distance of the two canonical shapes (Li 2020, equations 4.3 and 4.4)."""
        own = scores or (None, None)
        if not self.calibrated:
            self.calibrate(first.detach(), own[0])
        shapes, errors = [], []
        for xy, score in zip((first, second), own, strict=True):
            p = prepare(xy, score, self.scale)
            shape, rotation = self.factors(p.points, p.weight)
            gap = ((shape @ rotation.mT)[..., :2] - p.points).square().sum(-1)
            errors.append((p.weight * gap).sum() / p.weight.sum().clamp_min(1e-6))
            shapes.append(shape)
        consistency = (shapes[0] - shapes[1]).square().sum(-1).mean()
        return {
            "reprojection": errors[0] + errors[1],
            "consistency": self.config.consistency_weight * consistency,
        }

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        """One view alone: re-projection only, which leaves depth free (use `losses_of_pair`)."""
        shape, rotation = self.factors(prepared.points, prepared.weight)
        gap = ((shape @ rotation.mT)[..., :2] - prepared.points).square().sum(-1)
        return {"reprojection": (prepared.weight * gap).sum() / prepared.weight.sum().clamp_min(1e-6)}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "lr": self.config.learning_rate}]
