"""Which bones flip together in one move: a bone, a subtree, neighbouring bones, a bone and what hangs on it."""

import numpy as np
import torch

from articulate.lifting.kinematics import path_matrix


def _assignment(num_bones: int, *sets: list[int]) -> np.ndarray:
    groups = -np.ones(num_bones, np.int64)
    for number, bones in enumerate(sets):
        groups[bones] = number
    return groups


def move_groups(paths: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Group of every bone in every move, [moves, L]; -1: stays. At most two groups, so four joint states a frame.

    `paths` [K, L] marks the bones from the root to each keypoint.
    """
    num_bones = len(edges)
    child = edges[:, 1]
    below = [[m for m in range(num_bones) if paths[child[m], bone]] for bone in range(num_bones)]
    parent = {int(end): bone for bone, end in enumerate(child)}
    moves = []
    for bone in range(num_bones):
        moves += [_assignment(num_bones, [bone]), _assignment(num_bones, below[bone])]
        hanging = [m for m in below[bone] if m != bone]
        if hanging:
            moves.append(_assignment(num_bones, [bone], hanging))
        above = parent.get(int(edges[bone, 0]))
        if above is not None:
            moves += [_assignment(num_bones, [above], [bone]), _assignment(num_bones, [above], below[bone])]
        for sibling in range(bone):
            if edges[sibling, 0] == edges[bone, 0]:
                moves.append(_assignment(num_bones, below[bone], below[sibling]))
    return np.stack(moves)


def pairs_within(paths: np.ndarray, max_hops: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of keypoints [P, 2] two to `max_hops` bones apart, and the bones [P, L] on their paths."""
    between = paths[:, None] ^ paths[None]
    hops = between.sum(-1)
    first, second = np.where(np.triu((hops > 1) & (hops <= max_hops)))
    return np.stack([first, second], 1), between[first, second]


def tree_paths(edges: np.ndarray) -> np.ndarray:
    """Boolean [K, L]: the bones between the root and each keypoint."""
    return path_matrix(torch.from_numpy(edges)).numpy() > 0
