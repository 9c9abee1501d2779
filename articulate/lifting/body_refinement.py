"""Refinement of lifted joints over a whole run: one body, smooth in time, limbs in front where they were seen in front.

All joints of all frames move at once (bundle adjustment, Triggs 2000): points with heavy tails, bones of one length for
the whole run, small accelerations, the order of depth, and a Gaussian of poses that is learned again from the result,
round by round. The first rounds are soft, so that signs of depth can still change; the last ones are rigid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.body_prior import BodyPrior, body_prior
from articulate.lifting.depth_evidence import DepthEvidence

FREEDOM = 4.0  # degrees of freedom of the heavy tails


class RefinementConfig(StrictModel):
    """Rounds, and expected sizes of the residuals in subject sizes, from the first round to the last."""

    rounds: int = Field(14, ge=2)
    steps: int = Field(25, ge=1, description="of the quasi-Newton method, in every round")
    points: float = Field(0.015, gt=0, description="noise of the keypoints; larger errors count as outliers")
    bones: tuple[float, float] = (0.3, 0.02)
    acceleration: tuple[float, float] = (0.05, 0.02)
    ridge: tuple[float, float] = Field((0.3, 0.05), description="least spread of the Gaussian of poses")
    prior: float = Field(3.0, ge=0, description="weight of the Gaussian of poses")
    order: float = Field(5.0, ge=0, description="weight of the order of depth")
    order_softness: float = Field(0.03, gt=0)
    stiff_bones: float = Field(0.05, gt=0, description="first of `bones` in the attempt that trusts the first signs")
    stiff_ridge: float = Field(0.1, gt=0, description="first of `ridge` in that attempt")
    symmetry: float = Field(
        0.0, ge=0, description="expected difference of log lengths of mirrored bones, such as 0.03; 0: no such belief"
    )
    rereadings: int = Field(2, ge=0, description="times that poses are read again from the Gaussian of the best ones")
    reading_rounds: int = Field(15, ge=1, description="of expectation maximisation, each time")
    reading_ridge: float = Field(0.1, gt=0, description="least spread of the Gaussian that it starts from")
    elevation_step: float = Field(0.05, gt=0, description="rad around the heading model's, where the best is sought")

    def stiff(self) -> "RefinementConfig":
        """Numbers of an attempt that starts stiff: it keeps signs of good first poses, which a soft one loses."""
        bones, ridge = (self.stiff_bones, self.bones[1]), (self.stiff_ridge, self.ridge[1])
        return self.model_copy(update={"bones": bones, "ridge": ridge})


@dataclass(frozen=True)
class Body:
    """What does not change while joints are refined; lengths in subject sizes. `twins` number mirrored bones."""

    points: Float[Tensor, "N K 2"]
    known: Float[Tensor, "N K"]
    clip: Int[Tensor, " N"]
    edges: Int[Tensor, "L 2"]
    order: DepthEvidence | None
    twins: Int[Tensor, "M 2"]


@dataclass(frozen=True)
class Refined:
    """Refined joints (float64), and their energy: lower is likelier, also between elevations.

    `mean` (pose in the body's frame) and `elevation` are of the reading of depth that was taken.
    """

    joints: Float[Tensor, "N K 3"]
    energy: float
    mean: Float[Tensor, "K 3"]
    elevation: float


@dataclass(frozen=True)
class Sizes:
    """Expected residuals of one round."""

    bones: float
    acceleration: float
    ridge: float


def refine_body(
    joints: Float[Tensor, "N K 3"],
    body: Body,
    mean: Float[Tensor, "K 3"],
    elevation: float,
    config: RefinementConfig,
) -> Refined:
    """Refined joints and their energy. `mean` and `elevation` are those of the heading model behind `joints`.

    The global reflection of depth is free until the order of depth is known: the reading that violates less is taken.
    """
    order = body.order
    if order is not None and order.violated(-joints[..., 2]) < order.violated(joints[..., 2]):
        mirror = joints.new_tensor([1.0, 1.0, -1.0])
        joints, mean, elevation = joints * mirror, mean * mirror, -elevation
    log_lengths = first_lengths(joints, body.edges)
    for number in range(config.rounds):
        sizes = sizes_of(number / (config.rounds - 1), config)
        prior = body_prior(joints, mean, elevation, body.clip, sizes.ridge, rounds=1 if number else 3)
        mean = prior.mean
        joints, log_lengths = one_round(joints, log_lengths, body, prior, sizes, config)
    prior = body_prior(joints, mean, elevation, body.clip, config.ridge[1])
    energy = whole_energy(joints, log_lengths, body, prior, sizes_of(1.0, config), config)
    # The Gaussian's normalisation counts too, or a wider Gaussian would always be the better one.
    volume = len(joints) * prior.whitening.diagonal().log().sum().item()
    return Refined(joints, energy.item() - config.prior * volume, prior.mean, elevation)


def sizes_of(progress: float, config: RefinementConfig) -> Sizes:
    """Sizes between the first (progress 0) and the last (1), in equal ratios."""

    def between(ends: tuple[float, float]) -> float:
        return ends[0] * (ends[1] / ends[0]) ** progress

    return Sizes(between(config.bones), between(config.acceleration), between(config.ridge))


def mirrored_bones(edges: Int[Tensor, "L 2"], mirror: Int[Tensor, " K"] | None) -> Int[Tensor, "M 2"]:
    """Pairs of bones that mirror each other, given every keypoint's mirror image (-1: in the middle, its own)."""
    if mirror is None:
        return torch.zeros(0, 2, dtype=torch.int64)
    number = {frozenset(edge): i for i, edge in enumerate(edges.tolist())}
    pairs = []
    for i, (a, b) in enumerate(edges.tolist()):
        image = frozenset(int(mirror[k]) if mirror[k] >= 0 else k for k in (a, b))
        if number.get(image, -1) > i:
            pairs.append((i, number[image]))
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def first_lengths(joints: Float[Tensor, "N K 3"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, " L"]:
    """Logarithms of the bone lengths of first poses: above the median, because their depths are drawn towards zero."""
    bone = joints[:, edges[:, 1]] - joints[:, edges[:, 0]]
    return bone.norm(dim=-1).quantile(0.6, dim=0).clamp_min(1e-3).log()


@torch.enable_grad()
def one_round(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " L"],
    body: Body,
    prior: BodyPrior,
    sizes: Sizes,
    config: RefinementConfig,
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, " L"]]:
    """Joints and log-lengths that lower the energy (L-BFGS on everything at once)."""
    joints, log_lengths = joints.clone().requires_grad_(), log_lengths.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [joints, log_lengths], max_iter=config.steps, history_size=15, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        energy = whole_energy(joints, log_lengths, body, prior, sizes, config)
        energy.backward()
        return energy

    step: Callable = optimiser.step
    step(closure)
    return joints.detach(), log_lengths.detach()


