"""Poses that respect the heading model, the noise of the points and constant bone lengths at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.heading_model import HeadingModel


def likely_poses(
    model: HeadingModel, points: Float[Tensor, "N K 2"], heading: Int[Tensor, " N"]
) -> Float[Tensor, "N K 3"]:
    """Expected joints in the camera's frame when every frame has the given heading."""
    flat, joints = points.flatten(1), points.new_zeros(*points.shape[:2], 3)
    for t in heading.unique().tolist():
        rows = heading == t
        pose = model.mean.flatten().to(flat) + (flat[rows] - model.seen_mean[t].to(flat)) @ model.gain[t].T.to(flat)
        joints[rows] = pose.unflatten(1, (-1, 3)) @ model.rotations[t].T.to(flat)
    return joints


def rest_in_camera(model: HeadingModel, heading: int) -> Float[Tensor, "K 3 K 3"]:
    """Covariance of the joints in the camera's frame once image and heading are known."""
    k, turn = len(model.mean), model.rotations[heading]
    return torch.einsum("ai,kilj,bj->kalb", turn, model.rest[heading].reshape(k, 3, k, 3), turn)


def lengths_in_frames(
    model: HeadingModel,
    joints: Float[Tensor, "N K 3"],
    heading: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
) -> tuple[Float[Tensor, "N L"], Float[Tensor, "N L"]]:
    """Root of the expected squared length of every bone and frame, and the variance of the length that is unknown."""
    a, b = edges.unbind(1)
    bone = joints[:, b] - joints[:, a]
    unit = bone / bone.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    squared, unsure = bone.square().sum(-1), torch.zeros_like(bone[..., 0])
    for t in heading.unique().tolist():
        rest, rows = rest_in_camera(model, t).to(joints), heading == t
        own = rest[b, :, b] + rest[a, :, a] - rest[a, :, b] - rest[b, :, a]
        squared[rows] += own.diagonal(dim1=-2, dim2=-1).sum(-1)
        unsure[rows] = torch.einsum("nli,lij,nlj->nl", unit[rows], own, unit[rows])
    return squared.sqrt(), unsure


def flexibility(
    length: Float[Tensor, "N L"], unsure: Float[Tensor, "N L"], clip: Int[Tensor, " N"]
) -> Float[Tensor, " L"]:
    """Variance of every bone's length within the clips beyond what is uncertain: zero for rigid bones."""
    total = torch.zeros_like(length[0])
    for c in clip.unique().tolist():
        rows = clip == c
        total += rows.sum() * (length[rows].var(0, correction=0) - unsure[rows].mean(0)).clamp_min(0)
    return total / len(length)


def rigid_poses(
    model: HeadingModel,
    points: Float[Tensor, "N K 2"],
    heading: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lengths: Float[Tensor, "N L"],
    tolerance: float | Float[Tensor, " L"] = 0.02,
    rounds: int = 8,
) -> Float[Tensor, "N K 3"]:
    """Most probable joints given the image, the heading and bones of the given lengths, in subject sizes.

    Gauss-Newton on the posterior of the heading model with the lengths as further measurements (iterated extended
    Kalman update, Bell 1993), their standard deviation falling from 0.3 to `tolerance` (one, or one per bone). The sign
    of a bone's depth stays that of the posterior unless its neighbours outweigh it.
    """
    start = likely_poses(model, points, heading)
    result, least = start.clone(), torch.as_tensor(tolerance).to(points).expand(len(edges))
    a, b = edges.unbind(1)
    for t in heading.unique().tolist():
        rows = (heading == t).nonzero()[:, 0]
        rest = rest_in_camera(model, t).to(points)
        reach = rest[:, :, b] - rest[:, :, a]  # of every joint with every bone [K 3 L 3]
        own = reach[b] - reach[a]
        free = start[rows][:, b] - start[rows][:, a]
        bones, pull = free, torch.zeros_like(free)
        for number in range(rounds):
            sigma = least.clamp_min(0.3 * 0.5**number)
            size = bones.norm(dim=-1).clamp_min(1e-6)
            unit = bones / size[..., None]
            spread = torch.einsum("nla,lamb,nmb->nlm", unit, own, unit)
            spread = spread + torch.diag(sigma**2)
            missing = lengths[rows] - size - (unit * (free - bones)).sum(-1)
            pull = torch.linalg.solve(spread, missing)[..., None] * unit
            bones = free + torch.einsum("lamb,nmb->nla", own, pull)
        result[rows] = start[rows] + torch.einsum("kalb,nlb->nka", reach, pull)
    return result
