"""Trees of parts of a run: one per video, or one per rolling window that changes only on strong evidence."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.skeleton.costs import ConnectivityConfig
from articulate.skeleton.discover import tree_cost
from articulate.skeleton.symmetry import minimum_tree
from articulate.skeleton.tracker import TreeTracker

# Frames without which distances say nothing of what is rigid.
FEWEST_FRAMES = 8


def rolling_windows(lengths: Sequence[int], window: int) -> list[list[tuple[int, int]]]:
    """(first, last) rows of the windows of every clip: `window` frames, half a window apart; 0: the whole clip."""
    found, start = [], 0
    for length in lengths:
        size = min(window or length, length)
        firsts = range(0, max(length - size, 0) + 1, max(size // 2, 1))
        found.append([(start + first, start + first + size - 1) for first in firsts])
        start += length
    return found


def window_trees(
    points: Float[Tensor, "N K D"],
    lengths: Sequence[int],
    window: int = 0,
    config: ConnectivityConfig | None = None,
    prior: Float[Tensor, "K K"] | None = None,
    margin: float = 0.8,
    patience: int = 2,
    mirror: Int[Tensor, " K"] | None = None,
) -> tuple[Int[Tensor, "W 2"], Int[Tensor, "W L 2"]]:
    """First and last row, and tree, of every clip (`window` = 0) or of rolling windows of `window` frames.

    `lengths` are the clips' numbers of frames, one after the other in `points`. Within a clip the tree follows its
    windows with hysteresis (`TreeTracker` without averaging, since windows overlap). Windows with a keypoint that is
    never seen, or of fewer than 8 frames, are left out. Trees
    respect `mirror` where given.
    """
    rows, trees = [], []
    for windows in rolling_windows(lengths, window):
        tracker = TreeTracker(points.shape[1], 0.0, margin, patience, mirror)
        for first, last in windows:
            part = points[first : last + 1]
            seen = torch.isfinite(part).all(dim=-1)
            if len(part) < FEWEST_FRAMES or not bool((seen.sum(dim=0) >= FEWEST_FRAMES).all()):
                continue
            cost = tree_cost(part, config=config, prior=prior)
            rows.append([first, last])
            trees.append(tracker.update(cost) if window else minimum_tree(cost, mirror))
    shape = (len(rows), points.shape[1] - 1, 2)
    edges = torch.stack(trees) if trees else torch.zeros(shape, dtype=torch.int64)
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 2), edges
