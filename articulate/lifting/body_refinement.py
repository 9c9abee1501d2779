"""Refinement of lifted joints over a whole run: one body, smooth in time, limbs in front where they were seen in front.

All joints of all frames move at once (bundle adjustment, Triggs 2000): points with heavy tails, bones of one length for
the whole run, small accelerations, the order of depth, and a Gaussian of poses that is learned again from the result,
round by round. The first rounds are soft, so that signs of depth can still change; the last ones are rigid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.body_energy import Body, whole_energy
from articulate.lifting.body_prior import BodyPrior, body_prior
from articulate.lifting.depth_evidence import DepthEvidence
from articulate.lifting.joint_prior import JointPrior, joint_prior
from articulate.lifting.refinement_config import RefinementConfig, Sizes, sizes_of


@dataclass(frozen=True)
class Refined:
    """Refined joints (float64), and their energy: lower is likelier, also between elevations.

    `mean` (pose in the body's frame) and `elevation` are of the reading of depth that was taken.
    """

    joints: Float[Tensor, "N K 3"]
    energy: float
    mean: Float[Tensor, "K 3"]
    elevation: float


def likeliest(tried: list[Refined]) -> Refined:
    """The refinement with the least energy."""
    return min(tried, key=lambda one: one.energy)


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
    if body.order is not None:
        joints, mean, elevation = better_reading(joints, mean, elevation, body.order)
    log_lengths = first_lengths(joints, body.bones)
    for number in range(config.rounds):
        sizes = sizes_of(number / (config.rounds - 1), config)
        prior = body_prior(joints, mean, elevation, body.clip, sizes.ridge, rounds=1 if number else 3)
        mean = prior.mean
        limits = joint_prior(joints, body.edges, body.chain, prior.rotations, sizes.ridge)
        joints, log_lengths = one_round(joints, log_lengths, body, prior, limits, sizes, config)
    prior = body_prior(joints, mean, elevation, body.clip, config.ridge[1])
    limits = joint_prior(joints, body.edges, body.chain, prior.rotations, config.ridge[1])
    energy = whole_energy(joints, log_lengths, body, prior, limits, sizes_of(1.0, config), config)
    # The Gaussians' normalisation counts too, or a wider Gaussian would always be the better one.
    volume = config.prior * prior.volume() + config.limits * limits.volume()
    return Refined(joints, energy.item() + len(joints) * volume, prior.mean, elevation)


def better_reading(
    joints: Float[Tensor, "N K 3"], mean: Float[Tensor, "K 3"], elevation: float, order: DepthEvidence
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "K 3"], float]:
    """Joints, mean pose and elevation as they are or reflected in depth: as the order of depth is violated less."""
    if order.violated(-joints[..., 2]) < order.violated(joints[..., 2]):
        mirror = joints.new_tensor([1.0, 1.0, -1.0])
        return joints * mirror, mean * mirror, -elevation
    return joints, mean, elevation


def first_lengths(joints: Float[Tensor, "N K 3"], bones: Int[Tensor, "B 2"]) -> Float[Tensor, " B"]:
    """Logarithms of the bone lengths of first poses: above the median, because their depths are drawn towards zero."""
    bone = joints[:, bones[:, 1]] - joints[:, bones[:, 0]]
    return bone.norm(dim=-1).quantile(0.6, dim=0).clamp_min(1e-3).log()


@torch.enable_grad()
def one_round(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " B"],
    body: Body,
    prior: BodyPrior,
    limits: JointPrior,
    sizes: Sizes,
    config: RefinementConfig,
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, " B"]]:
    """Joints and log-lengths that lower the energy (L-BFGS on everything at once)."""
    joints, log_lengths = joints.clone().requires_grad_(), log_lengths.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [joints, log_lengths], max_iter=config.steps, history_size=15, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        energy = whole_energy(joints, log_lengths, body, prior, limits, sizes, config)
        energy.backward()
        return energy

    step: Callable = optimiser.step
    step(closure)
    return joints.detach(), log_lengths.detach()
