"""From heatmaps to points and back: soft-argmax that neither drifts to the centre nor shies from the border.

Frame: [-1, 1] at pixel centres, cell i of W lies at (2 i + 1) / W - 1; x right, y down. `padding` says how many cells
on each side of the heatmap lie outside the image frame, so that points there read beyond -1 or 1.
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.errors import ConfigError

Method = Literal["plain", "windowed", "corrected"]
METHODS = ("plain", "windowed", "corrected")
DEFAULT_RADIUS = 4


class KeypointReading(NamedTuple):
    """Positions (image frame), share of the heatmap's mass near the mode, and covariance (frame units squared)."""

    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"]
    covariance: Float[Tensor, "N K 2 2"]


class Window(NamedTuple):
    """The cells around each heatmap's mode, S = (2 radius + 1)^2 of them.

    `mass` is their softmax share of the *whole* heatmap, zero where the window leaves the heatmap; `columns` and
    `rows` are cell numbers; `mode` is (column, row).
    """

    mass: Float[Tensor, "N K S"]
    inside: Bool[Tensor, "N K S"]
    columns: Int[Tensor, "N K S"]
    rows: Int[Tensor, "N K S"]
    mode: Int[Tensor, "N K 2"]


def read_heatmaps(
    heatmaps: Float[Tensor, "N K H W"],
    *,
    method: Method | str = "corrected",
    temperature: float = 1.0,
    radius: int = DEFAULT_RADIUS,
    padding: int = 0,
) -> KeypointReading:
    """Keypoints of heatmaps (logits h), p = softmax(h / temperature) over all cells.

    - `plain`: E_p[x] over the whole map (Harris 2024, section 4). Uniformly leaked mass e pulls it to the centre by e.
    - `windowed`: E over the (2 radius + 1)^2 cells around the mode, the mean density outside them subtracted, so
      that leaked mass and other peaks do not count.
    - `corrected`: `windowed`, plus the shift that a Gaussian cut off by the border needs (see `border_shift`).
    The gradient treats mode, subtracted density and shift as constants. `score` is the mass in the window.
    A flat map has no mode: the first cell is taken, with a score near 0. Raises ConfigError on an unknown method.
    """
    if method not in METHODS:
        raise ConfigError(f"soft-argmax method {method!r} is not known; use one of {METHODS}")
    if not temperature > 0:
        raise ConfigError(f"soft-argmax temperature must be above 0, found {temperature}")
    height, width = heatmaps.shape[-2:]
    logits = heatmaps if temperature == 1 else heatmaps / temperature
    window = cut_window(logits, radius)
    score = window.mass.detach().sum(-1)
    if method == "plain":
        mean, covariance = whole_moments(logits)
    else:
        mean, covariance = window_moments(window, (height, width))
        if method == "corrected":
            mean = mean + border_shift(mean.detach(), covariance.detach(), window.mode, radius, (height, width))
    inner = mean.new_tensor([width - 2 * padding, height - 2 * padding])
    unit = 2 / inner
    xy = (mean - padding + 0.5) * unit - 1
    return KeypointReading(xy, score, covariance * unit[:, None] * unit)


