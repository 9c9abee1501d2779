"""Fitting the heading model by expectation maximisation: several starts and elevations, chosen by likelihood."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.errors import TrainingError
from articulate.lifting.heading_model import HeadingModel, filled_points


class HeadingFitConfig(StrictModel):
    """Numbers of the fit; lengths in subject sizes (RMS radius), angles in radians."""

    elevation_starts: tuple[float, ...] = Field((0.05, 0.2), min_length=1, description="+: the depth flip is free")
    learn_elevation: bool = True
    elevation_spread: float = Field(0.15, gt=0, description="cameras are level give or take this")
    elevation_prior: float = Field(100.0, ge=0, description="frames' worth of that belief")
    directions: tuple[int, ...] = Field((1, 2, 3), min_length=1, description="principal directions tried as the depth")
    start_frames: int = Field(1200, gt=0, description="frames on which starts and elevations are compared")
    frames: int = Field(4000, gt=0, description="frames of the final fit, at most")
    headings: int = Field(24, gt=3)
    final_headings: int = Field(36, gt=3)
    start_rounds: int = Field(18, gt=0)
    rounds: int = Field(10, gt=0)
    noise: float = Field(0.05, gt=0, description="while starts are compared; covers the steps between headings")
    final_noise: float = Field(0.03, gt=0, description="or the noise of the tracks, whichever is more")
    lift_noise: float = Field(0.015, gt=0, description="least noise of the finished model")
    start_prior: float = Field(20.0, ge=0, description="frames' worth of an isotropic covariance")
    prior: float = Field(5.0, ge=0)


@dataclass
class HeadingFit:
    """The fitted model, its mean log-likelihood per frame, the noise of the tracks, and that of every start."""

    model: HeadingModel
    log_likelihood: float
    track_noise: float
    starts: dict[str, float] = field(default_factory=dict)


def fit_heading_model(
    points: Float[Tensor, "N K 2"],
    weight: Float[Tensor, "N K"],
    config: HeadingFitConfig,
    generator: torch.Generator,
) -> HeadingFit:
    """Model of centred points in subject sizes; frames are taken as a set, their order in time does not matter.

    Starts differ in elevation and in the principal direction of the ground plane that is taken for depth; all run
    annealed (Ueda 1998) on few frames, the most likely is refined. Raises TrainingError when nothing finite is found.
    """
    order = torch.randperm(len(points), generator=generator).to(points.device)
    few = Frames(points[order[: config.start_frames]], weight[order[: config.start_frames]])
    many = Frames(points[order[: config.frames]], weight[order[: config.frames]])
    tried: list[tuple[float, HeadingModel]] = []
    names: dict[str, float] = {}
    for elevation in config.elevation_starts:
        for direction in config.directions:
            model = first_model(few.points, elevation, direction, config)
            likelihood, model = run(model, few, annealed(config.start_rounds), config.start_prior)
            likelihood += belief(elevation, len(few.points), config)
            names[f"elevation {elevation:g}, direction {direction}"] = likelihood
            tried.append((likelihood, model))
    finite = [one for one in tried if one[0] > -torch.inf]
    if not finite:
        raise TrainingError("heading model: no start has a finite likelihood; are all keypoints at one place?")
    likelihood, model = max(finite, key=lambda one: one[0])
    if config.learn_elevation:
        model = better_elevation(model, few, config)
    noise = track_noise(points, weight)
    likelihood, model = run(model, many, [1.0] * config.rounds, config.prior)
    model = replace(model, headings=config.final_headings, noise=max(config.final_noise, noise))
    likelihood, model = run(model, many, [1.0] * config.rounds, config.prior)
    return HeadingFit(replace(model, noise=max(config.lift_noise, noise)), likelihood, noise, names)


@dataclass
class Frames:
    """Points of some frames; missing ones are filled in from time to time."""

    points: Float[Tensor, "N K 2"]
    weight: Float[Tensor, "N K"]


def annealed(rounds: int) -> list[float]:
    """Exponents of the likelihood: from a tenth up to one over the first three quarters."""
    return [min(1.0, 0.1 + 0.9 * i / max(1.0, 0.75 * rounds)) for i in range(rounds)]


def first_model(
    points: Float[Tensor, "N K 2"], elevation: float, direction: int, config: HeadingFitConfig
) -> HeadingModel:
    """Mean pose and covariance from second moments, as if every motion were random.

    For uniform headings 2 E[x x^T] = X X^T + Z Z^T summed over mean and motion: its first principal direction is taken
    for the width, the one numbered `direction` for the depth, the rest for motion.
    """
    flat = points.double()
    x, y, k = flat[..., 0], flat[..., 1], points.shape[1]
    ground = 2 * x.T @ x / len(x)
    value, vector = torch.linalg.eigh(ground)
    wide, deep = vector[:, -1] * value[-1].sqrt(), vector[:, -1 - min(direction, k - 1)]
    deep = deep * value[-1 - min(direction, k - 1)].clamp_min(0).sqrt()
    mean = torch.stack([0.9 * wide, y.mean(0), 0.7 * deep], -1)
    left = (ground - 0.8 * torch.outer(wide, wide) - 0.5 * torch.outer(deep, deep)) / 2
    upright = (y - y.mean(0)).T @ (y - y.mean(0)) / len(y)
    covariance = torch.zeros(k, 3, k, 3).to(flat)
    covariance[:, 0, :, 0], covariance[:, 1, :, 1], covariance[:, 2, :, 2] = left, upright, left
    # The floor keeps directions in which nothing moves invertible.
    whole = covariance.reshape(3 * k, 3 * k) + 0.02 * torch.eye(3 * k).to(flat)
    return HeadingModel(mean - mean.mean(0), whole, elevation, config.noise, config.headings)


def run(model: HeadingModel, frames: Frames, exponents: list[float], prior: float) -> tuple[float, HeadingModel]:
    """Mean log-likelihood before the last round, and the model after it; gaps are filled in every fifth round."""
    likelihood = -torch.inf
    points = frames.points
    for number, exponent in enumerate(exponents):
        if number % 5 == 0:
            points = filled_points(model, frames.points, frames.weight, 1)
        joint = model.log_likelihood(points)
        likelihood = joint.logsumexp(1).mean().item()
        if likelihood != likelihood:
            return -torch.inf, model
        model = maximised(model, points, (exponent * joint).softmax(1), prior)
    return likelihood, model


def maximised(
    model: HeadingModel, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N T"], prior: float
) -> HeadingModel:
    """Mean and covariance that fit best given the weights of the headings (the M step)."""
    count, step, covariance = pose_moments(model, points, weight)
    eye = torch.eye(len(covariance)).to(covariance)
    covariance = (count * covariance + prior * covariance.diagonal().mean() * eye) / (count + prior)
    # The last term keeps bones that never bend invertible.
    covariance = (covariance + covariance.T) / 2 + 2e-5 * eye
    return replace(model, mean=model.mean + step.reshape(-1, 3), covariance=covariance)


def pose_moments(
    model: HeadingModel, points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N T"]
) -> tuple[float, Float[Tensor, " P"], Float[Tensor, "P P"]]:
    """Number of frames, expected mean of the poses minus that of the model, and their expected covariance."""
    size, flat = model.covariance.shape[0], points.flatten(1)
    first, second = torch.zeros(size).to(model.mean), torch.zeros(size, size).to(model.mean)
    for t, rows, share in used(weight):
        offset = flat[rows] - model.seen_mean[t].to(flat)
        gain, total = model.gain[t], share.sum().double()
        first += gain @ (share @ offset).double()
        second += gain @ ((offset * share[:, None]).T @ offset).double() @ gain.T + total * model.rest[t]
    count = weight.sum().double().item()
    step = first / count
    return count, step, second / count - torch.outer(step, step)


def used(weight: Float[Tensor, "N T"]) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Heading, the frames in which it is likely, and its weights there."""
    for t in range(weight.shape[1]):
        rows = (weight[:, t] > 1e-3).nonzero()[:, 0]
        if len(rows):
            yield t, rows, weight[rows, t]


