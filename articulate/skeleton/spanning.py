"""Exact minimum spanning trees over batches, and four ways to send a gradient through them."""

import inspect
from typing import Literal

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Backward = Literal["mask", "straight_through", "kirchhoff", "annealed"]
BACKWARDS: tuple[str, ...] = ("mask", "straight_through", "kirchhoff", "annealed")

# exp(15)^2 spans thirteen decimal digits: the most that float64 can invert without losing the light trees.
LOGIT_BOUND = 15.0


def _prim_source(cost: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    """Edges [B, K-1, 2] of minimum trees (Prim 1957) of [B, K, K], O(K^2) each; ties go to the lowest index."""
    batch, size = cost.shape[0], cost.shape[1]
    edges = np.empty((batch, size - 1, 2), dtype=np.int64)
    best = np.empty(size)
    parent = np.empty(size, dtype=np.int64)
    inside = np.empty(size, dtype=np.bool_)
    for b in range(batch):
        inside[:] = False
        inside[0] = True
        parent[:] = 0
        best[:] = cost[b, 0]
        for step in range(size - 1):
            chosen = -1
            for j in range(size):
                if not inside[j] and (chosen < 0 or best[j] < best[chosen]):
                    chosen = j
            inside[chosen] = True
            edges[b, step, 0] = parent[chosen]
            edges[b, step, 1] = chosen
            for j in range(size):
                if not inside[j] and cost[b, chosen, j] < best[j]:
                    best[j] = cost[b, chosen, j]
                    parent[j] = chosen
    return edges


# Unwrapped, because the run-time checkers of the tests wrap every function and a wrapper cannot be compiled.
_prim_batch = numba.njit(cache=True)(inspect.unwrap(_prim_source))


def _prim_torch(cost: Tensor) -> Tensor:
    """The same edges by vectorised Prim on any device: K - 1 steps, each over the whole batch."""
    batch, size = cost.shape[0], cost.shape[1]
    rows = torch.arange(batch, device=cost.device)
    inside = torch.zeros(batch, size, dtype=torch.bool, device=cost.device)
    inside[:, 0] = True
    best, parent = cost[:, 0].clone(), torch.zeros(batch, size, dtype=torch.int64, device=cost.device)
    edges = torch.empty(batch, size - 1, 2, dtype=torch.int64, device=cost.device)
    for step in range(size - 1):
        # Two keys instead of a fill value, because an outside keypoint may itself be at infinity.
        candidates = best.masked_fill(inside, torch.inf)
        lowest = candidates.amin(dim=1, keepdim=True)
        chosen = ((candidates <= lowest) & ~inside).to(torch.uint8).argmax(dim=1)
        edges[:, step, 0], edges[:, step, 1] = parent[rows, chosen], chosen
        inside[rows, chosen] = True
        nearer = (cost[rows, chosen] < best) & ~inside
        best = torch.where(nearer, cost[rows, chosen], best)
        parent = torch.where(nearer, chosen[:, None], parent)
    return edges


def spanning_edges(cost: Float[Tensor, "*batch K K"]) -> Int[Tensor, "*batch L 2"]:
    """Edges (earlier, later) of the exact minimum spanning tree, in the order in which Prim (1957) adds them.

    Only the order of costs matters: zeros, negative values, ties (lowest index first), rigid data are fine.
    The matrix is read as the mean of itself and its transpose; NaN counts as +inf, so the result is always a tree.
    """
    size = cost.shape[-1]
    # float64 holds every narrower float exactly, so no order is lost.
    work = cost.detach().to(torch.float64) if cost.device.type != "mps" else cost.detach()
    work = work.reshape(-1, size, size)
    work = torch.where(work.isnan(), torch.inf, work)
    # (a + b) / 2 overflows and rounds; equal entries are kept as they are.
    work = torch.where(work == work.mT, work, (work + work.mT) / 2)
    if work.device.type == "cpu":
        edges = torch.from_numpy(_prim_batch(np.ascontiguousarray(work.numpy())))
    else:
        edges = _prim_torch(work)
    return edges.reshape(*cost.shape[:-2], size - 1, 2)


def edges_to_mask(
    edges: Int[Tensor, "*batch L 2"], num_keypoints: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*batch K K"]:
    """Symmetric 0/1 matrix with 1 on `edges`."""
    flat = edges.reshape(-1, edges.shape[-2], 2)
    mask = torch.zeros(flat.shape[0], num_keypoints, num_keypoints, dtype=dtype, device=edges.device)
    rows = torch.arange(flat.shape[0], device=edges.device)[:, None]
    mask[rows, flat[..., 0], flat[..., 1]] = 1.0
    mask[rows, flat[..., 1], flat[..., 0]] = 1.0
    return mask.reshape(*edges.shape[:-2], num_keypoints, num_keypoints)


def tree_edges(mask: Float[Tensor, "K K"]) -> Int[Tensor, "L 2"]:
    """Edges (i < j) of a symmetric mask: every entry of the upper triangle above one half."""
    return torch.nonzero(torch.triu(mask, diagonal=1) > 0.5)


def _bounded_logits(cost: Tensor, temperature: float) -> Tensor:
    """Logits -cost / temperature in float64, centred over the pairs and held within +-LOGIT_BOUND smoothly."""
    size = cost.shape[-1]
    logits = -(cost + cost.mT).to(torch.float64) / (2 * temperature)
    off_diagonal = ~torch.eye(size, dtype=torch.bool, device=cost.device)
    # A common shift multiplies every tree by the same factor, so centring changes nothing but the range.
    centre = logits.masked_fill(~off_diagonal, 0.0).sum(dim=(-1, -2), keepdim=True) / (size * (size - 1))
    return LOGIT_BOUND * torch.tanh((logits - centre) / LOGIT_BOUND)


def tree_marginals(cost: Float[Tensor, "*batch K K"], temperature: float = 1.0) -> Float[Tensor, "*batch K K"]:
    """Probability of each edge when a tree is drawn with weight exp(-total cost / temperature).

    Kirchhoff's matrix-tree theorem: P_ij = w_ij (R_ii + R_jj - 2 R_ij) with R the inverse of the reduced Laplacian
    (Koo et al. 2007). Differentiable; float64 inside, logits bounded to +-15. Each row of trees sums to K - 1.
    """
    size = cost.shape[-1]
    logits = _bounded_logits(cost, temperature)
    eye = torch.eye(size, dtype=torch.float64, device=cost.device)
    weights = torch.exp(logits) * (1 - eye)
    laplacian = torch.diag_embed(weights.sum(dim=-1)) - weights
    inverse = torch.linalg.inv(laplacian[..., 1:, 1:])
    inverse = torch.nn.functional.pad(inverse, (1, 0, 1, 0))
    diagonal = torch.diagonal(inverse, dim1=-2, dim2=-1)
    return (weights * (diagonal[..., :, None] + diagonal[..., None, :] - inverse - inverse.mT)).to(cost.dtype)


class _StraightThrough(torch.autograd.Function):
    """Exact tree forward; backward passes the gradient of the mask to -cost unchanged, off the diagonal."""

    @staticmethod
    def forward(ctx, cost: Tensor, temperature: float) -> Tensor:
        ctx.temperature = temperature
        return edges_to_mask(spanning_edges(cost), cost.shape[-1], cost.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        symmetric = (gradient + gradient.mT) / 2
        return -(symmetric - torch.diag_embed(torch.diagonal(symmetric, dim1=-2, dim2=-1))) / ctx.temperature, None


def minimum_spanning_tree(
    cost: Float[Tensor, "*batch K K"], backward: Backward = "mask", temperature: float = 1.0, sharpness: float = 0.0
) -> Float[Tensor, "*batch K K"]:
    """Symmetric 0/1 mask of the exact minimum spanning tree of every matrix of the batch.

    `backward` chooses the gradient with respect to `cost`:
    - `mask`: none. Right for the variance loss, since d(sum of mask * cost) / d cost is the mask itself;
    - `straight_through`: d mask / d(-cost) = identity / temperature (Bengio et al. 2013);
    - `kirchhoff`: the derivative of `tree_marginals` at `temperature`, behind the exact mask;
    - `annealed`: the value itself is soft, (1 - sharpness) * marginals + sharpness * mask: raise `sharpness` from
      0 to 1 while training, and the result ends as the exact tree.
    """
    if backward == "straight_through":
        return _StraightThrough.apply(cost, temperature)
    mask = edges_to_mask(spanning_edges(cost), cost.shape[-1], cost.dtype)
    if backward == "mask":
        return mask
    marginals = tree_marginals(cost, temperature)
    if backward == "kirchhoff":
        return mask + (marginals - marginals.detach())
    if backward == "annealed":
        return (1 - sharpness) * marginals + sharpness * mask
    raise ValueError(f"backward {backward!r} is none of {BACKWARDS}")
