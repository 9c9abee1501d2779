"""What an edge costs: simple measures of each pair of keypoints, and their mix."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from articulate.errors import ConfigError
from articulate.skeleton.statistics import PairStatistics

CostKind = Literal["variance", "variance_mean", "mean", "high_velocity", "velocity", "joint_residual", "mask_support"]
COST_KINDS: tuple[str, ...] = (
    "variance",
    "variance_mean",
    "mean",
    "high_velocity",
    "velocity",
    "joint_residual",
    "mask_support",
)


class ConnectivityConfig(BaseModel):
    """Numbers of the connectivity stage."""

    model_config = ConfigDict(extra="forbid")

    mix: dict[str, float] = Field(default={"variance": 1.0}, description="exponent of each kind in the geometric mix")
    mean_weight: float = Field(default=0.01, ge=0, description="lambda of variance + lambda * mean^2")
    trim: float = Field(default=0.0, ge=0, lt=0.5, description="share cut off both tails of every distance")

    @field_validator("mix")
    @classmethod
    def _known_kinds(cls, mix: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(mix) - set(COST_KINDS))
        if unknown or not mix:
            raise ValueError(f"mix: {unknown or 'nothing given'}; allowed kinds are {list(COST_KINDS)}")
        return mix


def limb_cost(
    statistics: PairStatistics,
    kind: CostKind,
    mean_weight: float = 0.01,
    joint_residual: Float[Tensor, "*S K K"] | None = None,
    mask_support: Float[Tensor, "*S K K"] | None = None,
) -> Float[Tensor, "*S K K"]:
    """Cost of every pair, lower for likelier limbs; +inf for pairs never seen together. Never divided by mean^2.

    - `variance` (Harris 2024, section 5.3); `variance_mean`: variance + mean_weight * mean^2; `mean`: the distance;
    - `high_velocity`: 95th percentile of length x rms velocity difference, for 2D (foreshortening spoils variance);
    - `joint_residual`, `mask_support`: given matrices (`joint_fit_residual`, `segment_support`; support s costs 1 - s).
    """
    if kind == "variance":
        cost = statistics.variance
    elif kind == "variance_mean":
        cost = statistics.variance + mean_weight * statistics.mean**2
    elif kind == "mean":
        cost = statistics.mean
    elif kind == "high_velocity":
        cost = statistics.high * statistics.velocity
    elif kind == "velocity":
        cost = statistics.velocity
    elif kind == "joint_residual" and joint_residual is not None:
        cost = joint_residual
    elif kind == "mask_support" and mask_support is not None:
        cost = 1 - mask_support
    else:
        raise ConfigError(f"connectivity: cost `{kind}` needs its matrix, or is none of {list(COST_KINDS)}")
    if cost.isnan().all():
        raise ConfigError(f"connectivity: cost `{kind}` needs frames in temporal order, and none follow each other")
    return cost.masked_fill((statistics.weight <= 0) | cost.isnan(), torch.inf)


def mixed_cost(
    statistics: PairStatistics,
    config: ConnectivityConfig,
    joint_residual: Float[Tensor, "*S K K"] | None = None,
    mask_support: Float[Tensor, "*S K K"] | None = None,
) -> Float[Tensor, "*S K K"]:
    """Geometric mix of kinds, prod_k cost_k^w_k, each divided by its own median so that the result has no unit.

    Trees depend on the order of costs alone, and a product does not ask for a common unit as a sum would.
    """
    total = torch.zeros_like(statistics.mean)
    for kind, exponent in config.mix.items():
        cost = limb_cost(statistics, kind, config.mean_weight, joint_residual, mask_support)  # type: ignore[arg-type]
        total = total + exponent * log_ratio(cost)
    return torch.exp(total)


def log_ratio(cost: Float[Tensor, "*S K K"]) -> Float[Tensor, "*S K K"]:
    """log(cost / median of the pairs), floored at log 1e-12 so that perfectly rigid pairs stay finite."""
    size = cost.shape[-1]
    rows, columns = torch.triu_indices(size, size, offset=1)
    pairs = cost[..., rows, columns]
    finite = pairs.masked_fill(~torch.isfinite(pairs), torch.nan)
    middle = finite.nanmedian(dim=-1).values[..., None, None].clamp_min(torch.finfo(cost.dtype).tiny)
    return torch.log((cost / middle).clamp_min(1e-12))
