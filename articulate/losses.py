"""Several losses into one: scheduled weights, five ways of balancing, and what each term contributes.

Pure but for the learned log-variances of `uncertainty`; knows no stage and no task. A term that is not finite stops
the run with a TrainingError that names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from articulate.errors import ConfigError, TrainingError

Balancing = Literal["exponential", "uncertainty", "log", "fixed", "pareto"]


class LossTerm(BaseModel):
    """Weight of one loss over time: zero before step `start`, then rising linearly to `weight` in `ramp` steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(default=1.0, ge=0)
    start: int = Field(default=0, ge=0)
    ramp: int = Field(default=0, ge=0)

    def weight_at(self, step: int) -> float:
        """Weight in force at `step`."""
        if step < self.start:
            return 0.0
        return self.weight * (min(1.0, (step - self.start + 1) / self.ramp) if self.ramp else 1.0)


@dataclass(frozen=True)
class TermReport:
    """One term at one step: raw value, its part of the total, and its share of the gradient (shares sum to 1)."""

    raw: float
    weighted: float
    gradient_share: float


@dataclass(frozen=True)
class BalancedLoss:
    """The scalar to differentiate, and the report of every active term."""

    total: Tensor
    terms: dict[str, TermReport]


class Balancer(nn.Module):
    """Sum of scheduled losses l_i = weight_i(step) * raw_i, balanced by `method`.

    - `exponential`: sum exp(l_i / 50) (Liang & Zhang 2020, as used by Harris 2024).
    - `uncertainty`: sum exp(-s_i) l_i + s_i with learned s_i = log variance (Kendall & Cipolla 2018); its parameters
      must be given to the optimiser.
    - `log`: sum log(1 + l_i). - `fixed`: sum l_i.
    - `pareto`: sum a_i l_i with the convex weights of the smallest joint gradient (MGDA, Sener & Koltun 2018), taken
      at the `shared` tensors (their upper bound when these are a representation rather than parameters).
    """

    def __init__(
        self, terms: dict[str, LossTerm], method: Balancing | str = "exponential", *, scale: float = 50.0
    ) -> None:
        super().__init__()
        if method not in BALANCERS:
            raise ConfigError(f"balancing {method!r} is not known; use one of {sorted(BALANCERS)}")
        self.schedule = dict(terms)
        self.method = method
        self.scale = scale
        names = sorted(terms) if method == "uncertainty" else []
        self.log_variance = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in names})

    def forward(self, raw: dict[str, Tensor], step: int, *, shared: Sequence[Tensor] | None = None) -> BalancedLoss:
        """Balance `raw` at `step`.

        `shared` are tensors through which all terms pass (parameters or a representation such as the keypoints):
        with them the gradient shares are norms of real gradients, without them |d total / d raw_i| * raw_i.
        Raises TrainingError naming a term that is not finite, ConfigError on a term without a schedule.
        """
        unknown = set(raw) - set(self.schedule)
        if unknown:
            raise ConfigError(f"losses {sorted(unknown)} have no LossTerm (have: {sorted(self.schedule)})")
        weights = {name: self.schedule[name].weight_at(step) for name in raw}
        active = {name: raw[name] * weights[name] for name in raw if weights[name] > 0}
        for name in active:
            check_finite(name, raw[name], step)
        gradients = gradients_of(active, shared) if shared is not None else None
        parts = BALANCERS[self.method](self, active, gradients)
        for name, part in parts.items():
            check_finite(name, part, step)
        total = torch.stack(list(parts.values())).sum() if parts else torch.zeros((), requires_grad=True)
        shares = gradient_shares(parts, active, gradients)
        report = {n: TermReport(float(raw[n].detach()), float(parts[n].detach()), shares[n]) for n in active}
        return BalancedLoss(total, report)


def check_finite(name: str, value: Tensor, step: int) -> None:
    """Stop when a loss is not finite."""
    if not bool(torch.isfinite(value.detach()).all()):
        raise TrainingError(
            f"loss `{name}` is {float(value.detach())} at step {step}: lower the learning rate or the weight of "
            f"`{name}`, and check its inputs"
        )


