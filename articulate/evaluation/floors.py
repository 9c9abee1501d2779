"""What no learning reaches: floors for keypoints (from truth or from masks) and for depth (from the 2D alone).

A method has to beat these on the same frames, or it has learned nothing. Image frame for 2D, camera frame for 3D.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor


def mean_pose(
    truth: Float[Tensor, "T J 2"], fit: Bool[Tensor, " T"], visible: Bool[Tensor, "T J"] | None = None
) -> Float[Tensor, "T J 2"]:
    """The mean place of every landmark over the frames `fit`, in every frame."""
    shown = truth if visible is None else truth.masked_fill(~visible[..., None], math.nan)
    return shown[fit].nanmean(0).expand(truth.shape).clone()


def pixel_grid(height: int, width: int) -> tuple[Float[np.ndarray, "H W"], Float[np.ndarray, "H W"]]:
    """x and y of the pixel centres of an image in [-1, 1]."""
    x = (2 * np.arange(width) + 1) / width - 1
    y = (2 * np.arange(height) + 1) / height - 1
    return np.meshgrid(x, y)


def principal_axes(mask: Float[Tensor, "T 1 H W"], clip: Int[Tensor, " T"]) -> Float[Tensor, "T 5 2"]:
    """Centroid and the ends of both principal axes of the mask (two standard deviations each way).

    An axis has no direction of its own: it is carried on from frame to frame, and over a whole clip the long axis
    points the way the centroid mostly moves. Frames with an empty mask are NaN.
    """
    found = np.full((len(mask), 5, 2), math.nan)
    grid = np.stack(pixel_grid(*mask.shape[-2:]), -1)
    for name in clip.unique().tolist():
        frames = (clip == name).nonzero().flatten().tolist()
        previous = None
        for t in frames:
            weight = mask[t, 0].double().cpu().numpy()
            if weight.sum() < 1:
                continue
            weight = weight / weight.sum()
            centre = (weight[..., None] * grid).sum((0, 1))
            offset = grid - centre
            values, vectors = np.linalg.eigh(np.einsum("hw,hwi,hwj->ij", weight, offset, offset))
            axes = (vectors * 2 * np.sqrt(np.maximum(values, 0))).T[::-1]  # long axis first, one per row
            if previous is not None:
                axes = axes * np.where((axes * previous).sum(1, keepdims=True) < 0, -1, 1)
            previous = axes
            found[t] = np.stack([centre, centre + axes[0], centre - axes[0], centre + axes[1], centre - axes[1]])
        face_forward(found, frames)
    return torch.from_numpy(found).to(mask.dtype)


def face_forward(points: Float[np.ndarray, "T 5 2"], frames: list[int]) -> None:
    """Turn the axes of one clip round, in place, when the centroid moves backwards on the whole."""
    part = points[frames]
    along = np.nansum((part[:-1, 1] - part[:-1, 0]) * np.diff(part[:, 0], axis=0))
    if along < 0:
        points[frames] = part[:, [0, 2, 1, 4, 3]]


def geodesic_graph(inside: Bool[np.ndarray, "H W"]) -> coo_matrix:
    """Weighted 8-neighbour graph of the pixels of a mask (weights 1 and sqrt 2, in pixels)."""
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(inside.sum())
    rows, columns, weights = [], [], []
    height, width = inside.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = number[: height - dy, max(0, -dx) : width - max(0, dx)]
        b = number[dy:, max(0, dx) : width + min(0, dx)]
        both = (a >= 0) & (b >= 0)
        rows.append(a[both])
        columns.append(b[both])
        weights.append(np.full(both.sum(), math.hypot(dy, dx)))
    size = int(inside.sum())
    return coo_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), (size, size))


def extremities(inside: Bool[np.ndarray, "H W"], num_points: int) -> Float[np.ndarray, "N 2"]:
    """Farthest-point samples of a mask by distance *within* it: limb ends, the farthest from the centroid first.

    NaN when the mask is empty; parts that are not connected to the pixel nearest the centroid are ignored.
    """
    x, y = pixel_grid(*inside.shape)
    place = np.stack([x[inside], y[inside]], -1)
    if len(place) == 0:
        return np.full((num_points, 2), math.nan)
    graph = geodesic_graph(inside).tocsr()
    source = int(np.argmin(((place - place.mean(0)) ** 2).sum(1)))
    nearest = dijkstra(graph, directed=False, indices=source)
    nearest[~np.isfinite(nearest)] = -1.0
    chosen = []
    for _ in range(num_points):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, dijkstra(graph, directed=False, indices=chosen[-1]))
    return place[chosen]


def geodesic_extremities(
    mask: Float[Tensor, "T 1 H W"], clip: Int[Tensor, " T"], num_points: int, size: int = 64
) -> Float[Tensor, "T N 2"]:
    """Geodesic extremities of every mask (at `size` pixels), linked over time by the least total movement."""
    small = torch.nn.functional.interpolate(mask.double(), (size, size), mode="area")[:, 0] >= 0.5
    found = np.stack([extremities(m.cpu().numpy(), num_points) for m in small])
    for t in range(1, len(found)):
        if clip[t] != clip[t - 1] or not np.isfinite(found[t - 1 : t + 1]).all():
            continue
        cost = np.linalg.norm(found[t - 1][:, None] - found[t][None], axis=-1)
        found[t] = found[t][linear_sum_assignment(cost)[1]]
    return torch.from_numpy(found).to(mask.dtype)


def flat_pose(xy: Float[Tensor, "T K 2"]) -> Float[Tensor, "T K 3"]:
    """The 2D pose at depth zero."""
    return torch.cat([xy, torch.zeros_like(xy[..., :1])], -1)


def estimated_lengths(
    xy: Float[Tensor, "T K 2"], edges: Sequence[tuple[int, int]], quantile: float = 0.95
) -> Float[Tensor, " L"]:
    """Bone lengths as a high quantile of their projections (biased: -3 % on clean tracks, more with noise)."""
    index = torch.tensor(list(edges), dtype=torch.int64, device=xy.device).reshape(-1, 2)
    return (xy[:, index[:, 1]] - xy[:, index[:, 0]]).norm(dim=-1).nanquantile(quantile, dim=0)


def signed_pose(
    xy: Float[Tensor, "T K 2"],
    edges: Sequence[tuple[int, int]],
    lengths: Float[Tensor, " L"],
    signs: Float[Tensor, "T L"],
) -> Float[Tensor, "T K 3"]:
    """Depth by walking the tree: |dz| = sqrt(L^2 - p^2) in closed form (orthographic), its sign as given.

    `edges` are (parent, child), a parent before its children; a projection longer than its bone gives dz = 0.
    """
    depth = torch.zeros_like(xy[..., 0])
    for limb, (parent, child) in enumerate(edges):
        projected = (xy[:, child] - xy[:, parent]).square().sum(-1)
        step = (lengths[limb] ** 2 - projected).clamp(min=0).sqrt() * signs[:, limb]
        depth = depth.index_copy(1, torch.tensor([child], device=xy.device), (depth[:, parent] + step)[:, None])
    return torch.cat([xy, depth[..., None]], -1)


def oracle_signs(true: Float[Tensor, "T K 3"], edges: Sequence[tuple[int, int]]) -> Float[Tensor, "T L"]:
    """True sign of dz of every bone."""
    index = torch.tensor(list(edges), dtype=torch.int64, device=true.device).reshape(-1, 2)
    return (true[:, index[:, 1], 2] - true[:, index[:, 0], 2]).sign()


def random_signs(num_frames: int, num_limbs: int, generator: torch.Generator) -> Float[Tensor, "T L"]:
    """Signs by coin toss, one per bone and frame."""
    return torch.randint(0, 2, (num_frames, num_limbs), generator=generator).double() * 2 - 1


def depth_floors(
    xy: Float[Tensor, "T K 2"],
    true: Float[Tensor, "T K 3"],
    edges: Sequence[tuple[int, int]],
    generator: torch.Generator,
) -> dict[str, Float[Tensor, "T K 3"]]:
    """Flat, random-sign and oracle-sign poses from 2D in the unit of `true`, with lengths estimated from the 2D."""
    lengths = estimated_lengths(xy, edges)
    chance = random_signs(len(xy), len(edges), generator).to(xy)
    return {
        "flat": flat_pose(xy),
        "random_signs": signed_pose(xy, edges, lengths, chance),
        "oracle_signs": signed_pose(xy, edges, lengths, oracle_signs(true, edges).to(xy)),
    }
