"""Forward kinematics with constant bone lengths along any rooted tree, and its inverses.

Edges are (parent, child) in breadth-first order from the root, as in `Skeleton`; bone l ends in keypoint `edges[l, 1]`.
Positions do not show how a bone turns about itself, so every joint rotation here is swing only.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from articulate.errors import DataError
from articulate.lifting.swing import matrix_from_quaternion, swing_between


def parent_bones(edges: Int[Tensor, "L 2"]) -> list[int]:
    """For each bone the bone that ends where it starts; -1 at the root.

    Raises DataError unless the edges are a tree in breadth-first order.
    """
    ends: dict[int, int] = {}
    found = []
    root = int(edges[0, 0]) if len(edges) else 0
    for bone, (parent, child) in enumerate(edges.tolist()):
        if (parent != root and parent not in ends) or child in ends or child == root:
            raise DataError(
                f"edges: bone {bone} ({parent}, {child}) does not continue the tree rooted at {root}; "
                "edges must be (parent, child) pairs in breadth-first order"
            )
        found.append(ends.get(parent, -1))
        ends[child] = bone
    return found


def path_matrix(edges: Int[Tensor, "L 2"], dtype: torch.dtype = torch.float64) -> Float[Tensor, "K L"]:
    """Matrix whose row k marks the bones between the root and keypoint k: joints = root + paths @ bone vectors."""
    parents = parent_bones(edges)
    paths = torch.zeros(len(edges) + 1, len(edges), dtype=dtype)
    for bone, child in enumerate(edges[:, 1].tolist()):
        if parents[bone] >= 0:
            paths[child] = paths[int(edges[bone, 0])]
        paths[child, bone] = 1
    return paths


def forward_kinematics(
    root: Float[Tensor, "*batch 3"],
    directions: Float[Tensor, "*batch L 3"],
    lengths: Float[Tensor, " L"],
    edges: Int[Tensor, "L 2"],
) -> Float[Tensor, "*batch K 3"]:
    """Joints at root + sum of length * unit direction along the path from the root: bones are rigid by construction."""
    paths = path_matrix(edges, directions.dtype).to(directions.device)
    vectors = normalize(directions, dim=-1) * lengths[:, None]
    return root[..., None, :] + torch.einsum("kl,...li->...ki", paths, vectors)


def bone_vectors(joints: Float[Tensor, "*batch K D"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, "*batch L D"]:
    """Child minus parent of every bone."""
    return joints[..., edges[:, 1], :] - joints[..., edges[:, 0], :]


def bone_directions(joints: Float[Tensor, "*batch K 3"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, "*batch L 3"]:
    """Unit vector along every bone; zero for a bone of no length."""
    return normalize(bone_vectors(joints, edges), dim=-1)


def median_bone_lengths(joints: Float[Tensor, "*batch K 3"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, " L"]:
    """Median length of every bone over all frames without NaN."""
    # A few bones at a time: all of a long video at once would take many times the memory of its joints.
    parts = (bone_vectors(joints, some).norm(dim=-1).reshape(-1, len(some)) for some in edges.split(4))
    return torch.cat([lengths.nanmedian(0).values for lengths in parts])


def retarget(
    joints: Float[Tensor, "*batch K 3"], lengths: Float[Tensor, " L"], edges: Int[Tensor, "L 2"]
) -> Float[Tensor, "*batch K 3"]:
    """The same root and bone directions with other bone `lengths` (Mehta 2020, section 8.2: one tree walk)."""
    return forward_kinematics(joints[..., int(edges[0, 0]), :], bone_directions(joints, edges), lengths, edges)


def body_rotation(
    joints: Float[Tensor, "*batch K 3"], rest_pose: Float[Tensor, "K 3"], edges: Int[Tensor, "L 2"], hops: int = 2
) -> Float[Tensor, "*batch 3 3"]:
    """Proper rotation that best takes the rest pose to each frame (Kabsch 1976).

    Only keypoints within `hops` of the root count. Where those lie on one line the turn about that line is arbitrary.
    """
    near = path_matrix(edges).sum(1) <= hops
    root = int(edges[0, 0])
    posed = (joints - joints[..., root : root + 1, :])[..., near, :]
    rest = (rest_pose - rest_pose[root])[near]
    u, _, vh = torch.linalg.svd(torch.einsum("...ki,kj->...ij", posed, rest))
    flip = torch.ones_like(u[..., 0])
    flip[..., 2] = torch.linalg.det(u @ vh)
    return u @ (flip[..., None] * vh)


def joint_rotations(
    joints: Float[Tensor, "*batch K 3"],
    rest_pose: Float[Tensor, "K 3"],
    edges: Int[Tensor, "L 2"],
    body: Float[Tensor, "*batch 3 3"] | None = None,
) -> Float[Tensor, "*batch L 4"]:
    """Swing of every bone relative to the rest pose, as a quaternion (w, x, y, z) in the frame of its parent bone.

    The frame of a bone is world_from_bone = world_from_parent * swing; bones at the root have `body` (default:
    identity) as their parent. All frames are aligned with the world in the rest pose.
    """
    rest, posed = bone_directions(rest_pose, edges), bone_directions(joints, edges)
    if body is None:
        body = torch.eye(3, dtype=joints.dtype, device=joints.device).expand(*joints.shape[:-2], 3, 3)
    frames: list[Tensor] = []
    swings = []
    for bone, parent in enumerate(parent_bones(edges)):
        world_from_parent = frames[parent] if parent >= 0 else body
        local = torch.einsum("...ji,...j->...i", world_from_parent, posed[..., bone, :])
        swings.append(swing_between(rest[bone], local))
        frames.append(world_from_parent @ matrix_from_quaternion(swings[-1]))
    return torch.stack(swings, -2)


def joints_from_rotations(
    root: Float[Tensor, "*batch 3"],
    rotations: Float[Tensor, "*batch L 4"],
    rest_pose: Float[Tensor, "K 3"],
    edges: Int[Tensor, "L 2"],
    body: Float[Tensor, "*batch 3 3"] | None = None,
) -> Float[Tensor, "*batch K 3"]:
    """Forward kinematics of `joint_rotations`: its exact inverse for poses with the bone lengths of the rest pose."""
    rest = bone_directions(rest_pose, edges)
    lengths = bone_vectors(rest_pose, edges).norm(dim=-1)
    if body is None:
        body = torch.eye(3, dtype=root.dtype, device=root.device).expand(*root.shape[:-1], 3, 3)
    frames: list[Tensor] = []
    for bone, parent in enumerate(parent_bones(edges)):
        world_from_parent = frames[parent] if parent >= 0 else body
        frames.append(world_from_parent @ matrix_from_quaternion(rotations[..., bone, :]))
    directions = torch.einsum("l...ij,lj->...li", torch.stack(frames), rest)
    return forward_kinematics(root, directions, lengths, edges)
