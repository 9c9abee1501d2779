"""One-Euro filter: a low-pass whose cut-off rises with speed, so that rest is calm and fast motion does not lag."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.errors import ConfigError


def smoothing_factor(cutoff: Float[Tensor, "*batch"], frames_per_second: float) -> Float[Tensor, "*batch"]:
    """Share of the new value in a first-order low-pass, 1 / (1 + fps / (2 pi cutoff)), with the cut-off in hertz."""
    return 1 / (1 + frames_per_second / (2 * math.pi * cutoff))


def one_euro(
    values: Float[Tensor, "T ..."],
    frames_per_second: float,
    minimum_cutoff: float = 1.0,
    speed_gain: float = 0.0,
    derivative_cutoff: float = 1.0,
    both_ways: bool = False,
) -> Float[Tensor, "T ..."]:
    """Filtered values over time (Casiez, Roussel and Vogel 2012): cut-off [Hz] = minimum + gain * |filtered speed|.

    `speed_gain` is hertz per (unit of `values` per second): rescale it together with the unit. Causal, so it lags;
    `both_ways` averages it with the same filter run backwards in time, which removes the lag of slow motion. NaN
    values are skipped: the state waits and the result is NaN there.
    """
    if frames_per_second <= 0 or minimum_cutoff <= 0 or derivative_cutoff <= 0 or speed_gain < 0:
        raise ConfigError(
            f"one_euro: frames_per_second {frames_per_second}, minimum_cutoff {minimum_cutoff} and derivative_cutoff "
            f"{derivative_cutoff} must be above zero and speed_gain {speed_gain} not below; all are in hertz"
        )
    forward = _causal(values, frames_per_second, minimum_cutoff, speed_gain, derivative_cutoff)
    if not both_ways:
        return forward
    backward = _causal(values.flip(0), frames_per_second, minimum_cutoff, speed_gain, derivative_cutoff).flip(0)
    return (forward + backward) / 2


def _causal(values: Tensor, fps: float, minimum: float, gain: float, derivative_cutoff: float) -> Tensor:
    known = values.isfinite()
    state = torch.where(known[0], values[0], 0.0)
    started = known[0]
    speed = torch.zeros_like(state)
    rate = smoothing_factor(torch.full_like(state, derivative_cutoff), fps)
    filtered = [torch.where(known[0], values[0], torch.nan)]
    for value, ok in zip(values[1:], known[1:], strict=True):
        value = torch.where(ok, value, state)
        raw_speed = torch.where(started, (value - state) * fps, torch.zeros_like(state))
        speed = torch.where(ok, speed + rate * (raw_speed - speed), speed)
        share = smoothing_factor(minimum + gain * speed.abs(), fps)
        moved = torch.where(started, state + share * (value - state), value)
        state = torch.where(ok, moved, state)
        started = started | ok
        filtered.append(torch.where(ok, state, torch.nan))
    return torch.stack(filtered)
