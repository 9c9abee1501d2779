"""How the distance of every pair of keypoints behaves over frames: mergeable float64 moments, per block of frames."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from articulate.errors import DataError

FIELDS = ("weight", "mean", "squares", "noise", "high", "velocity_weight", "velocity")


@dataclass(frozen=True)
class PairStatistics:
    """Per pair of keypoints, float64, in the unit of the points: the material of every cost.

    `variance` is that of the distance, less the part that position noise explains; `high` its 95th percentile;
    `velocity` the root mean square of the difference of displacements over the lag (NaN where no frames follow);
    `weight` the sum of frame weights (0: the pair was never seen together).
    """

    weight: Float[Tensor, "*S K K"]
    mean: Float[Tensor, "*S K K"]
    variance: Float[Tensor, "*S K K"]
    high: Float[Tensor, "*S K K"]
    velocity: Float[Tensor, "*S K K"]
    noise: Float[Tensor, "*S K K"]


def pair_distances(points: Float[Tensor, "N K D"]) -> Float[Tensor, "N K K"]:
    """Euclidean distance of every pair in every frame; NaN where either keypoint is."""
    return torch.linalg.vector_norm(points[:, :, None] - points[:, None, :], dim=-1)


def distance_noise(points: Float[Tensor, "N K D"], covariance: Float[Tensor, "N K D D"]) -> Float[Tensor, "N K K"]:
    """Variance that position noise adds to each distance: u^T (S_i + S_j) u along the unit vector u of the pair.

    First order in noise / distance; at distance zero, where u is undefined, the mean over directions is used.
    """
    offset = points[:, :, None] - points[:, None, :]
    length = torch.linalg.vector_norm(offset, dim=-1, keepdim=True)
    total = covariance[:, :, None] + covariance[:, None, :]
    unit = offset / length.clamp_min(torch.finfo(points.dtype).tiny)
    along = torch.einsum("nijd,nijde,nije->nij", unit, total, unit)
    return torch.where(length[..., 0] > 0, along, torch.einsum("nijdd->nij", total) / points.shape[-1])


def trim_weights(
    distances: Float[Tensor, "N K K"], weights: Float[Tensor, "N K K"], trim: float
) -> Float[Tensor, "N K K"]:
    """Weights with the lowest and highest `trim` share of each pair's distances set to zero (by unweighted rank)."""
    if trim <= 0:
        return weights
    levels = torch.tensor([trim, 1 - trim], dtype=distances.dtype, device=distances.device)
    low, high = torch.nanquantile(distances.masked_fill(weights <= 0, torch.nan), levels, dim=0)
    return weights * ((distances >= low) & (distances <= high))


def trimmed_variance_ratio(trim: float) -> float:
    """Variance of a normal distribution after both tails of mass `trim` are cut off, so that robust values compare."""
    if trim <= 0:
        return 1.0
    cut = float(torch.special.ndtri(torch.tensor(1 - trim, dtype=torch.float64)))
    density = float(torch.exp(torch.tensor(-cut * cut / 2, dtype=torch.float64))) / (2 * torch.pi) ** 0.5
    return 1 - 2 * cut * density / (1 - 2 * trim)


def median_variance(distances: Float[Tensor, "N K K"]) -> Float[Tensor, "K K"]:
    """Squared scaled median absolute deviation, (1.4826 MAD)^2: half of the frames may be wrong (Hampel 1974)."""
    centre = torch.nanmedian(distances, dim=0).values
    return (1.4826 * torch.nanmedian((distances - centre).abs(), dim=0).values) ** 2


