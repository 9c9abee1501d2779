"""Smoothing of many smooth coefficients in time: a Kalman filter forwards and a Bryson-Frazier pass backwards.

Every coefficient is a Gauss-Markov process of unit variance with k(t) = (1 + a t) exp(-a t) (Matern 3/2: it has a
speed), so its state is (value, speed / a) and one frame multiplies it by exp(-a) [[1 + a, a], [-a, 1 - a]].
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq


class Smoothed(NamedTuple):
    """Mean and covariance of the coefficients in every frame, given all frames."""

    mean: Float[np.ndarray, "T R"]
    covariance: Float[np.ndarray, "T R R"]


class Step(NamedTuple):
    """What the backward pass needs of one frame: the prediction, and what its measurement says about it."""

    mean: Float[np.ndarray, " S"]
    covariance: Float[np.ndarray, "S S"]
    strength: Float[np.ndarray, "R R"]  # H' S^-1 H
    surprise: Float[np.ndarray, " R"]  # H' S^-1 (y - H m)


def transition(rate: Float[np.ndarray, " R"]) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
    """Matrix of one frame and the covariance of what is new in it, S = 2 R: values first, then speeds."""
    shrink = np.exp(-rate)
    top = [np.diag(shrink * (1 + rate)), np.diag(shrink * rate)]
    matrix = np.block([top, [np.diag(-shrink * rate), np.diag(shrink * (1 - rate))]])
    # The floor keeps very slow processes away from a singular prediction.
    return matrix, np.eye(len(matrix)) - matrix @ matrix.T + 1e-9 * np.eye(len(matrix))


def smooth(
    precision: Float[np.ndarray, "T R R"], evidence: Float[np.ndarray, "T R"], rate: Float[np.ndarray, " R"]
) -> Smoothed:
    """Coefficients given measurements y = H c + e in information form: H' R^-1 H and H' R^-1 y of every frame.

    Modified Bryson-Frazier smoother (Bierman 1973): nothing but products after the forward pass. Memory grows with
    T (2 R)^2; cut long clips (`smooth_long`).
    """
    matrix, fresh = transition(rate)
    num, size = evidence.shape
    steps: list[Step] = []
    mean, covariance = np.zeros(2 * size), np.eye(2 * size)
    for t in range(num):
        if t:
            mean, covariance = matrix @ mean, matrix @ covariance @ matrix.T + fresh
        system = np.eye(size) + precision[t] @ covariance[:size, :size]
        known = np.linalg.solve(system, np.column_stack([precision[t], evidence[t] - precision[t] @ mean[:size]]))
        strength = (known[:, :size] + known[:, :size].T) / 2
        steps.append(Step(mean, covariance, strength, known[:, size]))
        part = covariance[:, :size]
        mean = mean + part @ known[:, size]
        covariance = covariance - part @ strength @ part.T
    return _backward(steps, matrix)


def _backward(steps: list[Step], matrix: Float[np.ndarray, "S S"]) -> Smoothed:
    size = len(steps[0].surprise)
    pull, weight = np.zeros(2 * size), np.zeros((2 * size, 2 * size))
    means, covariances = np.empty((len(steps), size)), np.empty((len(steps), size, size))
    for t in range(len(steps) - 1, -1, -1):
        step = steps[t]
        keep = step.covariance[:, :size] @ step.strength
        # (I - K H)' (.) with K H = [keep, 0]: only the rows of the values change.
        weight[:size] -= keep.T @ weight
        weight[:, :size] -= weight @ keep
        pull[:size] -= keep.T @ pull
        weight[:size, :size] += step.strength
        pull[:size] -= step.surprise
        part = step.covariance[:size]
        means[t] = step.mean[:size] - part @ pull
        covariances[t] = part[:, :size] - part @ weight @ part.T
        weight, pull = matrix.T @ weight @ matrix, matrix.T @ pull
    return Smoothed(means, covariances)


def smooth_long(
    precision: Float[np.ndarray, "T R R"],
    evidence: Float[np.ndarray, "T R"],
    rate: Float[np.ndarray, " R"],
    longest: int = 500,
    overlap: int = 40,
) -> Smoothed:
    """`smooth` on pieces of at most `longest` frames, each with `overlap` frames on both sides that are thrown away."""
    pieces = []
    for start in range(0, len(evidence), longest):
        low, high = max(0, start - overlap), min(len(evidence), start + longest + overlap)
        found = smooth(precision[low:high], evidence[low:high], rate)
        own = slice(start - low, min(start + longest, len(evidence)) - low)
        pieces.append(Smoothed(found.mean[own], found.covariance[own]))
    return Smoothed(*(np.concatenate(one) for one in zip(*pieces, strict=True)))


def rates(
    coefficients: list[Float[np.ndarray, "_ R"]], slowest: float = 0.02, fastest: float = 3.0
) -> Float[np.ndarray, " R"]:
    """Rate a [1/frame] of every coefficient from the ratio of its covariances at lags 2 and 1 over all clips.

    White noise adds to lag 0 alone, so it does not disturb the ratio. Without any positive covariance the rate is
    `fastest`: frames then hardly know of each other.
    """
    lags = []
    for lag in (1, 2):
        pairs = [(c[lag:] * c[:-lag]).sum(0) for c in coefficients if len(c) > lag]
        count = sum(len(c) - lag for c in coefficients if len(c) > lag)
        lags.append(sum(pairs) / max(count, 1))

    def ratio(rate: float) -> float:
        return (1 + 2 * rate) / (1 + rate) * np.exp(-rate)

    found = np.full(coefficients[0].shape[1], fastest)
    if isinstance(lags[0], float):
        return found
    for i, (one, two) in enumerate(zip(*lags, strict=True)):
        if one > 0 and two > 0:
            wanted = min(max(two / one, ratio(fastest)), ratio(slowest))
            found[i] = brentq(lambda rate, w=wanted: ratio(rate) - w, slowest / 2, 2 * fastest)
    return found
