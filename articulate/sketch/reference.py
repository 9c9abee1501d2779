"""The renderer in plain PyTorch: every limb at every pixel. The oracle of the tests.

Memory is that of limbs x image; the kernels and `chunked` compute the same numbers in that of the image.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.sketch.profiles import COVERAGE_FLOOR, LENGTH2_FLOOR, OCCLUSION_CEILING, intensity
from articulate.sketch.settings import Settings


def pixel_centres(
    size: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, " H"], Float[Tensor, " W"]]:
    """Rows y and columns x of the pixel centres in [-1, 1] (`align_corners=False`)."""
    rows, columns = (
        (2.0 * torch.arange(count, dtype=dtype, device=device) + 1.0) / count - 1.0 for count in (size[0], size[1])
    )
    return rows, columns


def strokes(
    geometry: Float[Tensor, "B L 6"],
    rows: Float[Tensor, " R"],
    columns: Float[Tensor, " W"],
    profile: str,
    softness: float,
) -> tuple[Float[Tensor, "B L R W"], Float[Tensor, "B L R W"]]:
    """Intensity of every limb at every pixel, and the foot point's position along the limb in [0, 1].

    `geometry` holds start (x, y), end (x, y) and the half-widths at both ends, in image units.
    The foot point is t = clamp((p - a).d / (|d|^2 + floor)), the half-width runs linearly along t.
    """
    ax, ay, ex, ey, width0, width1 = (v[..., None, None] for v in geometry.unbind(-1))
    dx, dy = ex - ax, ey - ay
    ux, uy = columns - ax, rows[:, None] - ay
    t = ((ux * dx + uy * dy) / (dx * dx + dy * dy + LENGTH2_FLOOR)).clamp(0.0, 1.0)
    distance2 = (ux - t * dx).square() + (uy - t * dy).square()
    return intensity(distance2, width0 + (width1 - width0) * t, profile, softness), t


def compose(
    alpha: Float[Tensor, "B L H W"], depth: Float[Tensor, "B L H W"] | None, composition: str, temperature: float
) -> tuple[Float[Tensor, "B H W"], Float[Tensor, "B L H W"]]:
    """Coverage of every pixel, and the share with which each limb enters the mean colour there.

    soft_or 1 - prod(1 - alpha); sum, clamped at 1; maximum, whose colour is that of the greatest limb; over, with the
    coverage of soft_or and shares alpha_l prod_k (1 - alpha_k sigmoid((z_l - z_k) / temperature)): a limb is hidden
    by what is nearer (smaller z), softly, so that depth has a gradient wherever colours differ.
    Order-independent mean colour after McGuire and Bavoil (2013).
    """
    if composition == "maximum":
        coverage, best = alpha.max(dim=1)
        return coverage, torch.zeros_like(alpha).scatter(1, best[:, None], 1.0)
    if composition == "sum":
        return alpha.sum(dim=1).clamp(max=1.0), alpha
    coverage = 1.0 - (1.0 - alpha).prod(dim=1)
    if composition == "soft_or" or depth is None:
        return coverage, alpha
    num_limbs = alpha.shape[1]
    behind = torch.sigmoid((depth[:, :, None] - depth[:, None]) / temperature)
    others = 1.0 - torch.eye(num_limbs, dtype=alpha.dtype, device=alpha.device)[:, :, None, None]
    visible = (1.0 - OCCLUSION_CEILING * others * behind * alpha[:, None]).prod(dim=2)
    return coverage, alpha * visible


def draw_rows(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"] | None,
    rows: Float[Tensor, " R"],
    columns: Float[Tensor, " W"],
    settings: Settings,
) -> Float[Tensor, "B D R W"]:
    """Coverage (first channel) and, with colours, coverage times mean colour (the other C channels) of some rows."""
    h, t = strokes(geometry, rows, columns, settings.profile, settings.softness)
    alpha = weight[..., None, None] * h
    z = None if depth is None else depth[..., 0, None, None] * (1.0 - t) + depth[..., 1, None, None] * t
    coverage, share = compose(alpha, z, settings.composition, settings.temperature)
    if colour is None:
        return coverage[:, None]
    total = share.sum(dim=1) + COVERAGE_FLOOR
    ends = torch.stack([share * (1.0 - t), share * t], dim=2)
    painted = torch.einsum("blehw,blec->bchw", ends, colour)
    return torch.cat([coverage[:, None], painted * (coverage / total)[:, None]], dim=1)


def draw_reference(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"] | None,
    settings: Settings,
) -> Float[Tensor, "B D H W"]:
    """All rows at once. `settings.threshold` is not used: everything is drawn."""
    rows, columns = pixel_centres(settings.size, geometry.dtype, geometry.device)
    return draw_rows(geometry, weight, depth, colour, rows, columns, settings)