def gradients_of(losses: dict[str, Tensor], shared: Sequence[Tensor]) -> dict[str, Tensor]:
    """Flat gradient of each loss at the shared tensors; zero where a loss does not reach one."""
    flat = {}
    for name, loss in losses.items():
        parts = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True)
        flat[name] = torch.cat(
            [(torch.zeros_like(s) if g is None else g).reshape(-1) for g, s in zip(parts, shared, strict=True)]
        )
    return flat


def gradient_shares(
    parts: dict[str, Tensor], losses: dict[str, Tensor], gradients: dict[str, Tensor] | None
) -> dict[str, float]:
    """Share of each term in the sum of the norms of d part / d shared = (d part / d loss) * (d loss / d shared)."""
    size = {}
    for name, part in parts.items():
        slope = abs(slope_of(part, losses[name]))
        size[name] = slope * float(gradients[name].norm() if gradients else losses[name].detach().abs())
    whole = sum(size.values())
    return {name: s / whole if whole > 0 else 0.0 for name, s in size.items()}


def slope_of(part: Tensor, loss: Tensor) -> float:
    """d part / d loss; 1 where both are constants, as in an evaluation."""
    if not loss.requires_grad:
        return 1.0
    return float(torch.autograd.grad(part, loss, retain_graph=True)[0].detach())


def exponential(
    balancer: Balancer, losses: dict[str, Tensor], gradients: dict[str, Tensor] | None
) -> dict[str, Tensor]:
    """exp(l / scale)."""
    return {name: torch.exp(loss / balancer.scale) for name, loss in losses.items()}


def uncertainty(
    balancer: Balancer, losses: dict[str, Tensor], gradients: dict[str, Tensor] | None
) -> dict[str, Tensor]:
    """exp(-s) l + s; s is kept above -6, where a loss that reached zero would push it without end."""
    spread = {name: balancer.log_variance[name].clamp_min(-6.0) for name in losses}
    return {name: torch.exp(-spread[name]) * loss + spread[name] for name, loss in losses.items()}


def logarithm(balancer: Balancer, losses: dict[str, Tensor], gradients: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """log(1 + l)."""
    return {name: torch.log1p(loss) for name, loss in losses.items()}


def fixed(balancer: Balancer, losses: dict[str, Tensor], gradients: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """l."""
    return dict(losses)


def pareto(balancer: Balancer, losses: dict[str, Tensor], gradients: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """a l with the min-norm weights a of the gradients at the shared tensors."""
    if gradients is None:
        raise ConfigError("balancing 'pareto' needs `shared`: the tensors through which all losses pass")
    names = list(losses)
    if not names:
        return {}
    rows = torch.stack([gradients[n] for n in names]).double()
    weights = min_norm_weights((rows @ rows.T).cpu().numpy())
    return {name: losses[name] * float(w) for name, w in zip(names, weights, strict=True)}


def min_norm_weights(gram: np.ndarray, iterations: int = 500) -> np.ndarray:
    """Convex weights a that minimise a' G a for the Gram matrix G [n, n] of n gradients.

    Frank-Wolfe with exact line search (Sener & Koltun 2018, algorithm 2), exact in one step for two gradients.
    """
    weights = np.full(len(gram), 1 / len(gram))
    for _ in range(iterations):
        towards = gram @ weights
        corner = int(towards.argmin())
        current, cross = float(weights @ towards), float(towards[corner])
        span = current - 2 * cross + float(gram[corner, corner])
        # Nothing left to gain, relative to what there is.
        if span <= 0 or current - cross <= 1e-10 * current:
            break
        step = min(1.0, (current - cross) / span)
        weights *= 1 - step
        weights[corner] += step
    return weights


BALANCERS = {
    "exponential": exponential,
    "uncertainty": uncertainty,
    "log": logarithm,
    "fixed": fixed,
    "pareto": pareto,
}
