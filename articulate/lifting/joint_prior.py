"""A Gaussian for every joint: where a bone points, seen from its parent bone, as limits of joints would tell.

A Gaussian of whole poses in the body's frame knows how limbs swing and hardly which way knees bend: from a raised
thigh a shin that bends the wrong way is as near to the mean as one that bends the right way. In the frame of the parent
bone, whose second axis lies towards the grandparent, both stand apart, whatever the thigh does (compare the joint
limits of Akhter and Black 2015, which are learned from measured people; here they are learned from the run).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.geometry.coordinate_sums import coordinate_sum
from articulate.lifting.gaussians import log_volume, whitening_of

# Sine of the angle between parent and grandparent below which the direction of the second axis is little trusted: in a
# straight limb it is noise.
STRAIGHT = 0.3


@dataclass(frozen=True)
class Chain:
    """Bones that have a parent bone: their numbers, their parents' and grandparents' (-1: none)."""

    bone: Int[Tensor, " J"]
    parent: Int[Tensor, " J"]
    grandparent: Int[Tensor, " J"]


def chain_of(edges: Int[Tensor, "L 2"]) -> Chain:
    """The bones of a rooted tree (parent, child) in chains; those at the root have no parent."""
    above = {int(child): number for number, (_, child) in enumerate(edges.tolist())}
    parent = [above.get(int(start), -1) for start, _ in edges.tolist()]
    bones = [number for number, p in enumerate(parent) if p >= 0]
    rows = [(number, parent[number], parent[parent[number]]) for number in bones]
    table = torch.tensor(rows, dtype=torch.int64, device=edges.device).reshape(-1, 3)
    return Chain(*table.unbind(1))


@dataclass(frozen=True)
class JointPrior:
    """Mean and whitening matrix of every bone seen from its parent, and the body's first axis as the camera sees it."""

    edges: Int[Tensor, "L 2"]
    chain: Chain
    axis: Float[Tensor, "N 3"]
    mean: Float[Tensor, "J 3"]
    whitening: Float[Tensor, "J 3 3"]

    def frames(self, joints: Float[Tensor, "N K 3"]) -> Float[Tensor, " N"]:
        """Half the squared Mahalanobis distances of every pose, summed over its joints."""
        return self.distances(local_bones(joints, self.edges, self.chain, self.axis))

    def distances(self, local: Float[Tensor, "N J 3"]) -> Float[Tensor, " N"]:
        """The same of bones that are seen from their parents already (`local_bones`)."""
        offset = local - self.mean
        return 0.5 * torch.einsum("jab,njb->nja", self.whitening, offset).square().sum((1, 2))

    def volume(self) -> float:
        """Log of the Gaussians' size, summed over joints: what normalises them, for one frame."""
        return log_volume(self.whitening)


def joint_prior(
    joints: Float[Tensor, "N K 3"],
    edges: Int[Tensor, "L 2"],
    chain: Chain,
    rotations: Float[Tensor, "N 3 3"],
    ridge: float,
) -> JointPrior:
    """Prior that these poses make; `rotations` are camera from body, `ridge` as in `body_prior`."""
    local = local_bones(joints, edges, chain, rotations[:, :, 0])
    mean = local.mean(0)
    offset = local - mean
    covariance = torch.einsum("nja,njb->jab", offset, offset) / len(offset)
    return JointPrior(edges, chain, rotations[:, :, 0], mean, whitening_of(covariance, ridge))


def local_bones(
    joints: Float[Tensor, "N K 3"], edges: Int[Tensor, "L 2"], chain: Chain, axis: Float[Tensor, "N 3"]
) -> Float[Tensor, "N J 3"]:
    """Every bone along its parent, towards its grandparent (or `axis`) and across both."""
    bones = joints[:, edges[:, 1]] - joints[:, edges[:, 0]]
    # The floors keep the gradient finite at bones of no length and in straight limbs.
    unit = bones / (coordinate_sum(bones.square())[..., None] + 1e-6).sqrt()
    along = unit[:, chain.parent]
    towards = torch.where((chain.grandparent >= 0)[:, None], unit[:, chain.grandparent], axis[:, None])
    towards = towards - coordinate_sum(towards * along)[..., None] * along
    towards = towards / (coordinate_sum(towards.square())[..., None] + STRAIGHT**2).sqrt()
    across = torch.linalg.cross(along, towards)
    own = bones[:, chain.bone]
    return torch.stack([coordinate_sum(own * one) for one in (along, towards, across)], -1)