class LimbStatistics:
    """Weighted running moments of all pairwise distances, apart for each of `num_blocks` blocks of frames.

    Updates and merges follow Chan, Golub and LeVeque (1979), so any split of the frames over batches or workers gives
    the same moments. `momentum` m in [0, 1) multiplies what is known by m before each update (0: keep everything, a
    plain sum). `trim` cuts that share off both tails of every pair within each batch, rescaled as for a normal
    distribution. Frames with NaN in a keypoint are skipped for its pairs and counted in `skipped`. Trimming and `high`
    (the weighted mean of the percentiles of the batches) depend on the batches; the moments without `trim` do not.
    Velocities are displacements over `velocity_lag` frames: a few frames rise above the noise of the positions.
    """

    def __init__(
        self, num_keypoints: int, num_blocks: int = 1, momentum: float = 0.0, trim: float = 0.0, velocity_lag: int = 1
    ) -> None:
        if not 0 <= momentum < 1 or not 0 <= trim < 0.5:
            raise ValueError(f"momentum {momentum} must lie in [0, 1) and trim {trim} in [0, 0.5)")
        self.num_keypoints, self.num_blocks, self.momentum, self.trim = num_keypoints, num_blocks, momentum, trim
        self.velocity_lag = velocity_lag
        shape = (num_blocks, num_keypoints, num_keypoints)
        self.moments = {name: torch.zeros(shape, dtype=torch.float64) for name in FIELDS}
        self.frames = torch.zeros(num_blocks, dtype=torch.int64)
        self.skipped = torch.zeros(num_keypoints, dtype=torch.int64)

    @torch.no_grad()
    def update(
        self,
        points: Float[Tensor, "N K D"],
        score: Float[Tensor, "N K"] | None = None,
        covariance: Float[Tensor, "N K D D"] | None = None,
        block: int = 0,
        consecutive: bool = False,
    ) -> None:
        """Add frames to `block`. With `consecutive`, frame n + 1 follows frame n, and velocities are added too."""
        work = points.detach().to("cpu", torch.float64)
        missing = ~torch.isfinite(work).all(dim=-1)
        self.skipped += missing.sum(dim=0)
        self.frames[block] += work.shape[0]
        presence = (~missing).to(torch.float64)
        if score is not None:
            presence = presence * score.detach().to("cpu", torch.float64).nan_to_num(0.0).clamp_min(0.0)
        work = work.masked_fill(missing[..., None], 0.0)
        weights = presence[:, :, None] * presence[:, None, :]
        batch = _batch_moments(work, weights, self.trim)
        if covariance is not None:
            noise = distance_noise(work, covariance.detach().to("cpu", torch.float64).nan_to_num(0.0))
            batch["noise"] = (weights * noise).sum(dim=0) / batch["weight"].clamp_min(1e-300)
        if consecutive and work.shape[0] > self.velocity_lag:
            batch |= _velocity_moments(work, weights, self.velocity_lag)
        if self.momentum > 0:
            for name in ("weight", "squares", "velocity_weight"):
                self.moments[name][block] *= self.momentum
        self._absorb(batch, block)

    def _absorb(self, other: dict[str, Tensor], block: int) -> None:
        """Combine the moments of `block` with those of disjoint frames."""
        mine = {name: value[block] for name, value in self.moments.items()}
        total = mine["weight"] + other["weight"]
        share = other["weight"] / total.clamp_min(1e-300)  # an empty pair stays at zero instead of 0 / 0
        shift = other["mean"] - mine["mean"]
        mine["squares"] += other["squares"] + shift**2 * mine["weight"] * share
        for name in ("mean", "noise", "high"):
            mine[name] += (other[name] - mine[name]) * share
        mine["weight"].copy_(total)
        moving = mine["velocity_weight"] + other["velocity_weight"]
        mine["velocity"] += (other["velocity"] - mine["velocity"]) * other["velocity_weight"] / moving.clamp_min(1e-300)
        mine["velocity_weight"].copy_(moving)

    def merge(self, other: "LimbStatistics") -> None:
        """Add what another worker saw, block by block. Raises DataError when the shapes differ."""
        if (other.num_keypoints, other.num_blocks) != (self.num_keypoints, self.num_blocks):
            raise DataError(
                f"cannot merge statistics of {other.num_keypoints} keypoints in {other.num_blocks} blocks into "
                f"{self.num_keypoints} keypoints in {self.num_blocks} blocks"
            )
        for block in range(self.num_blocks):
            self._absorb({name: value[block] for name, value in other.moments.items()}, block)
        self.frames += other.frames
        self.skipped += other.skipped

    def pooled(self, blocks: Int[Tensor, " S"] | None = None) -> PairStatistics:
        """Statistics over all blocks together, or over the given ones (repeated numbers count repeatedly)."""
        whole = LimbStatistics(self.num_keypoints, trim=self.trim)
        for block in range(self.num_blocks) if blocks is None else blocks.tolist():
            whole._absorb({name: value[block] for name, value in self.moments.items()}, 0)
        each = whole.per_block()
        return PairStatistics(**{name: value[0] for name, value in vars(each).items()})

    def per_block(self) -> PairStatistics:
        """Statistics of every block, [S, K, K]."""
        m = self.moments
        raw = m["squares"] / m["weight"].clamp_min(1e-300) / trimmed_variance_ratio(self.trim)
        # A variance cannot be known better than its sampling error, so the noise is never subtracted down to zero.
        floor = raw * (2 / m["weight"].clamp_min(2.0)).sqrt()
        velocity = torch.where(m["velocity_weight"] > 0, m["velocity"].clamp_min(0).sqrt(), torch.nan)
        variance = torch.maximum(raw - m["noise"], torch.minimum(raw, floor))
        return PairStatistics(m["weight"], m["mean"], variance, m["high"], velocity, m["noise"])

    def state_dict(self) -> dict[str, Shaped[Tensor, "..."]]:
        """Everything that `load_state_dict` needs, as tensors (safe for checkpoints)."""
        return {name: value.clone() for name, value in self.moments.items()} | {
            "frames": self.frames.clone(),
            "skipped": self.skipped.clone(),
        }

    def load_state_dict(self, state: dict[str, Shaped[Tensor, "..."]]) -> None:
        """Continue from `state_dict`. Raises DataError when a field is missing or has another shape."""
        for name in (*FIELDS, "frames", "skipped"):
            target = self.moments[name] if name in self.moments else getattr(self, name)
            if name not in state or state[name].shape != target.shape:
                found = tuple(state[name].shape) if name in state else "nothing"
                raise DataError(f"limb statistics: `{name}` needs shape {tuple(target.shape)}, found {found}")
            target.copy_(state[name])