def whole_energy(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " L"],
    body: Body,
    prior: BodyPrior,
    sizes: Sizes,
    config: RefinementConfig,
) -> Float[Tensor, ""]:
    """Everything that is lowered: the body, the Gaussian of poses and the order of depth."""
    energy = body_energy(joints, log_lengths, body, sizes, config.points) + config.prior * prior.frames(joints).sum()
    if config.symmetry > 0 and len(body.twins):
        first, second = log_lengths[body.twins].unbind(1)
        # Counted once per frame, as everything else is: lengths are shared by all frames.
        energy = energy + 0.5 * len(joints) * ((first - second) / config.symmetry).square().sum()
    if body.order is None:
        return energy
    return energy + config.order * body.order.frames(joints[..., 2], config.order_softness).sum()


def body_energy(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " L"],
    body: Body,
    sizes: Sizes,
    noise: float,
) -> Float[Tensor, ""]:
    """Points and accelerations with heavy tails, bones with light ones; each residual over its expected size."""
    a, b = body.edges.unbind(1)
    off = (joints[..., :2] - body.points).square().sum(-1) / noise**2
    # The floor keeps the gradient finite at bones of no length.
    length = ((joints[:, b] - joints[:, a]).square().sum(-1) + 1e-12).sqrt()
    bones = 0.5 * ((length - log_lengths.exp()) / sizes.bones).square().sum()
    inner = body.clip[2:] == body.clip[:-2]
    bend = (joints[2:] - 2 * joints[1:-1] + joints[:-2])[inner].square().sum(-1) / sizes.acceleration**2
    return (body.known * heavy_tailed(off)).sum() + bones + heavy_tailed(bend).sum()


def heavy_tailed(square: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Negative log of Student's t density in two dimensions, up to a constant, of a squared residual over its size."""
    return 0.5 * (FREEDOM + 2) * torch.log1p(square / FREEDOM)
