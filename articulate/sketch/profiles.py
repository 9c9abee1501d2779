"""How the intensity of a stroke falls with the distance from its spine, in units of its half-width."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.errors import ConfigError

PROFILES = {"gaussian": 0, "exponential": 1, "student": 2, "smooth_step": 3}
COMPOSITIONS = {"soft_or": 0, "sum": 1, "maximum": 2, "over": 3}

# Limbs shorter than about 1e-4 (a hundredth of a pixel) count as dots: keeps the foot point's gradient finite.
LENGTH2_FLOOR = 1e-8
# Rounds the tip of the distance cone over 1e-4, so that the gradient on the spine itself is finite.
SPINE_ROUNDING = 1e-4
# Half-widths are clamped from below: a stroke without width has no derivative.
WIDTH_FLOOR = 1e-4
# An occluder never hides more than 1 - 1e-6, so that exclusive products can be formed by division.
OCCLUSION_CEILING = 1.0 - 1e-6
# Keeps the mean colour finite where no limb is near; far below anything that is drawn.
COVERAGE_FLOOR = 1e-20


def profile_code(profile: str) -> int:
    """Number of the profile in the compiled kernels. Raises ConfigError for an unknown name."""
    if profile not in PROFILES:
        raise ConfigError(f"sketch: profile `{profile}` is unknown (allowed: {', '.join(PROFILES)})")
    return PROFILES[profile]


def composition_code(composition: str) -> int:
    """Number of the composition in the compiled kernels. Raises ConfigError for an unknown name."""
    if composition not in COMPOSITIONS:
        raise ConfigError(f"sketch: composition `{composition}` is unknown (allowed: {', '.join(COMPOSITIONS)})")
    return COMPOSITIONS[composition]


def intensity(
    distance2: Float[Tensor, "*S"], half_width: Float[Tensor, "*S"], profile: str, softness: float
) -> Float[Tensor, "*S"]:
    """Intensity of a stroke at a squared distance from its spine; 1 on the spine, one half at one half-width.

    With u = distance / half-width: gaussian 2^(-u^2), exponential 2^(-u), student 1/(1 + u^2) (Cauchy tails),
    smooth_step 3k^2 - 2k^3 with k = (half-width + softness - distance) / (2 softness) clamped to [0, 1].
    `softness` is the half-length of that step in frame units. Fails for a half-width of zero.
    """
    if profile == "gaussian":
        return torch.exp2(-distance2 / half_width.square())
    if profile == "student":
        return half_width.square() / (half_width.square() + distance2)
    distance = torch.sqrt(distance2 + SPINE_ROUNDING**2) - SPINE_ROUNDING
    if profile == "exponential":
        return torch.exp2(-distance / half_width)
    profile_code(profile)
    step = ((half_width + softness - distance) / (2.0 * softness)).clamp(0.0, 1.0)
    return step.square() * (3.0 - 2.0 * step)


def cut_off(profile: str, threshold: float) -> float:
    """Distance in half-widths beyond which a stroke is below `threshold` and is not drawn (smooth_step: 1).

    A pixel crossed by n cut strokes is off by at most n * threshold. A threshold of 0 draws everything.
    """
    if profile_code(profile) == PROFILES["smooth_step"]:
        return 1.0
    if threshold <= 0.0:
        return math.inf
    if profile == "gaussian":
        return math.sqrt(-math.log2(threshold))
    if profile == "exponential":
        return -math.log2(threshold)
    return math.sqrt(1.0 / threshold - 1.0)
