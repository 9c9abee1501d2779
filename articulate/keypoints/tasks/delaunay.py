"""Triangulation consistency, an early attempt of Harris 2024 that collapses; kept as a baseline."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import Delaunay, QhullError
from torch import Tensor
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import SecondFrameTask, TaskResult, Views, WarpingConfig


class DelaunayConsistency(SecondFrameTask[WarpingConfig]):
    """Per-pixel squared error after each triangle of keypoints is moved affinely from the second frame to the first.

    The mesh is the Delaunay triangulation of the first frame's keypoints; only pixels inside it count, so the loss
    can fall by shrinking the mesh (the known collapse). Divided by the images' variance. Metric: `mesh_coverage`.
    """

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Warp the second frame into the first by triangles and compare."""
        assert views is not None and views.detection is not None, "delaunay needs its views detected"
        number = len(views.images)
        first, second = detection.xy[:number], views.detection.xy
        corners, inside, pixels = pixel_triangles(first.detach(), (images.shape[-2], images.shape[-1]))
        weights = barycentric(gather_points(first, corners), pixels)
        places = (weights[..., None] * gather_points(second, corners)).sum(-2)
        grid = places.unflatten(1, images.shape[-2:])
        moved = functional.grid_sample(views.images, grid, padding_mode="border", align_corners=False)
        error = (moved - images[:number]).square().mean(1).flatten(1) * inside
        spread = images.var().clamp_min(1.0e-4)
        coverage = inside.mean()
        loss = error.sum() / inside.sum().clamp_min(1) / spread
        return TaskResult({"delaunay": loss}, {"mesh_coverage": coverage.detach()})


def pixel_triangles(
    xy: Float[Tensor, "N K 2"], size: tuple[int, int]
) -> tuple[Int[Tensor, "N P 3"], Float[Tensor, "N P"], Float[Tensor, "P 2"]]:
    """For every pixel the keypoints of the triangle that holds it (zeros outside), 1 inside, and pixel centres.

    Keypoints on one line have no triangulation: no pixel is inside.
    """
    height, width = size
    x = (2 * np.arange(width) + 1) / width - 1
    y = (2 * np.arange(height) + 1) / height - 1
    pixels = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    corners = np.zeros((len(xy), len(pixels), 3), dtype=np.int64)
    inside = np.zeros((len(xy), len(pixels)))
    for n, points in enumerate(xy.cpu().double().numpy()):
        try:
            mesh = Delaunay(points)
        except (QhullError, ValueError):
            continue
        found = mesh.find_simplex(pixels)
        corners[n] = mesh.simplices[np.maximum(found, 0)]
        inside[n] = found >= 0
    device = xy.device
    return (
        torch.from_numpy(corners).to(device),
        torch.from_numpy(inside).to(xy),
        torch.from_numpy(pixels).to(xy),
    )


def gather_points(xy: Float[Tensor, "N K 2"], corners: Int[Tensor, "N P 3"]) -> Float[Tensor, "N P 3 2"]:
    """The three corners' positions."""
    n, p, _ = corners.shape
    return xy.gather(1, corners.flatten(1)[..., None].expand(-1, -1, 2)).view(n, p, 3, 2)


def barycentric(triangle: Float[Tensor, "N P 3 2"], point: Float[Tensor, "P 2"]) -> Float[Tensor, "N P 3"]:
    """Weights that sum to 1 and give the point from the corners; a flat triangle is kept finite by a tiny area."""
    a, b, c = triangle.unbind(-2)
    ab, ac, ap = b - a, c - a, point - a
    area = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    area = torch.where(area.abs() < 1.0e-6, torch.full_like(area, 1.0e-6), area)
    v = (ap[..., 0] * ac[..., 1] - ap[..., 1] * ac[..., 0]) / area
    w = (ab[..., 0] * ap[..., 1] - ab[..., 1] * ap[..., 0]) / area
    return torch.stack([1 - v - w, v, w], -1)
