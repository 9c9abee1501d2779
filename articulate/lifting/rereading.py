"""Poses read again from the views, under the Gaussian that refined poses make: a way out of what they agree on wrongly.

Refined poses are one reading per frame, and signs that are wrong in many of them shape the Gaussian that keeps them
wrong. Expectation maximisation over all headings and depths from that Gaussian (`heading_fit.py`) weighs every reading
of every frame again; poses that are most probable under its result are a better start for the next refinement.
"""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.body_prior import body_prior
from articulate.lifting.from_views import PoseConfig, lift_from_views
from articulate.lifting.heading_fit import Frames, HeadingFit, run
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.inputs import Prepared
from articulate.lifting.views import ViewLifter


def model_of_poses(
    joints: Float[Tensor, "N K 3"],
    clip: Int[Tensor, " N"],
    mean: Float[Tensor, "K 3"],
    elevation: float,
    ridge: float,
    like: HeadingModel,
) -> HeadingModel:
    """The heading model that these poses make (subject sizes), `ridge` wide at least; noise and steps as in `like`."""
    prior = body_prior(joints, mean, elevation, clip, ridge)
    whitening = prior.whitening
    eye = torch.eye(len(whitening)).to(whitening)
    factor = torch.linalg.solve_triangular(whitening, eye, upper=False)
    return HeadingModel(prior.mean, factor @ factor.T, elevation, like.noise, like.headings)


def read_again(
    model: HeadingModel,
    prepared: Prepared,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    rounds: int,
) -> tuple[Float[Tensor, "N K 3"], HeadingModel]:
    """Smooth most probable poses (subject sizes, origin at the seen points) after `rounds` of EM, and its model."""
    frames = Frames(prepared.points, prepared.weight)
    _, better = run(model, frames, [1.0] * rounds, lifter.config.heading.prior)
    reader = copy.deepcopy(lifter)
    reader.learn_from(HeadingFit(better, 0.0, lifter.teacher.track_noise))
    scale = lifter.scale.cpu()
    joints, _ = lift_from_views(prepared.points * scale, prepared.weight, clip, edges, reader, PoseConfig())
    return joints.double() / scale.double(), better
