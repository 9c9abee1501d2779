"""What keeps a heatmap one compact spot: concentration as written, Jensen-Shannon, and two forms for ablation.

All take heatmaps (logits) and sigma in cells, and return a scalar averaged over images and keypoints. The Gaussian of
the last three stands at the *mode* (the mean in a window around it, without gradient), because the mean of a map with
two peaks is a place without evidence.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.keypoints.soft_argmax import Window, cut_window, draw_gaussians, whole_moments, window_moments


def concentration(heatmaps: Float[Tensor, "N K H W"], xy: Float[Tensor, "N K 2"], sigma: float) -> Float[Tensor, ""]:
    """Sum over cells of (heatmap before soft-argmax - cleaned heatmap)^2 (Harris 2024, section 4).

    `xy` are points in the frame of the *heatmap*. With temperature 1 its minimum is a map of height 1 over zeros, in
    which the softmax leaks almost all mass: use a temperature well below 1, or Jensen-Shannon.
    """
    height, width = heatmaps.shape[-2:]
    cleaned = draw_gaussians(xy, (height, width), sigma)
    return (heatmaps - cleaned).square().sum() / heatmaps[..., 0, 0].numel()


def jensen_shannon(heatmaps: Float[Tensor, "N K H W"], sigma: float, temperature: float = 1.0) -> Float[Tensor, ""]:
    """Jensen-Shannon divergence (nats, at most log 2) of p = softmax(h / temperature) to a Gaussian at its mode.

    0.5 KL(p | m) + 0.5 KL(q | m), m = (p + q) / 2 (Nibali 2018, eq. 3.6), q renormalised where the border cuts it.
    Only the window in which q is not negligible is visited: outside it the divergence is 0.5 log 2 times p's mass.
    """
    window = cut_window(heatmaps / temperature, max(2, math.ceil(5 * sigma)))
    p = window.mass
    with torch.no_grad():
        centre = windowed_centre(window, sigma, (heatmaps.shape[-2], heatmaps.shape[-1]))
        squared = (window.columns - centre[..., :1]).square() + (window.rows - centre[..., 1:]).square()
        q = torch.exp(-0.5 * squared / sigma**2) * window.inside
        q = q / q.sum(-1, keepdim=True)
    # A constant below any mass that matters keeps both logarithms and their gradients finite.
    tiny = 1.0e-12
    middle = (0.5 * (p + q) + tiny).log()
    divergence = 0.5 * (p * ((p + tiny).log() - middle) + q * ((q + tiny).log() - middle)).sum(-1)
    return (divergence + 0.5 * math.log(2) * (1 - p.sum(-1))).mean()


def variance(heatmaps: Float[Tensor, "N K H W"], sigma: float, temperature: float = 1.0) -> Float[Tensor, ""]:
    """(Var x - sigma^2)^2 + (Var y - sigma^2)^2 in cells, over sigma^4 (Nibali 2018, eq. 3.8); four spots pass."""
    _, covariance = whole_moments(heatmaps / temperature)
    return (covariance.diagonal(dim1=-2, dim2=-1) / sigma**2 - 1).square().sum(-1).mean()


def kullback_leibler(heatmaps: Float[Tensor, "N K H W"], sigma: float, temperature: float = 1.0) -> Float[Tensor, ""]:
    """KL(p | Gaussian at the mode) in nats (Nibali 2018, eq. 3.7); unbounded, so that it forbids doubt."""
    logits = heatmaps / temperature
    height, width = logits.shape[-2:]
    centre = windowed_centre(cut_window(logits, max(2, math.ceil(2 * sigma))), sigma, (height, width))
    log_p = logits.flatten(2).log_softmax(-1)
    x = torch.arange(width, dtype=logits.dtype, device=logits.device)
    y = torch.arange(height, dtype=logits.dtype, device=logits.device)
    energy_x = -0.5 * ((x - centre[..., :1]) / sigma) ** 2
    energy_y = -0.5 * ((y - centre[..., 1:]) / sigma) ** 2
    log_norm = energy_x.logsumexp(-1) + energy_y.logsumexp(-1)
    log_q = (energy_y[..., :, None] + energy_x[..., None, :]).flatten(2) - log_norm[..., None]
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def windowed_centre(window: Window, sigma: float, size: tuple[int, int]) -> Float[Tensor, "N K 2"]:
    """Mean (column, row) of the mass within two sigma of the mode, without gradient."""
    reach = math.ceil(2 * sigma)
    with torch.no_grad():
        far_x, far_y = (window.columns - window.mode[..., :1]).abs(), (window.rows - window.mode[..., 1:]).abs()
        near = far_x.maximum(far_y) <= reach
        close = window._replace(mass=window.mass * near, inside=window.inside & near)
        return window_moments(close, size)[0]


SHAPES: dict[str, Callable[..., Tensor]] = {
    "jensen_shannon": jensen_shannon,
    "variance": variance,
    "kullback_leibler": kullback_leibler,
}
