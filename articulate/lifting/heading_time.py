"""Poses of the heading model in the order of time: smooth in the body's frame, rigid, with the noise learned.

In the frame of the body a pose changes slowly even where body or camera turn fast. So the principal coefficients of the
heading model become smooth processes (`smoother.py`); points, bone lengths and an uncertain heading measure them, and
the noise of every keypoint follows from what is left over (expectation maximisation, Shumway and Stoffer 1982).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.heading_chain import smoothed_angles
from articulate.lifting.heading_course import (
    Basis,
    Course,
    bone_spread,
    bone_variance,
    keypoint_variance,
    length_evidence,
    shared_lengths,
)
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.smoother import rates, smooth_long


class TimeConfig(StrictModel):
    """Numbers of the smoothing in time; lengths in subject sizes, angles in radians."""

    passes: int = Field(4, gt=0, description="the first knows no bone lengths")
    coefficients: int = Field(48, gt=0, description="principal directions of the poses that are followed, at most")
    least_variance: float = Field(2e-4, gt=0, description="variance below which a direction counts as noise")
    longest: int = Field(1000, gt=0, description="frames of a clip that are followed at once; bounds the memory")
    heading_spread: float = Field(0.06, gt=0, description="half a step between headings, give or take")
    least_noise: float = Field(0.004, gt=0)
    first_tolerance: float = Field(0.12, gt=0, description="of lengths in the second pass; halved in each one after")
    tolerance: float = Field(0.02, gt=0, description="least standard deviation that a length is allowed")


@dataclass(frozen=True)
class TimedPoses:
    """Joints in the camera's frame, variance of every bone's dz, lengths, their spread, noise per keypoint."""

    joints: Float[Tensor, "N K 3"]
    depth_variance: Float[Tensor, "N L"]
    noise: Float[Tensor, " K"]
    lengths: Float[Tensor, "N L"]
    spread: Float[Tensor, " L"]


def timed_poses(
    model: HeadingModel,
    points: Float[Tensor, "N K 2"],
    known: Float[Tensor, "N K"],
    heading: Int[Tensor, " N"],
    pose: Float[Tensor, "N K 3"],
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    noise: float,
    config: TimeConfig | None = None,
) -> TimedPoses:
    """Most probable smooth motion of every clip given its points (missing: known = 0) and first poses (camera frame).

    `heading` numbers the headings of the model; `noise` is a first guess. Bone lengths are those of the clip, drawn
    towards those of all clips by how sure they are; each bone may vary as much as the poses say that it does.
    """
    config = config or TimeConfig.model_validate({})
    basis = Basis(model, config.least_variance, config.coefficients)
    angle = heading.double() * (2 * torch.pi / model.headings)
    body = torch.einsum("nij,nki->nkj", basis.cameras(angle), pose.double())
    courses = []
    pieces = [part for c in clip.unique().tolist() for part in (clip == c).nonzero()[:, 0].split(config.longest)]
    for rows in pieces:
        nothing = torch.zeros(len(rows), 2, dtype=torch.float64)
        empty = torch.zeros(len(rows), 0, 0, dtype=torch.float64)
        unsure = torch.full((len(rows),), config.heading_spread**2, dtype=torch.float64)
        courses.append(Course(points[rows].double(), known[rows].double(), angle[rows], unsure, body[rows], nothing,
                              empty, torch.zeros(len(edges), dtype=torch.float64)))  # fmt: skip
    rate = rates([basis.coefficients(one.pose).numpy() for one in courses])
    variance = torch.full((points.shape[1],), max(noise, config.least_noise) ** 2, dtype=torch.float64)
    flexible = torch.zeros(len(edges), dtype=torch.float64)
    for number in range(config.passes):
        tolerance = None
        if number:
            least = max(config.tolerance, config.first_tolerance * 0.5 ** (number - 1))
            tolerance = (flexible + least**2).sqrt()
        courses = [followed(one, basis, variance + basis.left_out, rate, edges, tolerance, config) for one in courses]
        variance = keypoint_variance(courses, basis).clamp_min(config.least_noise**2)
        if number == 0:
            flexible = bone_variance(courses, basis, edges)
        courses = [
            replace(one, lengths=lengths)
            for one, lengths in zip(courses, shared_lengths(courses, basis, edges), strict=True)
        ]
    joints = torch.zeros(*pose.shape, dtype=torch.float64)
    depth, lengths = torch.zeros(len(pose), len(edges)).double(), torch.zeros(len(pose), len(edges)).double()
    for rows, one in zip(pieces, courses, strict=True):
        camera = basis.cameras(one.angle)
        joints[rows] = one.pose @ camera.mT
        joints[rows, :, :2] += one.origin[:, None]
        depth[rows] = bone_spread(one, basis, edges, camera[:, 2])
        lengths[rows] = one.lengths
    numbers = (joints, depth, variance.sqrt(), lengths, flexible.sqrt())
    return TimedPoses(*(one.to(points) for one in numbers))


def followed(
    one: Course,
    basis: Basis,
    variance: Float[Tensor, " K"],
    rate: Float[np.ndarray, " R"],
    edges: Int[Tensor, "L 2"],
    tolerance: Float[Tensor, " L"] | None,
    config: TimeConfig,
) -> Course:
    """One pass over a clip: coefficients smoothed in time, then each heading and origin moved to where they fit."""
    camera, swing = basis.cameras(one.angle)[:, :2], basis.turning(one.angle)[:, :2]
    view = torch.einsum("mai,kir->mkar", camera, basis.directions).flatten(1, 2)
    offset = (one.points - torch.einsum("mai,ki->mka", camera, basis.mean)).flatten(1)
    trust = (one.known / variance).repeat_interleave(2, 1)
    aside = torch.einsum("mai,mki->mka", swing, one.pose).flatten(1)
    shift = torch.eye(2).repeat(one.points.shape[1], 1).to(aside).expand(len(aside), -1, -1)
    nuisance = torch.cat([aside[..., None], shift], -1)
    # The origin of a frame is free within the subject's size; the heading as far as it is uncertain.
    believed = torch.diag_embed(torch.stack([1 / one.spread, *2 * [torch.ones_like(one.spread)]], 1))
    weighted = trust[..., None] * nuisance
    inner = torch.linalg.inv(believed + nuisance.mT @ weighted)
    across = view.mT @ weighted
    precision = view.mT @ (trust[..., None] * view) - across @ inner @ across.mT
    pulled = (weighted.mT @ offset[..., None])[..., 0]
    evidence = (view.mT @ (trust * offset)[..., None])[..., 0] - (across @ inner @ pulled[..., None])[..., 0]
    if tolerance is not None:
        more, push = length_evidence(one, basis, edges, tolerance)
        precision, evidence = precision + more, evidence + push
    found = smooth_long(precision.numpy(), evidence.numpy(), rate)
    mean, covariance = (torch.from_numpy(part) for part in found)
    pose = basis.mean + torch.einsum("kir,mr->mki", basis.directions, mean)
    # Where the points alone want the heading: what is believed of it is the smoothness in time, which comes next.
    free = torch.diag(torch.tensor([config.heading_spread**-2, 1.0, 1.0]).to(aside))
    own = torch.linalg.inv(free + nuisance.mT @ weighted)
    moved = (own @ weighted.mT @ (offset - (view @ mean[..., None])[..., 0])[..., None])[..., 0]
    turned = one.angle + moved[:, 0].clamp(-2 * config.heading_spread, 2 * config.heading_spread)
    angle, spread = smoothed_angles(turned, own[:, 0, 0])
    return replace(one, angle=angle, spread=spread, pose=pose, origin=moved[:, 1:], covariance=covariance)
