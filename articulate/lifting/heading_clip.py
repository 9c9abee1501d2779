"""A heading model of one clip: that of all clips, drawn towards the poses of this one as far as its frames tell."""

from dataclasses import replace

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.heading_fit import pose_moments
from articulate.lifting.heading_model import HeadingModel


class ClipModelConfig(StrictModel):
    """How a clip gets a heading model of its own.

    Rounds and priors were chosen by their error on rat, mouse and people (CMU): figures on these are development ones.
    """

    rounds: int = Field(10, ge=0, description="of expectation maximisation per clip; 0: one model for all clips")
    prior: float = Field(30.0, gt=0, description="frames' worth of the covariance of all clips")
    mean_prior: float = Field(10.0, gt=0, description="frames' worth of the mean of all clips")
    headings: int = Field(72, gt=3, description="steps of the full circle; coarse ones make poses vary too much")


def clip_model(model: HeadingModel, points: Float[Tensor, "N K 2"], config: ClipModelConfig) -> HeadingModel:
    """Most probable model of the clip that shows `points` (whole frames, centred, in subject sizes).

    All clips together say what poses a body takes, and are the prior (normal and inverse Wishart, Gelman et al. 2013,
    section 3.6); one clip shows few of those poses. What its views leave open stays as the prior has it.
    """
    own = model = replace(model, headings=config.headings)
    for _ in range(config.rounds):
        count, step, spread = pose_moments(own, points, own.log_likelihood(points).softmax(1))
        mean = own.mean.flatten() + step
        apart = mean - model.mean.flatten()
        strength = count * config.mean_prior / (count + config.mean_prior)
        total = count * spread + config.prior * model.covariance + strength * torch.outer(apart, apart)
        covariance = (total + total.T) / (2 * (count + config.prior))
        mean = mean - apart * config.mean_prior / (count + config.mean_prior)
        own = replace(own, mean=mean.reshape(-1, 3), covariance=covariance)
    return own