def cut_window(logits: Float[Tensor, "N K H W"], radius: int) -> Window:
    """The cells around the mode of each heatmap with their share of its softmax mass."""
    height, width = logits.shape[-2:]
    flat = logits.flatten(2)
    best = flat.detach().argmax(-1)
    mode = torch.stack([best % width, best // width], -1)
    offsets = torch.arange(-radius, radius + 1, device=logits.device)
    columns = (mode[..., :1] + offsets)[:, :, None, :].expand(-1, -1, offsets.numel(), -1).flatten(2)
    rows = (mode[..., 1:] + offsets)[:, :, :, None].expand(-1, -1, -1, offsets.numel()).flatten(2)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    index = (rows.clamp(0, height - 1) * width).add_(columns.clamp(0, width - 1))
    inner = flat.gather(-1, index) - torch.logsumexp(flat, -1, keepdim=True)
    return Window(inner.exp() * inside, inside, columns, rows, mode)


def window_moments(window: Window, size: tuple[int, int]) -> tuple[Float[Tensor, "N K 2"], Float[Tensor, "N K 2 2"]]:
    """Mean (column, row) and covariance in cells of the mass in the window, above the mean density outside it."""
    height, width = size
    inside = window.inside.to(window.mass.dtype)
    count = inside.sum(-1, keepdim=True)
    with torch.no_grad():
        outside = height * width - count
        density = (1 - window.mass.sum(-1, keepdim=True)).clamp_min(0) / outside.clamp_min(1)
    weight = (window.mass - density * inside).clamp_min(0)
    # The tiny number keeps a perfectly flat map, from which everything was subtracted, finite.
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    # Moments are taken around the mode, where the numbers are small.
    dx = (window.columns - window.mode[..., :1]).to(weight.dtype)
    dy = (window.rows - window.mode[..., 1:]).to(weight.dtype)
    offset = torch.stack([dx, dy], -1)
    mean = (weight[..., None] * offset).sum(-2)
    second = (weight[..., None] * offset).transpose(-1, -2) @ offset
    covariance = second - mean[..., :, None] * mean[..., None, :]
    return mean + window.mode, covariance


def whole_moments(logits: Float[Tensor, "N K H W"]) -> tuple[Float[Tensor, "N K 2"], Float[Tensor, "N K 2 2"]]:
    """Mean (column, row) and covariance in cells of the softmax over the whole heatmap."""
    height, width = logits.shape[-2:]
    mass = logits.flatten(2).softmax(-1).unflatten(-1, (height, width))
    x = torch.arange(width, dtype=logits.dtype, device=logits.device)
    y = torch.arange(height, dtype=logits.dtype, device=logits.device)
    over_x = mass.sum(-2)
    over_y = mass.sum(-1)
    mean = torch.stack([over_x @ x, over_y @ y], -1)
    xx = over_x @ (x * x) - mean[..., 0] ** 2
    yy = over_y @ (y * y) - mean[..., 1] ** 2
    xy = (mass @ x) @ y - mean[..., 0] * mean[..., 1]
    return mean, torch.stack([xx, xy, xy, yy], -1).unflatten(-1, (2, 2))


@torch.no_grad()
def border_shift(
    mean: Float[Tensor, "N K 2"],
    covariance: Float[Tensor, "N K 2 2"],
    mode: Int[Tensor, "N K 2"],
    radius: int,
    size: tuple[int, int],
    iterations: int = 12,
) -> Float[Tensor, "N K 2"]:
    """What to add to the mean (cells) of a Gaussian that the window and the border cut to [a, b], per axis.

    A Gaussian N(m, s^2) cut to [a, b] has mean m + s d and variance s^2 (1 + e - d^2) with, for u = (a - m) / s and
    v = (b - m) / s, Z = Phi(v) - Phi(u), d = (phi(u) - phi(v)) / Z, e = (u phi(u) - v phi(v)) / Z (Johnson & Kotz
    1970). m and s are found by fixed-point iteration and bounded to one cell beyond the window.
    """
    last = torch.tensor([size[1] - 1, size[0] - 1], device=mean.device)
    low = (mode - radius).clamp_min(0).to(mean.dtype) - 0.5
    high = torch.minimum(mode + radius, last).to(mean.dtype) + 0.5
    observed = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(1.0e-3)
    centre, spread = mean.clone(), observed.sqrt()
    for _ in range(iterations):
        u, v = (low - centre) / spread, (high - centre) / spread
        total = (normal_cdf(v) - normal_cdf(u)).clamp_min(0.05)
        d = (normal_pdf(u) - normal_pdf(v)) / total
        e = (u * normal_pdf(u) - v * normal_pdf(v)) / total
        spread = (observed / (1 + e - d * d).clamp(0.1, 1.5)).sqrt().clamp_max(float(radius))
        centre = (mean - spread * d).clamp(low - 0.5, high + 0.5)
    return centre - mean


def normal_pdf(x: Tensor) -> Tensor:
    """Standard normal density."""
    return torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def normal_cdf(x: Tensor) -> Tensor:
    """Standard normal distribution function."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def draw_gaussians(xy: Float[Tensor, "N K 2"], size: tuple[int, int], sigma_px: float) -> Float[Tensor, "N K H W"]:
    """Cleaned heatmaps: exp(-|pixel - point|^2 / (2 sigma^2)), peak 1, `size` = (H, W), sigma in pixels.

    Only the position passes, so no information leaks through heatmap values (Harris 2024, section 4). A point
    outside the frame draws the part of its Gaussian that falls inside.
    """
    height, width = size
    columns = gaussian_profile(xy[..., 0], width, sigma_px)
    rows = gaussian_profile(xy[..., 1], height, sigma_px)
    return rows[..., :, None] * columns[..., None, :]


def gaussian_profile(position: Float[Tensor, "N K"], length: int, sigma_px: float) -> Float[Tensor, "N K L"]:
    """exp(-(cell - position)^2 / (2 sigma^2)) along one axis of `length` cells; the 2D Gaussian is a product of two."""
    cells = torch.arange(length, dtype=position.dtype, device=position.device)
    place = ((position + 1) * length - 1) / 2
    return torch.exp(-0.5 * ((cells - place[..., None]) / sigma_px) ** 2)
