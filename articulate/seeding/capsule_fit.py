"""Fitting a tree of capsules to labelled pixels: points of every frame and radii of every limb, by Adam."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.fit_kernels import misfit


@dataclass(frozen=True)
class Evidence:
    """What the fit explains: part of every pixel (see `label_pixels`), soft mask, and which clip a frame is of."""

    labels: Int[np.ndarray, "T S S"]
    mask: Float[np.ndarray, "T S S"]
    clip: Int[np.ndarray, " T"]

    def take(self, frames: Int[np.ndarray, " N"]) -> "Evidence":
        """The same at some frames; neighbours in the choice count as neighbours in time."""
        return Evidence(self.labels[frames], self.mask[frames], self.clip[frames])


@dataclass(frozen=True)
class Figure:
    """Capsules in pixels: points, limbs between them, half-widths at both ends, the part of each limb (-1: none)."""

    points: Float[np.ndarray, "T K 2"]
    edges: Int[np.ndarray, "L 2"]
    radii: Float[np.ndarray, "L 2"]
    parts: Int[np.ndarray, " L"]


@dataclass(frozen=True)
class FitSettings:
    """Steps of Adam, its first step in pixels, softness from first to last, weights in units of one pixel's misfit.

    `foreign` is the weight of pixels of other parts; over a fit it falls to the share `release` of that. It keeps limbs
    from wandering under others, and draws the ends that others cover back to where they show.
    """

    steps: int = 80
    rate: float = 0.4
    softness: tuple[float, float] = (2.0, 0.6)
    foreign: float = 0.05
    release: float = 1.0
    smoothness: float = 0.05


def evaluate(
    figure: Figure, evidence: Evidence, softness: float, foreign: float
) -> tuple[Float[np.ndarray, "T L 2"], Float[np.ndarray, "T K 2"], Float[np.ndarray, "L 2"]]:
    """Misfit per frame, limb and nearer end in pixels, and its gradients by points and radii."""
    num_frames, num_limbs = len(figure.points), len(figure.edges)
    loss = np.zeros((num_frames, num_limbs, 2))
    gradient, radius_gradient = np.zeros_like(figure.points), np.zeros((num_limbs, 2))
    misfit(
        figure.points, figure.edges, figure.radii, figure.parts, evidence.labels, evidence.mask,
        softness, foreign, loss, gradient, radius_gradient,
    )  # fmt: skip
    return loss, gradient, radius_gradient


def smoothness_gradient(points: Float[np.ndarray, "T K 2"], clip: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T K 2"]:
    """Gradient of half the squared second difference in time, within clips."""
    result = np.zeros_like(points)
    inner = np.flatnonzero(clip[2:] == clip[:-2])
    bend = points[inner] - 2 * points[inner + 1] + points[inner + 2]
    np.add.at(result, inner, bend)
    np.add.at(result, inner + 1, -2 * bend)
    np.add.at(result, inner + 2, bend)
    return result


def fit_figure(figure: Figure, evidence: Evidence, settings: FitSettings) -> Figure:
    """Minimise the misfit plus weak smoothness in time by Adam (Kingma & Ba 2015); edges stay as they are.

    A limb of which nothing is seen in a frame moves by smoothness alone.
    """
    points, log_radii = figure.points.copy(), np.log(figure.radii)
    moments = [np.zeros_like(points), np.zeros_like(points), np.zeros_like(log_radii), np.zeros_like(log_radii)]
    for step in range(1, settings.steps + 1):
        progress = step / settings.steps
        softness = settings.softness[0] * (settings.softness[1] / settings.softness[0]) ** progress
        rate = settings.rate * (1.0 - 0.9 * progress)
        now = replace(figure, points=points, radii=np.exp(log_radii))
        foreign = settings.foreign * settings.release**progress
        _, by_points, by_radii = evaluate(now, evidence, softness, foreign)
        by_points = by_points + settings.smoothness * smoothness_gradient(points, evidence.clip)
        points = points - adam(by_points, moments[0], moments[1], step, rate)
        log_radii = log_radii - adam(by_radii * now.radii, moments[2], moments[3], step, 0.1 * rate)
        log_radii = np.clip(log_radii, np.log(0.5), np.log(evidence.labels.shape[1] / 4))
    return replace(figure, points=points, radii=np.exp(log_radii))


def adam(
    gradient: Float[np.ndarray, "*any"],
    first: Float[np.ndarray, "*any"],
    second: Float[np.ndarray, "*any"],
    step: int,
    rate: float,
) -> Float[np.ndarray, "*any"]:
    """The step of Adam; the moments are updated in place."""
    first += 0.1 * (gradient - first)
    second += 0.02 * (gradient**2 - second)
    return rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.98**step)) + 1e-3)
