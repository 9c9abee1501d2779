"""A fitted heading model as part of a lifter: saved with its weights, and the lessons that it gives."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from articulate.lifting.heading_fit import HeadingFit
from articulate.lifting.heading_model import HeadingModel, filled_points
from articulate.lifting.views_losses import random_angles, turn_about_vertical


class HeadingTeacher(nn.Module):
    """Buffers of a heading model, empty until `take`."""

    mean: Tensor
    covariance: Tensor
    numbers: Tensor

    def __init__(self, num_keypoints: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_keypoints, 3))
        self.register_buffer("covariance", torch.zeros(3 * num_keypoints, 3 * num_keypoints))
        # Elevation, noise of the model, number of headings (0: nothing taken yet), noise of the tracks.
        self.register_buffer("numbers", torch.zeros(4))
        self._cached: tuple[tuple[object, ...], HeadingModel] | None = None

    def take(self, fit: HeadingFit) -> None:
        """Keep the fitted model."""
        model = fit.model
        self.mean.copy_(model.mean)
        self.covariance.copy_(model.covariance)
        self.numbers.copy_(torch.tensor([model.elevation, model.noise, float(model.headings), fit.track_noise]))

    @property
    def track_noise(self) -> float:
        """Noise of the points on which the model was fitted, in subject sizes."""
        return float(self.numbers[3])

    @property
    def model(self) -> HeadingModel | None:
        """The model, None before `take`. On the CPU in float64, whatever the lifter's device and dtype."""
        elevation, noise, number, _ = self.numbers.tolist()
        if number == 0:
            return None
        # Version counters tell when weights were loaded in place of those that the cached matrices come from.
        state = (self.mean._version, self.covariance._version, self.numbers._version, self.mean.device)
        if self._cached is None or self._cached[0] != state:
            mean, covariance = self.mean.cpu().double(), self.covariance.cpu().double()
            self._cached = (state, HeadingModel(mean, covariance, elevation, noise, round(number)))
        return self._cached[1]

    @torch.no_grad()
    def lesson(
        self, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K 3"]] | None:
        """Expected depths of these frames, and the expected poses turned at random (mean 0); None without a model."""
        model = self.model
        if model is None:
            return None
        whole = filled_points(model, points.cpu(), weight.cpu(), 2)
        joints = model.posterior(whole - whole.mean(1, keepdim=True), least=0.02)[0]
        angle = random_angles(len(joints), generator, joints)
        turned = turn_about_vertical(joints, angle, joints.new_tensor(model.elevation))
        return joints[..., 2].to(points), (turned - turned.mean(1, keepdim=True)).to(points)
