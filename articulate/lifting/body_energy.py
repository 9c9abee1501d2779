"""The energy of the joints of a whole run: points, bones, accelerations, a Gaussian of poses, the order of depth."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.geometry.coordinate_sums import coordinate_sum
from articulate.geometry.straight import StraightJoint, made_of_straight_limbs, straight_joints
from articulate.lifting.body_prior import BodyPrior
from articulate.lifting.depth_evidence import DepthEvidence
from articulate.lifting.joint_prior import Chain, JointPrior
from articulate.lifting.refinement_config import RefinementConfig, Sizes

FREEDOM = 4.0  # degrees of freedom of the heavy tails
LEAST_PACE = 0.25  # a body that stands still may start to move


@dataclass(frozen=True)
class Body:
    """What does not change while joints are refined; lengths in subject sizes. `twins` number mirrored bones.

    `known` is how much of a point shows, 0 where it is a guess: noise is expected to grow as it falls. `pace` is how
    much more than others a joint accelerates in its clip.
    """

    points: Float[Tensor, "N K 2"]
    known: Float[Tensor, "N K"]
    clip: Int[Tensor, " N"]
    edges: Int[Tensor, "L 2"]
    order: DepthEvidence | None
    twins: Int[Tensor, "M 2"]
    chain: Chain
    pace: Float[Tensor, "N K"]

    @cached_property
    def straight(self) -> list[StraightJoint]:
        """Keypoints within straight limbs."""
        shown = self.known.cpu().numpy() > 0
        return straight_joints(self.points.cpu().numpy(), shown, self.edges.cpu().numpy())

    @property
    def is_straight(self) -> bool:
        """Whether at least half of the bones lie on straight limbs of several bones, as those of robots do."""
        return made_of_straight_limbs(self.straight, self.edges.cpu().numpy())

    @cached_property
    def bones(self) -> Int[Tensor, "B 2"]:
        """Pairs of keypoints at a constant distance: bones, and the ends of straight limbs in a body made of these."""
        ends = [joint.ends for joint in self.straight] if self.is_straight else []
        return torch.cat([self.edges, self.edges.new_tensor(ends).reshape(-1, 2)])


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


def whole_energy(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " B"],
    body: Body,
    prior: BodyPrior,
    limits: JointPrior,
    sizes: Sizes,
    config: RefinementConfig,
) -> Float[Tensor, ""]:
    """Everything that is lowered: the body, the Gaussian of poses and the order of depth."""
    energy = body_energy(joints, log_lengths, body, sizes, config.points) + config.prior * prior.frames(joints).sum()
    if config.limits > 0:
        energy = energy + config.limits * limits.frames(joints).sum()
    if config.symmetry > 0 and len(body.twins):
        first, second = log_lengths[body.twins].unbind(1)
        # Counted once per frame, as everything else is: lengths are shared by all frames.
        energy = energy + 0.5 * len(joints) * ((first - second) / config.symmetry).square().sum()
    if body.order is None:
        return energy
    return energy + config.order * body.order.frames(joints[..., 2], config.order_softness).sum()


def body_energy(
    joints: Float[Tensor, "N K 3"],
    log_lengths: Float[Tensor, " B"],
    body: Body,
    sizes: Sizes,
    noise: float,
) -> Float[Tensor, ""]:
    """Points and accelerations with heavy tails, bones with light ones; each residual over its expected size."""
    a, b = body.bones.unbind(1)
    off = coordinate_sum((joints[..., :2] - body.points).square()) * (body.known / noise).square()
    # The floor keeps the gradient finite at bones of no length.
    length = (coordinate_sum((joints[:, b] - joints[:, a]).square()) + 1e-12).sqrt()
    bones = 0.5 * ((length - log_lengths.exp()) / sizes.bones).square().sum()
    acceleration, inner = accelerations(joints, body.clip)
    expected = sizes.acceleration * body.pace[1:-1][inner]
    bend = coordinate_sum(acceleration[inner].square()) / expected**2
    return heavy_tailed(off).sum() + bones + heavy_tailed(bend).sum()


def accelerations(
    joints: Float[Tensor, "N K D"], clip: Int[Tensor, " N"]
) -> tuple[Float[Tensor, "M K D"], Bool[Tensor, " M"]]:
    """Second differences around every frame but the first and the last, and where all three frames are of one clip."""
    return joints[2:] - 2 * joints[1:-1] + joints[:-2], clip[2:] == clip[:-2]


def own_pace(joints: Float[Tensor, "N K 3"], clip: Int[Tensor, " N"], usual: float) -> Float[Tensor, "N K"]:
    """Size of every joint's acceleration in its clip over the `usual` one, as `Body.pace` wants it.

    A run accelerates feet thirty times as much as a slow reach does: one size for all takes the fast ones for outliers,
    which flattens their depths, and says nothing of the slow ones.
    """
    pace, (acceleration, inner) = torch.ones_like(joints[..., 0]), accelerations(joints, clip)
    bend = acceleration.square().mean(-1)
    for name in clip.unique():
        rows = inner & (clip[1:-1] == name)
        if rows.any():
            # The variance of Student's t with four degrees of freedom is twice the square of its scale.
            pace[clip == name] = (bend[rows].mean(0) / (2 * usual**2) + LEAST_PACE**2).sqrt()
    return pace


def heavy_tailed(square: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Negative log of Student's t density in two dimensions, up to a constant, of a squared residual over its size."""
    return 0.5 * (FREEDOM + 2) * torch.log1p(square / FREEDOM)
