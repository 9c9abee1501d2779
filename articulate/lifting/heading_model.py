"""A Gaussian of upright poses seen from unknown headings: depth from views in closed form.

The same idea reconstructs molecules from pictures of unknown orientation (Scheres 2012) and shapes from motion with a
Gaussian prior (Torresani 2008). Here only the turn about the vertical is unknown, so that it can be summed over.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.geometry.rotations import rotation_about


@dataclass(frozen=True)
class HeadingModel:
    """x = A_t p + e: p ~ N(mean, covariance) upright pose in subject sizes, heading t uniform, e ~ N(0, noise^2).

    A_t shows the pose, turned by the t-th of `headings` equal steps, to a camera with parallel rays that is tilted by
    `elevation` (rad). Tensors are float64. The reflection in depth together with -elevation shows the same pictures.
    """

    mean: Float[Tensor, "K 3"]
    covariance: Float[Tensor, "P P"]
    elevation: float
    noise: float
    headings: int

    @cached_property
    def rotations(self) -> Float[Tensor, "T 3 3"]:
        """Camera from upright frame for every heading."""
        angle = torch.arange(self.headings, dtype=self.mean.dtype, device=self.mean.device) * (2 * math.pi)
        tilt = rotation_about(0, torch.tensor(self.elevation, dtype=self.mean.dtype, device=self.mean.device))
        return tilt @ rotation_about(1, angle / self.headings)

    @cached_property
    def seen_mean(self) -> Float[Tensor, "T D"]:
        """Image of the mean pose, D = 2 K."""
        return torch.einsum("tai,ki->tka", self.rotations[:, :2], self.mean).flatten(1)

    @cached_property
    def cross(self) -> Float[Tensor, "T P D"]:
        """Covariance between the pose and its image."""
        k = len(self.mean)
        whole = self.covariance.reshape(k, 3, k, 3)
        return torch.einsum("kilj,tbj->tkilb", whole, self.rotations[:, :2]).reshape(self.headings, 3 * k, 2 * k)

    @cached_property
    def factor(self) -> Float[Tensor, "T D D"]:
        """Lower Cholesky factor of the covariance of the image."""
        k = len(self.mean)
        cross = self.cross.reshape(self.headings, k, 3, 2 * k)
        seen = torch.einsum("tai,tkid->tkad", self.rotations[:, :2], cross).reshape(self.headings, 2 * k, 2 * k)
        return torch.linalg.cholesky((seen + seen.mT) / 2 + self.noise**2 * torch.eye(2 * k).to(seen))

    @cached_property
    def gain(self) -> Float[Tensor, "T P D"]:
        """Regression of the pose on its image."""
        return torch.cholesky_solve(self.cross.mT, self.factor).mT

    @cached_property
    def rest(self) -> Float[Tensor, "T P P"]:
        """Covariance of the pose once its image and heading are known."""
        return self.covariance - self.gain @ self.cross.mT

    @cached_property
    def whitening(self) -> Float[Tensor, "T D D"]:
        """Inverse of `factor`."""
        eye = torch.eye(self.factor.shape[-1]).to(self.factor)
        return torch.linalg.solve_triangular(self.factor, eye.expand_as(self.factor), upper=False)

    def log_likelihood(self, points: Float[Tensor, "N K 2"]) -> Float[Tensor, "N T"]:
        """Log of p(points, heading) of every frame; centred points in subject sizes. Its dtype is that of the points.

        One heading at a time: all at once would need N T 2K numbers.
        """
        flat = points.flatten(1)
        constant = -0.5 * flat.shape[1] * math.log(2 * math.pi) - math.log(self.headings)
        volume = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        shift = torch.einsum("tij,tj->ti", self.whitening, self.seen_mean).to(flat)
        whitening = self.whitening.to(flat)
        columns = [
            constant - volume[t].item() - 0.5 * (flat @ whitening[t].T - shift[t]).square().sum(1)
            for t in range(self.headings)
        ]
        return torch.stack(columns, 1)

    def posterior(
        self, points: Float[Tensor, "N K 2"], edges: Int[Tensor, "L 2"] | None = None, least: float = 1e-3
    ) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "N L"], Float[Tensor, "N T"]]:
        """Expected joints in the camera's frame, P(the bone points away from the camera), weights of the headings.

        Sums over the headings with a weight of at least `least`. Without `edges` the probabilities have no columns.
        """
        weight = self.log_likelihood(points).softmax(1)
        weight = torch.where(weight < least, torch.zeros_like(weight), weight)
        weight = weight / weight.sum(1, keepdim=True)
        k, flat = points.shape[1], points.flatten(1)
        links = torch.zeros(0, 2, dtype=torch.int64) if edges is None else edges
        joints, away = points.new_zeros(len(points), 3 * k), points.new_zeros(len(points), len(links))
        spread = self.depth_spread(links).to(points)
        for t in range(self.headings):
            rows = (weight[:, t] > 0).nonzero()[:, 0]
            if len(rows) == 0:
                continue
            turned = torch.einsum("ai,kid->kad", self.rotations[t], self.gain[t].reshape(k, 3, 2 * k))
            middle = (self.mean @ self.rotations[t].T).flatten().to(flat)
            found = middle + (flat[rows] - self.seen_mean[t].to(flat)) @ turned.reshape(3 * k, 2 * k).T.to(flat)
            share = weight[rows, t, None]
            joints.index_add_(0, rows, share * found)
            z = found[:, 2::3]
            step = (z[:, links[:, 1]] - z[:, links[:, 0]]) / spread[t]
            away.index_add_(0, rows, share * torch.special.ndtr(step))
        return joints.unflatten(1, (k, 3)), away, weight

    def depth_spread(self, edges: Int[Tensor, "L 2"]) -> Float[Tensor, "T L"]:
        """Standard deviation of each bone's dz once the image and the heading are known."""
        k = len(self.mean)
        axis = self.rotations[:, 2]
        depth = torch.einsum("ti,tkilj,tj->tkl", axis, self.rest.reshape(self.headings, k, 3, k, 3), axis)
        a, b = edges.unbind(1)
        variance = depth[:, a, a] + depth[:, b, b] - 2 * depth[:, a, b]
        # Bones of no length would divide by zero.
        return variance.clamp_min(1e-8).sqrt()


