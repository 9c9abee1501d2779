"""Fit of a skeleton of constant bone lengths to lifted joints: an energy whose terms can be switched off one by one.

Terms as in VNect (Mehta et al. 2017, equation 1) and XNect (Mehta et al. 2020, equation 3), with every residual divided
by its expected size, so that the weights are free of units: data (3D joints), reprojection (image points), smooth
(acceleration), depth (speed along the camera's axis) and limits (swing outside the joint ranges, quadratic hinge).
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import ConfigError, TrainingError
from articulate.lifting.articulation import local_directions
from articulate.lifting.kinematics import bone_directions, forward_kinematics, median_bone_lengths
from articulate.lifting.swing import swing_angles
from articulate.records import Articulation

TERMS = ("data", "reprojection", "smooth", "depth", "limits")


@dataclass(frozen=True)
class FitConfig:
    """Weight of every term (0 switches it off) and expected size of its residual, in mean bone lengths or rad."""

    weights: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TERMS, 1.0))
    data_size: float = 0.2
    image_size: float = 0.02
    acceleration_size: float = 0.05  # per frame squared
    depth_speed_size: float = 0.3  # per frame
    limit_size: float = 0.1
    steps: int = 100
    history: int = 20  # of the quasi-Newton method


@dataclass(frozen=True)
class FitResult:
    """Fitted joints with constant bone lengths, the value of every term at the end, and of their sum at the start."""

    joints: Float[Tensor, "T K 3"]
    bone_lengths: Float[Tensor, " L"]
    terms: dict[str, float]
    start: float


def kinematic_fit(
    joints: Float[Tensor, "T K 3"],
    xy: Float[Tensor, "T K 2"],
    edges: Int[Tensor, "L 2"],
    score: Float[Tensor, "T K"] | None = None,
    model: Articulation | None = None,
    lengths: Float[Tensor, " L"] | None = None,
    config: FitConfig | None = None,
) -> FitResult:
    """Root and bone directions of every frame that minimise the energy (L-BFGS on all frames at once, orthographic).

    All inputs share one unit; the camera looks along z. `model` is needed by the term `limits`, and only there. Image
    points that are not finite, or of score 0, have no say. Raises ConfigError for an unknown term.
    """
    config = config or FitConfig()
    unknown = sorted(set(config.weights) - set(TERMS))
    if unknown:
        raise ConfigError(f"kinematic fit: unknown terms {unknown}; the terms are {list(TERMS)}")
    lengths = median_bone_lengths(joints, edges) if lengths is None else lengths
    seen = xy.isfinite().all(-1)
    trust = seen.to(joints.dtype) * (1.0 if score is None else score)
    target = torch.where(seen[..., None], xy, 0.0)
    root = joints[:, int(edges[0, 0])].clone().requires_grad_()
    directions = bone_directions(joints, edges).clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [root, directions], max_iter=config.steps, history_size=config.history, line_search_fn="strong_wolfe"
    )
    unit = lengths.mean()

    def terms() -> dict[str, Tensor]:
        posed = forward_kinematics(root, directions, lengths, edges)
        return fit_terms(posed, joints, target, trust, edges, model, config, unit)

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = torch.stack([config.weights.get(name, 0.0) * value for name, value in terms().items()]).sum()
        if not total.isfinite():
            raise TrainingError(f"kinematic fit: the energy is not finite; terms {terms()}")
        total.backward()
        return total

    start = float(torch.as_tensor(optimiser.step(closure)).detach())
    with torch.no_grad():
        found = forward_kinematics(root, directions, lengths, edges)
        final = {name: float(value) for name, value in terms().items()}
    return FitResult(found, lengths, final, start)


def fit_terms(
    posed: Float[Tensor, "T K 3"],
    joints: Float[Tensor, "T K 3"],
    xy: Float[Tensor, "T K 2"],
    trust: Float[Tensor, "T K"],
    edges: Int[Tensor, "L 2"],
    model: Articulation | None,
    config: FitConfig,
    unit: Float[Tensor, ""],
) -> dict[str, Tensor]:
    """Mean squared residual of every term with a weight above zero, each in units of its expected size."""

    def mean_square(residual: Tensor, size: float | Tensor, weight: Tensor | None = None) -> Tensor:
        square = (residual / size).square().sum(-1)
        return square.mean() if weight is None else (square * weight).sum() / weight.sum().clamp_min(1e-9)

    parts = {
        "data": lambda: mean_square(posed - joints, config.data_size * unit),
        "reprojection": lambda: mean_square(posed[..., :2] - xy, config.image_size * unit, trust),
        "smooth": lambda: mean_square(posed.diff(n=2, dim=0), config.acceleration_size * unit),
        "depth": lambda: mean_square(posed[..., 2:].diff(dim=0), config.depth_speed_size * unit),
        "limits": lambda: mean_square(_excess(posed, edges, model), config.limit_size),
    }
    used = [name for name in TERMS if config.weights.get(name, 0.0) > 0 and (name != "limits" or model is not None)]
    return {name: parts[name]() for name in used}


def _excess(
    posed: Float[Tensor, "T K 3"], edges: Int[Tensor, "L 2"], model: Articulation | None
) -> Float[Tensor, "T L 2"]:
    """Swing (rad) beyond the joint ranges of the model; zero inside."""
    assert model is not None
    rest = model.rest_pose.to(posed)
    angles = swing_angles(bone_directions(rest, edges), local_directions(posed, rest, edges))
    low, high = model.joint_ranges.to(posed)[edges[:, 1]].unbind(-1)
    return (low - angles).clamp_min(0) + (angles - high).clamp_min(0)
