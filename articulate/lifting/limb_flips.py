"""Limbs turned over for spells of frames: a discrete search over signs of depth, between rounds of the refinement.

A bone and its mirror image in depth show the same picture, so a spell of wrong signs is a valley that no small step
leaves (Lee and Chen 1985; Taylor 2000). Every bone is tried with its depth reversed, alone and with all that hangs on
it; the spells are the exact ones of least energy over each clip. What a clip's joints look like is judged by the other
clips, or wrong signs would speak for themselves.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.lifting.body_energy import Body, heavy_tailed
from articulate.lifting.body_prior import BodyPrior
from articulate.lifting.joint_prior import JointPrior, joint_prior, local_bones
from articulate.lifting.kinematics import path_matrix
from articulate.lifting.one_clip.compiled import compiled
from articulate.lifting.refinement_config import RefinementConfig, Sizes


def flip_limbs(
    joints: Float[Tensor, "N K 3"], body: Body, prior: BodyPrior, config: RefinementConfig, sizes: Sizes
) -> Float[Tensor, "N K 3"]:
    """Joints after one pass over all bones; points and bone lengths stay as they are."""
    limits = limits_by_clip(joints, body, prior, sizes.ridge)
    below = path_matrix(body.edges) > 0
    cost = frame_costs(joints, body, prior, limits, config)
    for bone, (start, end) in enumerate(body.edges.tolist()):
        nodes = below[:, bone].nonzero()[:, 0]
        depth = joints[..., 2]
        moved = depth[:, nodes] - 2 * (depth[:, end] - depth[:, start])[:, None]
        turned = 2 * depth[:, start, None] - depth[:, nodes]
        for flipped in (moved, turned) if len(nodes) > 1 else (moved,):
            other = joints.clone()
            other[:, nodes, 2] = flipped
            cost_other = frame_costs(other, body, prior, limits, config)
            bends = bend_costs(joints, other, nodes, body, sizes)
            spell = cheapest_spells(torch.stack([cost, cost_other], 1), bends, body.clip)
            joints = torch.where(spell[:, None, None], other, joints)
            cost = torch.where(spell, cost_other, cost)
    return joints


def limits_by_clip(joints: Float[Tensor, "N K 3"], body: Body, prior: BodyPrior, ridge: float) -> list[JointPrior]:
    """For every clip (in the order of `unique`) the Gaussians of the other clips' joints; of all, where it is alone."""
    names = body.clip.unique()
    rows = [body.clip != name if len(names) > 1 else body.clip == name for name in names]
    return [joint_prior(joints[use], body.edges, body.chain, prior.rotations[use], ridge) for use in rows]


def frame_costs(
    joints: Float[Tensor, "N K 3"],
    body: Body,
    prior: BodyPrior,
    limits: list[JointPrior],
    config: RefinementConfig,
) -> Float[Tensor, " N"]:
    """What the energy says of every frame on its own, bones and points left out."""
    local = local_bones(joints, body.edges, body.chain, prior.rotations[:, :, 0])
    cost = config.prior * prior.frames(joints)
    for name, one in zip(body.clip.unique(), limits, strict=True):
        rows = body.clip == name
        cost[rows] += config.limits * one.distances(local[rows])
    return (
        cost if body.order is None else cost + config.order * body.order.frames(joints[..., 2], config.order_softness)
    )


def bend_costs(
    joints: Float[Tensor, "N K 3"], other: Float[Tensor, "N K 3"], nodes: Int[Tensor, " M"], body: Body, sizes: Sizes
) -> Float[Tensor, "N 2 2 2"]:
    """Cost of the acceleration around every frame when the frame before, it and the next are turned over (1) or not."""
    both, expected = torch.stack([joints[:, nodes], other[:, nodes]]), sizes.acceleration * body.pace[1:-1][:, nodes]
    cost = joints.new_zeros(len(joints), 2, 2, 2)
    for before, now, after in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
        bend = both[after, 2:] - 2 * both[now, 1:-1] + both[before, :-2]
        cost[1:-1, before, now, after] = heavy_tailed(bend.square().sum(-1) / expected**2).sum(1)
    return cost


def cheapest_spells(
    cost: Float[Tensor, "N 2"], bends: Float[Tensor, "N 2 2 2"], clip: Int[Tensor, " N"]
) -> Bool[Tensor, " N"]:
    """Frames that are turned over in the state path of least cost, clip by clip; clips lie in one piece."""
    spell = np.zeros(len(cost), bool)
    for name in clip.unique():
        rows = (clip == name).nonzero()[:, 0].numpy()
        if len(rows) > 2:
            spell[rows] = cheapest_path(cost[rows].numpy(), bends[rows].numpy()) > 0
    return torch.from_numpy(spell)


@compiled
def cheapest_path(cost: np.ndarray, bends: np.ndarray) -> np.ndarray:
    """States [T] of least total cost [T, 2] and [T, 2, 2, 2] (second-order Viterbi; the pair (last, now) is hidden)."""
    num_frames = len(cost)
    value, came = np.empty((num_frames, 2, 2)), np.zeros((num_frames, 2, 2), np.int64)
    for last in range(2):
        for now in range(2):
            value[1, last, now] = cost[0, last] + cost[1, now]
    for t in range(2, num_frames):
        for last in range(2):
            for now in range(2):
                one = value[t - 1, 0, last] + bends[t - 1, 0, last, now]
                two = value[t - 1, 1, last] + bends[t - 1, 1, last, now]
                came[t, last, now] = int(two < one)
                value[t, last, now] = min(one, two) + cost[t, now]
    end = np.argmin(value[-1].copy().ravel())
    path = np.empty(num_frames, np.int64)
    path[-1], path[-2] = end % 2, end // 2
    for t in range(num_frames - 1, 1, -1):
        path[t - 2] = came[t, path[t - 1], path[t]]
    return path
