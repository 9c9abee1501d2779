"""The articulated model that a motion shows: rest pose, bone lengths and how far every joint swings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from articulate.errors import DataError
from articulate.lifting.kinematics import (
    body_rotation,
    bone_directions,
    forward_kinematics,
    joint_rotations,
    median_bone_lengths,
    retarget,
)
from articulate.lifting.swing import matrix_from_quaternion, perpendicular_axes, swing_angles, swing_between
from articulate.records import Articulation


def local_directions(
    joints: Float[Tensor, "T K 3"], rest_pose: Float[Tensor, "K 3"], edges: Int[Tensor, "L 2"]
) -> Float[Tensor, "T L 3"]:
    """Unit vector of every bone in the frame of its parent bone (aligned with the world in the rest pose)."""
    body = body_rotation(joints, rest_pose, edges)
    swings = matrix_from_quaternion(joint_rotations(joints, rest_pose, edges, body))
    return torch.einsum("tlij,lj->tli", swings, bone_directions(rest_pose, edges))


def rest_pose(joints: Float[Tensor, "T K 3"], edges: Int[Tensor, "L 2"], rounds: int = 4) -> Float[Tensor, "K 3"]:
    """Pose in the middle of all swings, with the root at zero and facing as the most typical frame does.

    Starts at the frame nearest to all others after a rotation (among at most 64) and moves every bone to the mean of
    its directions in its parent's frame, `rounds` times. Bone lengths are the medians over time.
    """
    lengths = median_bone_lengths(joints, edges)
    rigid = retarget(joints, lengths, edges)
    rigid = rigid - rigid[:, edges[0, 0], None]
    few = rigid[torch.linspace(0, len(rigid) - 1, min(64, len(rigid))).long()]
    spread = []
    for candidate in few:
        turned = torch.einsum("tij,kj->tki", body_rotation(few, candidate, edges, len(edges)), candidate)
        spread.append((turned - few).norm(dim=-1).mean())
    rest = few[int(torch.stack(spread).argmin())]
    for _ in range(rounds):
        mean = normalize(local_directions(rigid, rest, edges).mean(0), dim=-1)
        rest = _straighten(mean, rest, lengths, edges)
    return rest


def _straighten(
    mean: Float[Tensor, "L 3"], rest: Float[Tensor, "K 3"], lengths: Float[Tensor, " L"], edges: Int[Tensor, "L 2"]
) -> Float[Tensor, "K 3"]:
    """Rest pose whose bones point along `mean`, each given in the frame of its parent bone of the old rest pose."""
    target = bone_directions(rest, edges)
    frames: dict[int, Tensor] = {int(edges[0, 0]): torch.eye(3, dtype=rest.dtype, device=rest.device)}
    directions = []
    for bone, (parent, child) in enumerate(edges.tolist()):
        swing = matrix_from_quaternion(swing_between(target[bone], mean[bone]))
        frames[child] = frames[parent] @ swing
        directions.append(frames[child] @ target[bone])
    return forward_kinematics(torch.zeros_like(rest[0]), torch.stack(directions), lengths, edges)


def joint_ranges(
    joints: Float[Tensor, "T K 3"], rest: Float[Tensor, "K 3"], edges: Int[Tensor, "L 2"], tail: float = 0.01
) -> Float[Tensor, "K 2 2"]:
    """Low and high swing (rad) about the two `swing_axes` of the bone that ends in each keypoint; the root has zeros.

    Quantiles `tail` and 1 - `tail` over the frames, so that a few wrong frames do not widen a joint.
    """
    angles = swing_angles(bone_directions(rest, edges), local_directions(joints, rest, edges))
    levels = torch.tensor([tail, 1 - tail], dtype=joints.dtype, device=joints.device)
    ranges = torch.zeros(len(edges) + 1, 2, 2, dtype=joints.dtype, device=joints.device)
    ranges[edges[:, 1]] = torch.quantile(angles, levels, dim=0).permute(1, 2, 0)
    return ranges


def swing_axes(rest: Float[Tensor, "K 3"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, "K 2 3"]:
    """The two world axes (in the rest pose) about which `joint_ranges` are given; the root has zeros."""
    axes = torch.zeros(len(edges) + 1, 2, 3, dtype=rest.dtype, device=rest.device)
    axes[edges[:, 1]] = perpendicular_axes(bone_directions(rest, edges))
    return axes


def articulation_from_motion(
    joints: Float[Tensor, "*batch K 3"],
    edges: Int[Tensor, "L 2"],
    names: tuple[str, ...],
    units: str = "mean bone length",
) -> Articulation:
    """The model behind 3D `joints`: parents, rest pose, constant bone lengths and joint ranges.

    Frames with NaN are left out. Raises DataError when no frame is complete or the names do not match the keypoints.
    """
    frames = joints.reshape(-1, *joints.shape[-2:])
    frames = frames[frames.isfinite().all(-1).all(-1)]
    if len(frames) == 0:
        raise DataError(
            "motion: no frame has finite 3D positions of all keypoints; lift the clip again before exporting"
        )
    if len(names) != joints.shape[-2]:
        raise DataError(f"names: found {len(names)} for {joints.shape[-2]} keypoints; give one name per keypoint")
    rest = rest_pose(frames, edges)
    parents = torch.full((len(names),), -1, dtype=edges.dtype, device=edges.device)
    parents[edges[:, 1]] = edges[:, 0]
    lengths = torch.zeros(len(names), dtype=joints.dtype, device=joints.device)
    lengths[edges[:, 1]] = median_bone_lengths(frames, edges)
    return Articulation(parents, rest, lengths, joint_ranges(frames, rest, edges), tuple(names), units)
