"""A Gaussian of poses in the body's frame, from poses in the camera's; headings by dynamic programming.

The alternation with `body_refinement.py` is the M step of an expectation maximisation with hard poses; the ridge stands
for the uncertainty that hard poses lack, and falls as they settle.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.geometry.rotations import rotation_about
from articulate.lifting.gaussians import log_volume, whitening_of

HEADINGS = 72
TURN = 0.08  # rad that a body turns between two frames, give or take
ANY_TURN = 9.0  # cost from which on all turns are alike, so that none is impossible
SHAPE = 0.1  # distance of a joint from its place in the mean pose, give or take, subject sizes


@dataclass(frozen=True)
class BodyPrior:
    """Camera from body for every frame, mean pose, and the whitening matrix of its covariance."""

    rotations: Float[Tensor, "N 3 3"]
    mean: Float[Tensor, "K 3"]
    whitening: Float[Tensor, "P P"]

    def frames(self, joints: Float[Tensor, "N K 3"]) -> Float[Tensor, " N"]:
        """Half the squared Mahalanobis distance of every centred pose."""
        posed = torch.einsum("nai,nka->nki", self.rotations, joints)
        offset = posed - posed.mean(1, keepdim=True) - self.mean
        return 0.5 * (offset.flatten(1) @ self.whitening.T).square().sum(1)

    def volume(self) -> float:
        """Log of the Gaussian's size: what normalises it, for one frame."""
        return log_volume(self.whitening)


def body_prior(
    joints: Float[Tensor, "N K 3"],
    mean: Float[Tensor, "K 3"],
    elevation: float,
    clip: Int[Tensor, " N"],
    ridge: float,
    rounds: int = 1,
) -> BodyPrior:
    """Prior that the poses `joints` make, their headings read off by their distance to the mean pose, `rounds` times.

    `ridge` is a standard deviation that every coordinate has in addition, in the joints' unit.
    """
    angle = torch.arange(HEADINGS, dtype=joints.dtype, device=joints.device) * (2 * math.pi / HEADINGS)
    tilt = rotation_about(0, torch.tensor(elevation, dtype=joints.dtype, device=joints.device))
    camera = tilt @ rotation_about(1, angle)
    centred = joints - joints.mean(1, keepdim=True)
    posed = centred
    for _ in range(rounds):
        likeness = torch.einsum("nka,hai,ki->nh", centred, camera, mean)
        # Up to what all headings share: the squared distance over twice its variance and the number of joints.
        path = likeliest_path(-likeness / (SHAPE**2 * joints.shape[1]), clip)
        posed = torch.einsum("nai,nka->nki", camera[path], centred)
        mean = posed.mean(0)
    offset = (posed - mean).flatten(1)
    return BodyPrior(camera[path], mean, whitening_of(offset.T @ offset / len(offset), ridge))


def likeliest_path(cost: Float[Tensor, "N H"], clip: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """Heading of every frame with the least sum of costs and turns over its clip (Viterbi 1967)."""
    apart = torch.arange(cost.shape[1], dtype=cost.dtype, device=cost.device)
    apart = torch.minimum(apart, len(apart) - apart) * (2 * math.pi / len(apart))
    turn = (0.5 * (apart / TURN).square()).clamp_max(ANY_TURN)
    moves = torch.stack([turn.roll(h) for h in range(len(turn))])
    path = torch.zeros(len(cost), dtype=torch.int64, device=cost.device)
    for name in clip.unique():
        rows = (clip == name).nonzero()[:, 0].tolist()
        total, back = cost[rows[0]], []
        for row in rows[1:]:
            best = (total[:, None] + moves).min(0)
            back.append(best.indices)
            total = best.values + cost[row]
        state = int(total.argmin())
        path[rows[-1]] = state
        for row, came in zip(reversed(rows[:-1]), reversed(back), strict=True):
            state = int(came[state])
            path[row] = state
    return path
