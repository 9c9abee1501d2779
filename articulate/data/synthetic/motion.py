"""Smooth motion of a figure's angles: band-limited random signals, gait cycles and soft joint limits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

if TYPE_CHECKING:
    from articulate.data.synthetic.family import Family

NUM_WAVES = 12


def smooth_normal(
    times: Float[np.ndarray, " T"], generator: np.random.Generator, frequency: float
) -> Float[np.ndarray, " T"]:
    """Stationary, nearly Gaussian signal of unit variance without content above `frequency` (Hz), at `times` (s).

    A sum of cosines with random frequencies and phases (spectral representation; Shinozuka & Deodatis 1991): infinitely
    smooth, and its value at one time does not depend on which other times are asked for.
    """
    frequencies = frequency * np.sqrt(generator.uniform(0.01, 1.0, NUM_WAVES))
    phases = generator.uniform(0.0, 2 * np.pi, NUM_WAVES)
    waves = np.cos(2 * np.pi * frequencies * times[:, None] + phases)
    return waves.sum(1) * np.sqrt(2.0 / NUM_WAVES)


def smooth_uniform(
    times: Float[np.ndarray, " T"], generator: np.random.Generator, frequency: float, low: float, high: float
) -> Float[np.ndarray, " T"]:
    """Smooth signal spread nearly evenly over [low, high] (the Gaussian signal through its distribution function)."""
    return low + (high - low) * ndtr(smooth_normal(times, generator, frequency))


def smooth_limit(
    angles: Float[np.ndarray, "... 3"], limits: Float[np.ndarray, "... 3 2"], knee: float = 0.8
) -> Float[np.ndarray, "... 3"]:
    """Angles kept inside `limits`: unchanged over the middle `knee` of the range, saturating smoothly beyond.

    u -> sign(u) (knee + (1 - knee) tanh((|u| - knee) / (1 - knee))) of the range scaled to [-1, 1]; twice continuously
    differentiable, so that a limit never shows as a jerk. An axis with an empty range is fixed at its bound.
    """
    middle, half = limits.mean(-1), (limits[..., 1] - limits[..., 0]) / 2
    scaled = (angles - middle) / np.where(half > 0, half, 1.0)
    beyond = np.maximum(np.abs(scaled) - knee, 0.0)
    kept = np.clip(scaled, -knee, knee) + np.sign(scaled) * (1 - knee) * np.tanh(beyond / (1 - knee))
    return middle + half * kept


class MotionBuilder:
    """Collects the angles of one clip: activities add signals by joint name; every draw comes from one generator.

    `angles [T, K, 3]` (rad; x flexion, y twist, z abduction), `root_angles [T, 3]` and `root_translation [T, 3]`.
    """

    def __init__(self, family: "Family", times: Float[np.ndarray, " T"], generator: np.random.Generator):
        self.family, self.times, self.generator = family, times, generator
        self.angles = np.zeros((len(times), family.num_keypoints, 3))
        self.root_angles = np.zeros((len(times), 3))
        self.root_translation = np.zeros((len(times), 3))

    def add(self, joint: str, x=0.0, y=0.0, z=0.0) -> None:
        """Add angles in degrees to the bone that ends in `joint`."""
        k = self.family.names.index(joint)
        for axis, value in enumerate((x, y, z)):
            self.angles[:, k, axis] += np.radians(value)

    def wobble(self, size: float | int, frequency: float, joints: Sequence[str] | None = None) -> None:
        """Add small independent smooth motion to every axis that can move; `size` is a share of its half range."""
        half = (self.family.limits[..., 1] - self.family.limits[..., 0]) / 2
        for k, axis in zip(*np.nonzero(half > 0), strict=True):
            if joints is None or self.family.names[k] in joints:
                self.angles[:, k, axis] += size * half[k, axis] * self.normal(frequency)

    def normal(self, frequency: float) -> Float[np.ndarray, " T"]:
        """Fresh smooth signal of unit variance."""
        return smooth_normal(self.times, self.generator, frequency)

    def between(self, low: float | int, high: float | int, frequency: float) -> Float[np.ndarray, " T"]:
        """Fresh smooth signal spread over [low, high]."""
        return smooth_uniform(self.times, self.generator, frequency, float(low), float(high))

    def draw(self, low: float | int, high: float | int) -> float:
        """One random number for the whole clip."""
        return float(self.generator.uniform(low, high))

    def coin(self) -> bool:
        """One fair choice for the whole clip."""
        return bool(self.generator.integers(2))

    def phase(self, frequency: float) -> Float[np.ndarray, " T"]:
        """Phase (rad) of a cycle of about `frequency` Hz: random start, slightly uneven tempo."""
        steady = 2 * np.pi * frequency * self.times + self.draw(0.0, 2 * np.pi)
        return steady + 0.25 * self.normal(min(0.3, frequency / 2))

    def pulse(self, frequency: float, sharpness: float = 2.0) -> Float[np.ndarray, " T"]:
        """Smooth repeated rise and fall between 0 and 1, about `frequency` times a second."""
        wave = np.sin(self.phase(frequency))
        return 0.5 + 0.5 * np.tanh(sharpness * wave) / np.tanh(sharpness)

    def limited_angles(self) -> Float[np.ndarray, "T K 3"]:
        """The collected angles within the family's joint limits."""
        return smooth_limit(self.angles, self.family.limits)