def belief(elevation: float, frames: int, config: HeadingFitConfig) -> float:
    """Log-prior of the elevation, shared out over the frames like the mean log-likelihood."""
    return -0.5 * (elevation / config.elevation_spread) ** 2 * config.elevation_prior / frames


def better_elevation(model: HeadingModel, frames: Frames, config: HeadingFitConfig) -> HeadingModel:
    """The model at the elevation where a parabola through three likelihoods peaks, twice, ever closer."""
    reach = 0.075
    for _ in range(2):
        sides = [
            run(replace(model, elevation=model.elevation + shift), frames, [1.0] * 8, config.start_prior)
            for shift in (-reach, 0.0, reach)
        ]
        low, middle, high = (
            likelihood + belief(side.elevation, len(frames.points), config) for likelihood, side in sides
        )
        bend = low - 2 * middle + high
        shift = 0.5 * reach * (low - high) / bend if bend < 0 else reach * (1 if high > low else -1)
        shift = min(1.5 * reach, max(-1.5 * reach, shift))
        best = sides[max(range(3), key=(low, middle, high).__getitem__)][1]
        model = replace(best, elevation=model.elevation + shift)
        reach /= 2
    return model


def track_noise(points: Float[Tensor, "N K 2"], weight: Float[Tensor, "N K"]) -> float:
    """Standard deviation of the points' noise in their unit, from the directions in which they vary least.

    Bodies of rigid bones fill few of the 2K dimensions, white noise fills all: the root of the median of the lowest
    quarter of the eigenvalues of the covariance (two are zero by centring). An upper bound for lively bodies.
    """
    whole = points[(weight > 0).all(1)]
    if len(whole) < 4 * points.shape[1]:
        return 0.0
    value = torch.linalg.eigvalsh(whole.double().flatten(1).T.cov())[2:]
    return value[: max(1, len(value) // 4)].median().clamp_min(0).sqrt().item()
