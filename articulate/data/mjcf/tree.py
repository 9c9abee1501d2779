"""From the bodies of a model to keypoints: coincident ones are one, and the shortest bones go when there are too many.

No MuJoCo here: candidates come as positions over some poses, with their tree.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Reduced:
    """Kept candidates, the keypoint that stands for every candidate, and the tree of the kept ones (-1: root)."""

    kept: Int[np.ndarray, " K"]
    keypoint_of: Int[np.ndarray, " N"]
    parents: Int[np.ndarray, " K"]


def reduce_tree(
    points: Float[np.ndarray, "P N 3"], parents: Int[np.ndarray, " N"], tolerance: float, most: int
) -> Reduced:
    """Merge candidates that are never farther apart than `tolerance` over P poses, then contract the shortest bones.

    Candidates come parents first. The root always stays; a contracted keypoint's children go to its parent.
    """
    count = len(parents)
    owner = np.arange(count)
    for k in range(1, count):
        for earlier in np.flatnonzero(owner[:k] == np.arange(k)):
            if np.linalg.norm(points[:, k] - points[:, earlier], axis=-1).max() <= tolerance:
                owner[k] = earlier
                break
    # The owner of a parent comes before the owner of its child, so no cycle can arise.
    above = np.array([owner[p] if p >= 0 else -1 for p in parents])
    alive = owner == np.arange(count)
    while alive.sum() > most:
        bones = [k for k in np.flatnonzero(alive) if above[k] >= 0]
        lengths = [np.linalg.norm(points[:, k] - points[:, above[k]], axis=-1).mean() for k in bones]
        gone = bones[int(np.argmin(lengths))]
        owner[owner == gone] = above[gone]
        above[above == gone] = above[gone]
        alive[gone] = False
    kept = np.flatnonzero(alive)
    number = np.full(count, -1)
    number[kept] = np.arange(len(kept))
    return Reduced(kept, number[owner], np.array([number[above[k]] if above[k] >= 0 else -1 for k in kept]))


def mirrored_pairs(names: tuple[str, ...]) -> Int[np.ndarray, "P 2"]:
    """Pairs of keypoints whose names differ by left and right alone (left first)."""
    number = {name: k for k, name in enumerate(names)}
    words = (("left", "right"), ("Left", "Right"), ("_L", "_R"), ("_l_", "_r_"))
    found = {
        (k, number[name.replace(left, right)])
        for k, name in enumerate(names)
        for left, right in words
        if left in name and name.replace(left, right) in number
    }
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
