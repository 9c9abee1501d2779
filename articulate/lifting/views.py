"""A lifter for subjects that are seen from many sides: cycles over random views, and views that must look real.

Lift, turn about the vertical by a random angle, project, lift again, turn back: the pose must come back (Chen 2019),
and the set of turned poses must look like the set of observed ones, by a sliced Wasserstein distance instead of a
discriminator. Both hold for the true poses and their global depth reflection. Bones of learned log-lengths join in a
second phase: from the start they lock wrong signs in.

Both find their signs slowly and settle in local optima. So a heading model (`heading_model.py`) is fitted first, in
seconds, and teaches: the network learns its depths, also of its poses turned at random, which no clip has shown.
"""

import math
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from articulate.lifting.heading_fit import HeadingFit, HeadingFitConfig
from articulate.lifting.heading_teacher import HeadingTeacher
from articulate.lifting.inputs import Prepared
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.networks import ResidualDense
from articulate.lifting.views_losses import (
    lift_with_camera,
    random_angles,
    random_directions,
    see_with_camera,
    sliced_wasserstein,
    turn_about_vertical,
)


class ViewsConfig(LifterConfig):
    """Numbers of the view lifter; angles in radians, distances in sizes of the subject (RMS radius)."""

    kind: Literal["views"] = "views"
    width: int = Field(128, gt=0)
    blocks: int = Field(2, ge=0)
    steps: int = Field(1500, gt=0, description="losses() calls after which the schedule of the phases is complete")
    bone_phase: float = Field(0.75, ge=0, le=1, description="share of the steps, at the end, in which bones are rigid")
    directions: int = Field(64, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    elevation_rate: float = Field(1e-3, ge=0, description="learning rate of elevation and lengths; 0 keeps the start")
    heading: HeadingFitConfig = HeadingFitConfig.model_validate({})
    teach_weight: float = Field(3.0, ge=0, description="of the heading model's depths, within the completion term")
    start_share: float = Field(0.15, ge=0, lt=1, description="share of the steps each distance is tried")
    cycle_weight: float = Field(1.0, ge=0)
    match_weight: float = Field(1.0, ge=0)
    bone_weight: float = Field(10.0, ge=0)
    completion_weight: float = Field(0.3, ge=0)
    drop: float = Field(0.03, ge=0, lt=1, description="share of points hidden in training, so that gaps can be filled")
    noise: float = Field(0.0, ge=0, description="standard deviation of the 2D points, in sizes of the subject")
    camera: Literal["parallel", "perspective"] = "parallel"
    distances: tuple[float, ...] = Field((8.0, 16.0, 40.0), min_length=1, description="searched when perspective")


class ViewLifter(Lifter):
    """Residual network on points and their weights: depths, and places for points that are missing.

    `elevation` (tilt of the camera against the subject's vertical) and `log_lengths` (per pair of keypoints) are
    parameters; `step` counts the calls of `losses` in training and drives the phases, and is saved with the weights.
    """

    loss_names: ClassVar[tuple[str, ...]] = ("cycle", "match", "completion", "bones")

    step: Tensor
    length_known: Tensor
    distance: Tensor

    def __init__(self, num_keypoints: int, config: ViewsConfig, generator: torch.Generator) -> None:
        super().__init__(num_keypoints, config, generator)
        self.config = config
        self.network = ResidualDense(3 * num_keypoints, config.width, config.blocks, 3 * num_keypoints, generator)
        self.elevation = nn.Parameter(torch.tensor(float(config.heading.elevation_starts[0])))
        self.log_lengths = nn.Parameter(torch.zeros(num_keypoints, num_keypoints))
        self.register_buffer("length_known", torch.zeros(num_keypoints, num_keypoints, dtype=torch.bool))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        # Infinite distance is the parallel camera: orthographic, or weak perspective when clips have their own scale.
        far = config.distances[0] if config.camera == "perspective" else math.inf
        self.register_buffer("distance", torch.tensor(far))
        self.teacher = HeadingTeacher(num_keypoints)

    def learn_from(self, fit: HeadingFit) -> None:
        """Take the heading model as teacher, and its elevation as one's own."""
        self.teacher.take(fit)
        with torch.no_grad():
            self.elevation.fill_(fit.model.elevation)

    @property
    def rays(self) -> float | None:
        """Distance of the perspective camera, None for parallel rays."""
        return None if math.isinf(self.distance.item()) else self.distance.item()

    def complete(
        self, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"]
    ) -> tuple[Float[Tensor, "N K 2"], Float[Tensor, "N K"], Float[Tensor, "N K 2"]]:
        """Points with the missing ones filled in, depths of mean 0, and the network's own guess of every point."""
        out = self.network(torch.cat([points.flatten(1), weight], 1)).unflatten(1, (-1, 3))
        guess, z = out[..., :2], out[..., 2]
        filled = torch.where((weight > 0)[..., None], points, guess)
        return filled, z - z.mean(1, keepdim=True), guess

    def lift(self, prepared: Prepared) -> Float[Tensor, "N K 3"]:
        filled, z, _ = self.complete(prepared.points, prepared.weight)
        return lift_with_camera(filled, z, self.rays)

    def loss_terms(self, prepared: Prepared, edges: Int[Tensor, "L 2"] | None) -> dict[str, Tensor]:
        weight, hidden = self.hide(prepared.weight)
        points = torch.where((weight > 0)[..., None], prepared.points, torch.zeros_like(prepared.points))
        filled, z, guess = self.complete(points, weight)
        joints = lift_with_camera(filled, z, self.rays)
        cycle, match = self.view_terms(joints, points, weight)
        missed = (hidden * (guess - prepared.points).square().sum(-1)).sum() / hidden.sum().clamp_min(1.0)
        missed = self.config.completion_weight * missed + self.config.teach_weight * self.taught(prepared, z)
        terms = {
            "cycle": self.config.cycle_weight * cycle,
            "match": self.config.match_weight * match,
            "completion": missed,
            "bones": self.bone_ramp() * self.bone_term(joints, weight, edges),
        }
        if self.training:
            self.step += 1
        return terms

    def taught(self, prepared: Prepared, z: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        """Mean squared distance to the heading model's depths, of the frames and of its poses turned at random."""
        weight = prepared.weight
        lesson = self.teacher.lesson(prepared.points, weight, self.noise)
        if lesson is None:
            return z.sum() * 0
        depth, turned = lesson
        _, again, _ = self.complete(turned[..., :2], torch.ones_like(weight))
        ours = (weight * (z - depth).square()).sum() / weight.sum().clamp_min(1e-6)
        return ours + (again - turned[..., 2]).square().mean()

    def hide(self, weight: Float[Tensor, "N K"]) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]]:
        """Weights with some seen points hidden at random, and those points' weights: what completion is trained on."""
        draw = torch.rand(weight.shape, generator=self.noise).to(weight)
        gone = (draw < self.config.drop) & (weight > 0)
        return torch.where(gone, torch.zeros_like(weight), weight), weight * gone

    def view_terms(
        self, joints: Float[Tensor, "N K 3"], points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Cycle over a random yaw, and distance between the turned views and the observed points, gaps included."""
        angle = random_angles(len(joints), self.noise, joints)
        turned = turn_about_vertical(joints, angle, self.elevation)
        image = see_with_camera(turned, self.rays)
        # The new view has the gaps of its source frame, so that gaps alone cannot tell it from an observed one.
        image = torch.where((weight > 0)[..., None], image, torch.zeros_like(image))
        filled, z, _ = self.complete(image, weight)
        back = turn_about_vertical(lift_with_camera(filled, z, self.rays), -angle, self.elevation)
        cycle = (weight * (back - joints).square().sum(-1)).sum() / weight.sum().clamp_min(1e-6)
        directions = random_directions(2 * self.num_keypoints, self.config.directions, self.noise, joints)
        return cycle, sliced_wasserstein(image.flatten(1), points.flatten(1), directions)

    def bone_ramp(self) -> float:
        """Weight of the bones now: zero in the first phase, then rising over a fifth of the second."""
        begin = (1 - self.config.bone_phase) * self.config.steps
        rise = max(1.0, 0.2 * self.config.bone_phase * self.config.steps)
        return self.config.bone_weight * min(1.0, max(0.0, (self.step.item() - begin) / rise))

    def bone_term(
        self, joints: Float[Tensor, "N K 3"], weight: Float[Tensor, "N K"], edges: Int[Tensor, "L 2"] | None
    ) -> Float[Tensor, ""]:
        """Mean squared difference between bones and their learned lengths over the squared mean length."""
        if edges is None or len(edges) == 0 or self.bone_ramp() == 0:
            return joints.sum() * 0
        first, second = edges.min(1).values, edges.max(1).values
        length = ((joints[:, second] - joints[:, first]).square().sum(-1) + 1e-8).sqrt()
        self.know_lengths(first, second, length)
        usual = self.log_lengths[first, second].exp()
        pair = weight[:, second] * weight[:, first]
        gap = (pair * (length - usual).square()).sum() / pair.sum().clamp_min(1e-6)
        return gap / usual.detach().mean().square()

    @torch.no_grad()
    def know_lengths(self, first: Int[Tensor, " L"], second: Int[Tensor, " L"], length: Float[Tensor, "N L"]) -> None:
        """Start bones that are new to the tree at their median length in this batch."""
        new = ~self.length_known[first, second]
        if new.any():
            self.log_lengths[first[new], second[new]] = length[:, new].median(0).values.log()
            self.length_known[first[new], second[new]] = True

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.network.parameters()), "lr": self.config.learning_rate},
            {"params": [self.elevation, self.log_lengths], "lr": self.config.elevation_rate},
        ]
