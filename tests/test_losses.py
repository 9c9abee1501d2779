"""Balancing: schedules, the formula of every method, a toy problem with a known Pareto point, honest failure."""

import math

import pytest
import torch

from articulate.errors import ConfigError, TrainingError
from articulate.losses import BALANCERS, Balancer, LossTerm, min_norm_weights

RAW = {"a": 2.0, "b": 0.5}


def tensors() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    return x, {"a": 2 * x[0] ** 2, "b": 0.25 * x[1]}


def test_schedule_starts_and_ramps() -> None:
    term = LossTerm(weight=2.0, start=10, ramp=4)
    assert [term.weight_at(s) for s in (0, 9, 10, 11, 13, 50)] == [0, 0, 0.5, 1.0, 2.0, 2.0]
    assert LossTerm(weight=3.0).weight_at(0) == 3.0


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("exponential", math.exp(2 / 50) + math.exp(0.5 / 50)),
        ("uncertainty", 2.5),
        ("log", math.log(3) + math.log(1.5)),
        ("fixed", 2.5),
    ],
)
def test_totals_follow_their_formulas(method: str, expected: float) -> None:
    x, raw = tensors()
    balanced = Balancer({n: LossTerm() for n in RAW}, method)(raw, 0)
    assert float(balanced.total.detach()) == pytest.approx(expected)
    assert {n: r.raw for n, r in balanced.terms.items()} == pytest.approx(RAW)
    assert sum(r.weighted for r in balanced.terms.values()) == pytest.approx(expected)
    assert sum(r.gradient_share for r in balanced.terms.values()) == pytest.approx(1)
    balanced.total.backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()


def test_gradient_share_is_the_share_of_the_real_gradient() -> None:
    x, raw = tensors()
    report = Balancer({n: LossTerm() for n in RAW}, "fixed")(raw, 0, shared=[x]).terms
    # d a / d x = (4, 0) and d b / d x = (0, 0.25) at x = (1, 2).
    assert report["a"].gradient_share == pytest.approx(4 / 4.25)


def test_a_term_before_its_start_counts_for_nothing() -> None:
    x, raw = tensors()
    balanced = Balancer({"a": LossTerm(start=5), "b": LossTerm()}, "fixed")(raw, 0)
    assert float(balanced.total.detach()) == pytest.approx(0.5) and set(balanced.terms) == {"b"}
    nothing = Balancer({n: LossTerm(start=5) for n in RAW}, "exponential")(raw, 0)
    nothing.total.backward()
    assert nothing.terms == {}


def test_min_norm_weights_against_the_closed_form() -> None:
    # Two gradients g, h: a = clip((h - g) . h / |g - h|^2, 0, 1) (Sener & Koltun 2018, eq. 4).
    for g, h in (([1.0, 0.0], [0.0, 2.0]), ([1.0, 0.0], [3.0, 0.1]), ([1.0, 1.0], [-1.0, 0.5])):
        a, b = torch.tensor(g).double(), torch.tensor(h).double()
        rows = torch.stack([a, b])
        expected = float((((b - a) @ b) / ((a - b) @ (a - b))).clamp(0, 1))
        assert float(min_norm_weights((rows @ rows.T).numpy())[0]) == pytest.approx(expected, abs=1e-6)
    # Three orthogonal gradients of lengths 1, 2, 3: weights go as the inverse squares.
    rows = torch.diag(torch.tensor([1.0, 2.0, 3.0]).double())
    inverse = torch.tensor([1.0, 1 / 4, 1 / 9]).double()
    assert torch.allclose(
        torch.from_numpy(min_norm_weights((rows @ rows.T).numpy())), inverse / inverse.sum(), atol=1e-2
    )


def test_pareto_walks_to_the_pareto_set_of_two_parabolas() -> None:
    # |x - p|^2 and 10 |x - q|^2: the Pareto set is the segment from p to q; from a start whose projection lies
    # inside it, MGDA stops on the segment although the second loss is ten times as steep.
    p, q = torch.tensor([-1.0, 0.0]).double(), torch.tensor([1.0, 0.0]).double()
    x = torch.tensor([0.2, 1.5], dtype=torch.float64, requires_grad=True)
    balancer = Balancer({n: LossTerm() for n in RAW}, "pareto")
    for step in range(150):
        raw = {"a": (x - p).square().sum(), "b": 10 * (x - q).square().sum()}
        balanced = balancer(raw, step, shared=[x])
        (slope,) = torch.autograd.grad(balanced.total, x)
        with torch.no_grad():
            x -= 0.05 * slope
    assert abs(float(x[1].detach())) < 1e-3 and -1 < float(x[0].detach()) < 1
    # Pareto-stationary: some convex mix of both gradients vanishes.
    gradients = [2 * (x - p), 20 * (x - q)]
    rows = torch.stack([g.detach() for g in gradients])
    weights = torch.from_numpy(min_norm_weights((rows @ rows.T).numpy()))
    assert (weights @ rows).norm() < 1e-2


def test_uncertainty_learns_the_variance() -> None:
    # exp(-s) l + s is smallest at s = log l.
    balancer = Balancer({"a": LossTerm()}, "uncertainty")
    optimiser = torch.optim.Adam(balancer.parameters(), lr=0.05)
    for step in range(150):
        optimiser.zero_grad()
        balancer({"a": torch.tensor(0.2)}, step).total.backward()
        optimiser.step()
    assert float(balancer.log_variance["a"].detach()) == pytest.approx(math.log(0.2), abs=1e-2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_named(value: float) -> None:
    balancer = Balancer({n: LossTerm() for n in RAW})
    with pytest.raises(TrainingError, match="`b`.*step 7"):
        balancer({"a": torch.tensor(1.0), "b": torch.tensor(value)}, 7)
    with pytest.raises(TrainingError, match="`a`"):
        balancer({"a": torch.tensor(1.0e5), "b": torch.tensor(1.0)}, 0)


def test_mistakes_in_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="sum.*exponential"):
        Balancer({"a": LossTerm()}, "sum")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"\['c'\] have no LossTerm"):
        Balancer({"a": LossTerm()})({"c": torch.tensor(1.0)}, 0)
    with pytest.raises(ConfigError, match="shared"):
        Balancer({"a": LossTerm()}, "pareto")({"a": torch.tensor(1.0)}, 0)
    assert set(BALANCERS) == {"exponential", "uncertainty", "log", "fixed", "pareto"}
