"""Random smooth warps by thin-plate splines on a fixed control grid: image and points move together.

With fixed control points the spline is linear in what happens at them, so a warp of any image size is one product
with a basis that is computed once (Bookstein 1989); nothing is solved per image.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from articulate.errors import ConfigError


@dataclass(frozen=True)
class ThinPlateWarp:
    """Backward warp: pixel x of the warped image shows the source image at `source_points(x)`; all in [-1, 1].

    `displacement` is what the spline adds at the control points (row by row, x then y), `affine` maps (x, y, 1).
    """

    displacement: Float[Tensor, "N M 2"]
    affine: Float[Tensor, "N 2 3"]
    side: int

    def scaled(self, factor: float) -> "ThinPlateWarp":
        """The warp with its parameters' distance from the identity times `factor`."""
        unit = identity_affine(self.affine)
        return ThinPlateWarp(self.displacement * factor, unit + (self.affine - unit) * factor, self.side)

    def source_points(self, points: Float[Tensor, "N P 2"]) -> Float[Tensor, "N P 2"]:
        """Where in the source image the points of the warped image come from; differentiable."""
        moved = points @ self.affine[..., :2].transpose(-1, -2) + self.affine[..., 2][:, None]
        return moved + spline_basis(points, self.side) @ self.displacement

    def warped_points(self, points: Float[Tensor, "N P 2"], iterations: int = 20) -> Float[Tensor, "N P 2"]:
        """Where points of the source image go: the inverse of `source_points`, by fixed-point iteration.

        Converges while the warp does not fold (its displacement changes by less than the distance moved).
        """
        guess = points
        for _ in range(iterations):
            guess = guess - (self.source_points(guess) - points)
        return guess

    def warp(self, images: Float[Tensor, "N C H W"], *, border: str = "border") -> Float[Tensor, "N C H W"]:
        """The images warped, bilinear; outside the source the edge is repeated (or `border="zeros"`)."""
        return functional.grid_sample(
            images, self.sampling_grid(images), mode="bilinear", padding_mode=border, align_corners=False
        )

    def sampling_grid(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N H W 2"]:
        """`source_points` of every pixel centre."""
        height, width = images.shape[-2:]
        pixels, basis = pixel_basis(height, width, self.side, images.dtype, images.device)
        moved = pixels @ self.affine[..., :2].transpose(-1, -2) + self.affine[..., 2][:, None]
        return torch.baddbmm(moved, basis.expand(len(images), -1, -1), self.displacement).unflatten(1, (height, width))


def random_warp(
    number: int,
    generator: torch.Generator,
    *,
    side: int = 5,
    strength: float = 0.1,
    rotation: float = 0.0,
    zoom: float = 0.0,
    shift: float = 0.0,
    like: Tensor | None = None,
) -> ThinPlateWarp:
    """Warps whose control displacements are Gaussian with deviation `strength` (image frame).

    Rotation (rad), log zoom and shift (frame) are Gaussian with the deviations given. Raises ConfigError when the
    control grid has fewer than 2 x 2 points.
    """
    if side < 2:
        raise ConfigError(f"control grid of side {side}: a thin-plate spline needs at least 2 x 2 points")
    device = generator.device
    displacement = strength * torch.randn(number, side * side, 2, generator=generator, device=device)
    angle, log_zoom = (torch.randn(2, number, generator=generator, device=device)).unbind(0)
    angle, size = rotation * angle, torch.exp(zoom * log_zoom)
    move = shift * torch.randn(number, 2, generator=generator, device=device)
    rows = [size * angle.cos(), -size * angle.sin(), move[:, 0], size * angle.sin(), size * angle.cos(), move[:, 1]]
    affine = torch.stack(rows, -1).unflatten(-1, (2, 3))
    if like is not None:
        displacement, affine = displacement.to(like), affine.to(like)
    return ThinPlateWarp(displacement, affine, side)


def identity_affine(like: Float[Tensor, "N 2 3"]) -> Float[Tensor, "N 2 3"]:
    """(x, y, 1) -> (x, y)."""
    return torch.eye(2, 3, dtype=like.dtype, device=like.device).expand_as(like)


def control_points(side: int) -> Float[Tensor, "M 2"]:
    """The side x side control grid over [-1, 1], row by row, in float64."""
    axis = torch.linspace(-1, 1, side, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


@lru_cache(maxsize=8)
def spline_coefficients(side: int) -> Float[Tensor, "M3 M"]:
    """Kernel weights (M rows) and affine part (3 rows) of the spline that is 1 at one control point, 0 at others."""
    control = control_points(side)
    count = len(control)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    system[:count, :count] = kernel(torch.cdist(control, control) ** 2)
    system[:count, count] = 1
    system[:count, count + 1 :] = control
    system[count:, :count] = system[:count, count:].T
    target = torch.zeros(count + 3, count, dtype=torch.float64)
    target[:count] = torch.eye(count, dtype=torch.float64)
    return torch.linalg.solve(system, target)


def spline_basis(points: Float[Tensor, "... P 2"], side: int) -> Float[Tensor, "... P M"]:
    """What each control displacement contributes at each point."""
    control = control_points(side).to(points)
    squared = (points[..., :, None, :] - control).square().sum(-1)
    features = torch.cat([kernel(squared), torch.ones_like(points[..., :1]), points], -1)
    return features @ spline_coefficients(side).to(points)


def kernel(squared: Tensor) -> Tensor:
    """r^2 log r^2, zero at r = 0 (the smallest normal number keeps the logarithm and its gradient finite there)."""
    return squared * squared.clamp_min(torch.finfo(squared.dtype).tiny).log()


@lru_cache(maxsize=8)
def pixel_basis(
    height: int, width: int, side: int, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "P 2"], Float[Tensor, "P M"]]:
    """Pixel centres and their spline basis, kept for the last few image sizes."""
    x = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    y = (2 * torch.arange(height, dtype=torch.float64) + 1) / height - 1
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    pixels = torch.stack([columns, rows], -1).flatten(0, 1)
    return pixels.to(device, dtype), spline_basis(pixels, side).to(device, dtype)
