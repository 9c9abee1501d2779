"""The tree of limbs from 2D alone when every heading is seen: moments of the views give the 3D variance of lengths."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.inputs import seen_points
from articulate.skeleton.rooting import root_tree
from articulate.skeleton.spanning import spanning_edges


def length_moments(
    xy: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"] | None = None
) -> tuple[Float[Tensor, "K K"], Float[Tensor, "K K"]]:
    """Mean and variance of the squared 3D distance of every pair of keypoints, from 2D views.

    A pair with horizontal reach r at heading t shows dx = r sin t and its true dy. For t uniform on the circle
    E[2 dx^2 + dy^2] = E[L^2], and Var[L^2] = Var[2 dx^2 + dy^2] - E[r^4] / 2 with E[r^4] = 8/3 E[dx^4]. No depth is
    needed. Wrong when few headings are seen, and biased by a camera that looks steeply down. Pairs never seen: NaN.
    """
    seen = seen_points(xy, score)
    both = (seen[:, :, None] & seen[:, None, :]).to(xy.dtype)
    flat = torch.where(seen[..., None], xy, torch.zeros_like(xy))
    dx2, dy2 = (flat[:, :, None] - flat[:, None, :]).square().unbind(-1)
    count = both.sum(0)
    squared = 2 * dx2 + dy2
    mean = (both * squared).sum(0) / count
    variance = (both * (squared - mean).square()).sum(0) / count - 4 / 3 * (both * dx2.square()).sum(0) / count
    return mean, variance


def flexible_share(
    xy: Float[Tensor, "N K 2"], edges: Int[Tensor, "L 2"], score: Float[Tensor, "N K"] | None = None
) -> float:
    """Variance of the 3D length over its square, mean over the bones; zero where the views do not show it beyond doubt.

    From the moments of exact tracks, so rigid bones give zero up to sampling: the difference between the two halves of
    the frames (every second one), and two thousandths, count as doubt. Noise of the tracks reads as flexibility.
    """

    def share(part: slice) -> float:
        mean, variance = length_moments(xy[part].double(), None if score is None else score[part].double())
        a, b = edges.unbind(1)
        return (variance[a, b] / (4 * mean[a, b].square())).nanmean().item()

    whole, halves = share(slice(None)), [share(slice(start, None, 2)) for start in (0, 1)]
    return whole if whole > abs(halves[0] - halves[1]) + 2e-3 else 0.0


def tree_from_views(
    xy: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"] | None = None, floor: float = 0.01
) -> Int[Tensor, "L 2"]:
    """Minimum spanning tree of (spread of the 3D length) x (95th percentile of the 2D length), parents first.

    `floor`, in units of the largest mean length, is the least spread that is told from the noise of the moments.
    """
    mean, variance = length_moments(xy.double(), None if score is None else score.double())
    squared = mean.nan_to_num(0.0).clamp_min(1e-12)
    least = floor * squared.max().sqrt()
    # Var[L^2] = 4 L^2 Var[L] to first order.
    spread = (variance / (4 * squared)).clamp_min(least**2).sqrt()
    seen = seen_points(xy, score)
    apart = torch.cdist(xy.nan_to_num(0.0), xy.nan_to_num(0.0)).double()
    apart = apart.masked_fill(~(seen[:, :, None] & seen[:, None, :]), torch.nan)
    # A quantile needs a sort; some two thousand frames tell it well.
    long = apart[:: max(1, len(xy) // 2048)].flatten(1).nanquantile(0.95, 0)
    cost = (spread * long.unflatten(0, mean.shape)).nan_to_num(torch.inf)
    cost.fill_diagonal_(torch.inf)
    return root_tree(spanning_edges(cost), num_keypoints=xy.shape[1]).edges
