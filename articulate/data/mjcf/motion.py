"""Random smooth motion of joints within their ranges. No MuJoCo here."""

import numpy as np
from jaxtyping import Float


def smooth_signals(
    count: int, times: Float[np.ndarray, " T"], speed: float, generator: np.random.Generator
) -> Float[np.ndarray, "T count"]:
    """Independent signals that sweep [-1, 1]: sines of 0.15 to 0.5 Hz times `speed`, slowly modulated in phase."""
    rate = 2 * np.pi * speed * generator.uniform(0.15, 0.5, (2, count))
    phase = generator.uniform(0, 2 * np.pi, (2, count))
    slow = 0.8 * np.sin(0.6 * rate[1] * times[:, None] + phase[1])
    return np.sin(rate[0] * times[:, None] + phase[0] + slow)


def within(
    signals: Float[np.ndarray, "T N"], low: Float[np.ndarray, " N"], high: Float[np.ndarray, " N"], reach: float
) -> Float[np.ndarray, "T N"]:
    """Signals in [-1, 1] as values around the middle of [low, high], over the share `reach` of the range."""
    return (low + high) / 2 + reach * signals * (high - low) / 2
