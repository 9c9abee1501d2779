"""A tree that follows new evidence but does not flicker: hysteresis per edge and patience per change."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from articulate.errors import DataError
from articulate.skeleton.spanning import edges_to_mask, tree_edges
from articulate.skeleton.symmetry import minimum_tree


class TreeTracker:
    """Tree of a running cost that changes only on strong evidence, for training and for live rolling windows.

    The log of the costs is averaged with `momentum`. An edge of the current tree counts as `margin` cheaper (a factor
    in (0, 1]: 0.8 means a rival must cost less than 0.8 of it); the minimum tree under this bonus must come
    out the same `patience` updates in a row before it replaces the current one. `changes` counts replacements.
    Trees respect `mirror` (see `symmetry`) where given.
    """

    def __init__(
        self,
        num_keypoints: int,
        momentum: float = 0.9,
        margin: float = 0.8,
        patience: int = 3,
        mirror: Int[Tensor, " K"] | None = None,
    ) -> None:
        if not 0 <= momentum < 1 or not 0 < margin <= 1 or patience < 1:
            raise ValueError(f"momentum {momentum}, margin {margin}, patience {patience}: need [0, 1), (0, 1], >= 1")
        self.momentum, self.margin, self.patience, self.mirror = momentum, margin, patience, mirror
        self.log_cost = torch.zeros(num_keypoints, num_keypoints, dtype=torch.float64)
        self.mask = torch.zeros(num_keypoints, num_keypoints, dtype=torch.float64)
        self.rival = torch.zeros_like(self.mask)
        self.counts = torch.zeros(3, dtype=torch.int64)  # updates seen, how long the rival has led, changes

    @property
    def changes(self) -> int:
        """How often the tree was replaced."""
        return int(self.counts[2])

    @property
    def edges(self) -> Int[Tensor, "L 2"]:
        """Edges (i < j) of the current tree; none before the first update."""
        return tree_edges(self.mask)

    @torch.no_grad()
    def update(self, cost: Float[Tensor, "K K"]) -> Int[Tensor, "L 2"]:
        """Take a new cost matrix (positive) in and return the edges of the tree that now holds."""
        fresh = torch.log(cost.detach().to("cpu", torch.float64).clamp_min(1e-300)).nan_to_num(700.0, 700.0, -700.0)
        seen = int(self.counts[0])
        self.log_cost = fresh if seen == 0 else self.momentum * self.log_cost + (1 - self.momentum) * fresh
        self.counts[0] += 1
        bonus = float(torch.log(torch.tensor(self.margin, dtype=torch.float64)))
        best = minimum_tree(self.log_cost + bonus * self.mask, self.mirror)
        winner = edges_to_mask(best, self.mask.shape[0], torch.float64)
        if seen == 0:
            self.mask = winner
        elif torch.equal(winner, self.mask):
            self.counts[1] = 0
        else:
            self.counts[1] = self.counts[1] + 1 if torch.equal(winner, self.rival) else 1
            self.rival = winner
            if int(self.counts[1]) >= self.patience:
                self.mask = winner
                self.counts[1] = 0
                self.counts[2] += 1
        return self.edges

    def state_dict(self) -> dict[str, Shaped[Tensor, "..."]]:
        """Tensors that `load_state_dict` needs."""
        return {name: getattr(self, name).clone() for name in ("log_cost", "mask", "rival", "counts")}

    def load_state_dict(self, state: dict[str, Shaped[Tensor, "..."]]) -> None:
        """Continue from `state_dict`. Raises DataError when a field is missing or has another shape."""
        for name in ("log_cost", "mask", "rival", "counts"):
            mine = getattr(self, name)
            if name not in state or state[name].shape != mine.shape:
                raise DataError(f"tree tracker: `{name}` of shape {tuple(mine.shape)} is missing or has another shape")
            setattr(self, name, state[name].clone())
