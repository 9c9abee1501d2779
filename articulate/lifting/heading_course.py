"""A clip on its way to smooth poses: principal directions of the heading model, and what its poses say of lengths."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.geometry.rotations import rotation_about
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.heading_settle import flexibility


@dataclass
class Course:
    """One clip on its way: what was seen, the present headings and poses, and how sure they are."""

    points: Float[Tensor, "M K 2"]
    known: Float[Tensor, "M K"]
    angle: Float[Tensor, " M"]
    spread: Float[Tensor, " M"]  # variance of the angle
    pose: Float[Tensor, "M K 3"]
    origin: Float[Tensor, "M 2"]
    covariance: Float[Tensor, "M R R"]
    lengths: Float[Tensor, " L"]


class Basis:
    """Principal directions of the heading model's poses, scaled to unit variance: pose = mean + directions c."""

    def __init__(self, model: HeadingModel, least_variance: float, most: int) -> None:
        value, vector = torch.linalg.eigh(model.covariance)
        keep = int((value > least_variance).sum().clamp(1, most))
        self.mean = model.mean
        self.directions = (vector[:, -keep:] * value[-keep:].sqrt()).reshape(*model.mean.shape, keep)
        left = (vector[:, :-keep].square() * value[:-keep].clamp_min(0)).sum(1).reshape(model.mean.shape)
        # What the directions leave out looks like noise of each keypoint.
        self.left_out = left.mean(1)
        self.tilt = rotation_about(0, torch.tensor(model.elevation).to(model.mean))

    def coefficients(self, pose: Float[Tensor, "M K 3"]) -> Float[Tensor, "M R"]:
        """Coefficients of poses in the body's frame."""
        scale = self.directions.flatten(0, 1).square().sum(0)
        return (pose - self.mean).flatten(1) @ self.directions.flatten(0, 1) / scale

    def cameras(self, angle: Float[Tensor, " M"]) -> Float[Tensor, "M 3 3"]:
        """Camera from body for every heading."""
        return self.tilt @ rotation_about(1, angle)

    def turning(self, angle: Float[Tensor, " M"]) -> Float[Tensor, "M 3 3"]:
        """Derivative of `cameras` by the heading."""
        spin = rotation_about(1, angle + torch.pi / 2)
        spin[:, 1, 1] = 0
        return self.tilt @ spin


def length_evidence(
    one: Course, basis: Basis, edges: Int[Tensor, "L 2"], tolerance: Float[Tensor, " L"]
) -> tuple[Float[Tensor, "M R R"], Float[Tensor, "M R"]]:
    """What bones of known lengths say about the coefficients, to first order around the present poses."""
    a, b = edges.unbind(1)
    bone = one.pose[:, b] - one.pose[:, a]
    unit = bone / bone.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    along = torch.einsum("mli,lir->mlr", unit, basis.directions[b] - basis.directions[a])
    missing = one.lengths - (unit * (basis.mean[b] - basis.mean[a])).sum(-1)
    weighted = along / tolerance.square()[:, None]
    return weighted.mT @ along, (weighted * missing[..., None]).sum(1)


def bone_spread(
    one: Course, basis: Basis, edges: Int[Tensor, "L 2"], axis: Float[Tensor, "M 3"]
) -> Float[Tensor, "M L"]:
    """Variance of the bones' components along `axis` (body's frame)."""
    reach = torch.einsum("mi,lir->mlr", axis, basis.directions[edges[:, 1]] - basis.directions[edges[:, 0]])
    return torch.einsum("mlr,mrs,mls->ml", reach, one.covariance, reach).clamp_min(1e-10)


def length_moments(
    one: Course, basis: Basis, edges: Int[Tensor, "L 2"]
) -> tuple[Float[Tensor, "M L"], Float[Tensor, "M L"]]:
    """Root of the expected squared length of every bone and frame, and the variance of the length."""
    a, b = edges.unbind(1)
    bone = one.pose[:, b] - one.pose[:, a]
    reach = basis.directions[b] - basis.directions[a]
    spread = torch.einsum("lir,mrs,ljs->mlij", reach, one.covariance, reach)
    whole = spread.diagonal(dim1=-2, dim2=-1).sum(-1)
    unit = bone / bone.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return (bone.square().sum(-1) + whole).sqrt(), torch.einsum("mli,mlij,mlj->ml", unit, spread, unit)


def bone_variance(courses: list[Course], basis: Basis, edges: Int[Tensor, "L 2"]) -> Float[Tensor, " L"]:
    """How much every bone's length varies within the clips beyond what is uncertain: zero for rigid bones."""
    found = [length_moments(one, basis, edges) for one in courses]
    clip = torch.cat([torch.full((len(one.pose),), number) for number, one in enumerate(courses)])
    return flexibility(torch.cat([f[0] for f in found]), torch.cat([f[1] for f in found]), clip)


def shared_lengths(courses: list[Course], basis: Basis, edges: Int[Tensor, "L 2"]) -> list[Float[Tensor, " L"]]:
    """Lengths of every clip: its own, drawn towards the mean of all clips by the shares of their variances.

    A clip's own is uncertain by the spread of its frames over about one independent frame in ten (empirical Bayes,
    Morris 1983). Clips are compared after division by their overall size, since subjects differ.
    """
    own, unsure = [], []
    for one in courses:
        length, variance = length_moments(one, basis, edges)
        own.append(length.square().mean(0).sqrt())
        unsure.append((length.var(0, correction=0) + variance.mean(0)) / max(1.0, len(length) / 10))
    lengths, doubt = torch.stack(own), torch.stack(unsure)
    if len(courses) == 1:
        return [lengths[0]]
    size = (lengths / lengths.mean(0)).median(1, keepdim=True).values
    ratio, doubt = lengths / size, doubt / size.square()
    common = (ratio / doubt).sum(0) / (1 / doubt).sum(0)
    between = (ratio.var(0) - doubt.mean(0)).clamp_min(0)
    share = between / (between + doubt)
    return list((share * ratio + (1 - share) * common) * size)


def keypoint_variance(courses: list[Course], basis: Basis) -> Float[Tensor, " K"]:
    """Variance of every keypoint's coordinates that the poses leave over, their own uncertainty added back."""
    total, count = torch.zeros(len(basis.mean), dtype=torch.float64), torch.zeros(len(basis.mean), dtype=torch.float64)
    for one in courses:
        camera = basis.cameras(one.angle)[:, :2]
        seen = torch.einsum("mai,mki->mka", camera, one.pose) + one.origin[:, None]
        view = torch.einsum("mai,kir->mkar", camera, basis.directions)
        unsure = torch.einsum("mkar,mrs,mkas->mk", view, one.covariance, view)
        square = (one.points - seen).square().sum(-1) + unsure
        total += (one.known * square).sum(0)
        count += 2 * one.known.sum(0)
    return (total / count.clamp_min(1) - basis.left_out).clamp_min(0)