def _batch_moments(points: Tensor, weights: Tensor, trim: float) -> dict[str, Tensor]:
    """Weight, mean, centred squares and 95th percentile of one batch; zeros for the fields it cannot know."""
    distances = pair_distances(points)
    weights = trim_weights(distances, weights, trim)
    weight = weights.sum(dim=0)
    mean = (weights * distances).sum(dim=0) / weight.clamp_min(1e-300)
    seen = distances.masked_fill(weights <= 0, torch.nan)
    zero = torch.zeros_like(weight)
    return {
        "weight": weight,
        "mean": mean,
        "squares": (weights * (distances - mean) ** 2).sum(dim=0),
        "high": torch.nanquantile(seen, 0.95, dim=0).nan_to_num(0.0),
        "noise": zero,
        "velocity_weight": zero,
        "velocity": zero,
    }


def _velocity_moments(points: Tensor, weights: Tensor, lag: int) -> dict[str, Tensor]:
    """Weighted mean square of the difference of velocities of every pair, over `lag` frames."""
    both = torch.minimum(weights[lag:], weights[:-lag])
    step = points[lag:] - points[:-lag]
    difference = (step[:, :, None] - step[:, None, :]).square().sum(dim=-1)
    weight = both.sum(dim=0)
    return {"velocity_weight": weight, "velocity": (both * difference).sum(dim=0) / weight.clamp_min(1e-300)}


def pair_statistics(
    points: Float[Tensor, "N K D"],
    score: Float[Tensor, "N K"] | None = None,
    covariance: Float[Tensor, "N K D D"] | None = None,
    trim: float = 0.0,
    consecutive: bool = True,
) -> PairStatistics:
    """Statistics of one sequence (exact: one batch). See `LimbStatistics`."""
    statistics = LimbStatistics(points.shape[1], trim=trim)
    statistics.update(points, score, covariance, consecutive=consecutive)
    return statistics.pooled()