def filled_points(
    model: HeadingModel, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"], rounds: int = 3
) -> Float[Tensor, "N K 2"]:
    """Points with the missing ones (weight 0) where they are expected given the seen ones; such frames centred again.

    Alternates between the most likely heading and the places that follow from it, `rounds` times; headings are first
    judged with ample noise, because the gaps start at the centre of the frame. A frame's centre is taken as unknown.
    """
    missing = weight <= 0
    rows = missing.any(1).nonzero()[:, 0]
    if len(rows) == 0:
        return points
    gap = missing[rows]
    part = torch.where(gap[..., None], torch.zeros_like(points[rows]), points[rows])
    for number in range(rounds):
        judge = replace(model, noise=max(model.noise, 0.3 * 0.3**number))
        heading = judge.log_likelihood(part - part.mean(1, keepdim=True)).argmax(1)
        for t in heading.unique().tolist():
            use = heading == t
            part[use] = conditional_points(model, t, part[use], gap[use])
    result = points.clone()
    result[rows] = part - part.mean(1, keepdim=True)
    return result


def conditional_points(
    model: HeadingModel, heading: int, points: Float[Tensor, "N K 2"], gap: Bool[Tensor, "N K"]
) -> Float[Tensor, "N K 2"]:
    """Points with those in the gaps at their mean given the others: P_mm d_m = -P_ms d_s, P the precision matrix."""
    factor, k = model.factor[heading], points.shape[1]
    anywhere = torch.eye(2).repeat(k, k).to(factor)
    # A variance far above the subject's size makes the frame's origin free.
    precision = torch.linalg.inv(factor @ factor.T + 10.0 * anywhere)
    hole = gap.repeat_interleave(2, 1).to(factor)
    offset = (points.flatten(1).to(factor) - model.seen_mean[heading]) * (1 - hole)
    system = hole[:, :, None] * precision * hole[:, None, :] + torch.diag_embed(1 - hole)
    filled = offset + torch.linalg.solve(system, -hole * (offset @ precision))
    return (filled + model.seen_mean[heading]).to(points).unflatten(1, (k, 2))
