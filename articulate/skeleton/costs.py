"""What an edge costs: simple measures of each pair of keypoints, and their mix."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from articulate.errors import ConfigError
from articulate.skeleton.spanning import spanning_edges
from articulate.skeleton.statistics import PairStatistics

CostKind = Literal[
    "spread",
    "high",
    "centrality",
    "variance",
    "variance_mean",
    "mean",
    "high_velocity",
    "velocity",
    "joint_residual",
    "mask_support",
]
COST_KINDS: tuple[str, ...] = get_args(CostKind)


class ConnectivityConfig(BaseModel):
    """Numbers of the connectivity stage."""

    model_config = ConfigDict(extra="forbid")

    mix: dict[str, float] = Field(
        default={"high": 1.0, "velocity": 1.5, "spread": 0.5, "centrality": 0.4, "mask_support": 0.5},
        description="exponent of each kind in the geometric mix",
    )
    mean_weight: float = Field(default=0.01, ge=0, description="lambda of variance + lambda * mean^2")
    spread_floor: float = Field(default=1.0, ge=0, description="times the typical spread of limbs: less is noise")
    velocity_lag: int = Field(default=4, ge=1, description="frames over which a velocity is measured")
    trim: float = Field(default=0.0, ge=0, lt=0.5, description="share cut off both tails of every distance")
    rigid_tolerance: float = Field(default=0.003, ge=0, description="spread of rigid pairs, in body sizes")
    straight_tolerance: float = Field(default=0.01, ge=0, description="detour through a keypoint that bends nothing")
    outlier_threshold: float = Field(default=8.0, gt=0, description="robust deviations that make a frame an outlier")
    symmetry: bool = Field(default=True, description="find left and right in the lengths; a tree that respects them")
    num_blocks: int = Field(default=10, ge=2, description="blocks of frames that the bootstrap resamples")
    num_resamples: int = Field(default=50, ge=1, description="bootstrap resamples for the edge posterior")
    seed: int = Field(default=0, description="of the resampling")

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
    centrality: Float[Tensor, "*S K K"] | None = None,
    spread_floor: float = 1.0,
) -> Float[Tensor, "*S K K"]:
    """Cost of every pair, lower for likelier limbs; +inf for pairs never seen together. Never divided by mean^2.

    - `variance` (Harris 2024, section 5.3); `variance_mean`: variance + mean_weight * mean^2; `mean`: the distance;
    - `high_velocity`: 95th percentile of length x rms velocity difference, for 2D (foreshortening spoils variance);
    - `spread`: standard deviation of length, not less than `spread_floor` times that of a typical limb; `high`: the
      95th percentile of length; `velocity`: rms difference of displacements over the lag of the statistics;
    - `joint_residual`, `mask_support`, `centrality`: given matrices (support s costs 1 - s).
    """
    if kind == "variance":
        cost = statistics.variance
    elif kind == "variance_mean":
        cost = statistics.variance + mean_weight * statistics.mean**2
    elif kind == "mean":
        cost = statistics.mean
    elif kind == "high_velocity":
        cost = statistics.high * statistics.velocity
    elif kind == "spread":
        cost = floored_spread(statistics, spread_floor)
    elif kind == "high":
        cost = statistics.high
    elif kind == "centrality" and centrality is not None:
        cost = centrality
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


def floored_spread(statistics: PairStatistics, factor: float) -> Float[Tensor, "*S K K"]:
    """Standard deviation of every distance, floored at `factor` times the median along the tree of least spread.

    What is below the spread of a typical limb is noise of the positions, and must not outweigh the other measures.
    """
    spread = statistics.variance.sqrt()
    edges = spanning_edges(spread.masked_fill(statistics.weight <= 0, torch.inf))
    flat = edges[..., 0] * spread.shape[-1] + edges[..., 1]
    typical = spread.flatten(-2).gather(-1, flat).median(dim=-1).values
    return torch.maximum(spread, factor * typical[..., None, None])


def mixed_cost(
    statistics: PairStatistics,
    config: ConnectivityConfig,
    joint_residual: Float[Tensor, "*S K K"] | None = None,
    mask_support: Float[Tensor, "*S K K"] | None = None,
    centrality: Float[Tensor, "*S K K"] | None = None,
) -> Float[Tensor, "*S K K"]:
    """Geometric mix of kinds, prod_k cost_k^w_k, each divided by its own median so that the result has no unit.

    Trees depend on the order of costs alone, and a product does not ask for a common unit as a sum would. Where no
    frames follow each other, `velocity` falls out of the mix; `centrality` and `mask_support` do where they are absent.
    """
    total = torch.zeros_like(statistics.mean)
    matrices = {"mask_support": mask_support, "centrality": centrality}
    for kind, exponent in config.mix.items():
        without = kind == "velocity" and bool(statistics.velocity.isnan().all())
        if without or (kind in matrices and matrices[kind] is None):
            continue
        cost = limb_cost(
            statistics,
            kind,  # type: ignore[arg-type]
            config.mean_weight,
            joint_residual,
            mask_support,
            centrality,
            config.spread_floor,
        )
        # A mask that is 5 % wrong along a limb says as little as one that is right.
        total = total + exponent * log_ratio(cost + 0.05 if kind == "mask_support" else cost)
    return torch.exp(total)


def log_ratio(cost: Float[Tensor, "*S K K"]) -> Float[Tensor, "*S K K"]:
    """log(cost / median of the pairs), floored at log 1e-4 so that perfectly rigid pairs stay finite."""
    size = cost.shape[-1]
    rows, columns = torch.triu_indices(size, size, offset=1)
    pairs = cost[..., rows, columns]
    finite = pairs.masked_fill(~torch.isfinite(pairs), torch.nan)
    middle = finite.nanmedian(dim=-1).values[..., None, None].clamp_min(torch.finfo(cost.dtype).tiny)
    return torch.log((cost / middle).clamp_min(1e-4))
