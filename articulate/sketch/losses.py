"""How a drawing is compared with an image: blurred, over a pyramid, or as a weighted cross-entropy."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from articulate.errors import ConfigError


def gaussian_blur(images: Float[Tensor, "B C H W"], sigma: float) -> Float[Tensor, "B C H W"]:
    """Images blurred by a Gaussian of `sigma` pixels, cut at three sigma; zero beyond the border. 0 leaves them be."""
    if sigma <= 0:
        return images
    reach = math.ceil(3.0 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    groups = images.shape[1]
    blurred = functional.conv2d(images, kernel, padding=(0, reach), groups=groups)
    return functional.conv2d(blurred, kernel.mT, padding=(reach, 0), groups=groups)


def blurred_error(
    drawing: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], sigma: float
) -> Float[Tensor, ""]:
    """Mean squared difference after both were blurred by `sigma` pixels (Harris 2024, section 5.5).

    The blur is linear, so the difference is blurred once. It carries gradient over gaps of about two sigma.
    """
    return gaussian_blur(drawing - target, sigma).square().mean()


def pyramid_error(
    drawing: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], levels: int
) -> Float[Tensor, ""]:
    """Mean squared difference, averaged over `levels` of images halved by 2x2 means; level l weighs 2^l.

    Means over blocks shrink the difference of thin strokes by about one half a level, which the weight undoes.
    Raises ConfigError for more levels than the image has.
    """
    if levels < 1 or min(drawing.shape[-2:]) < 2 ** (levels - 1):
        raise ConfigError(f"sketch: levels = {levels} does not fit images of {tuple(drawing.shape[-2:])} (at least 1)")
    difference = drawing - target
    total = difference.square().mean()
    for level in range(1, levels):
        difference = functional.avg_pool2d(difference, 2)
        total = total + difference.square().mean() * 2**level
    return total / levels


def stroke_cross_entropy(
    drawing: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], stroke_weight: float = 4.0
) -> Float[Tensor, ""]:
    """Binary cross-entropy in which stroke counts `stroke_weight` times as much as empty paper (default 4:1).

    -mean(w t log d + (1 - t) log(1 - d)) / mean(w t + 1 - t), with d held 1e-4 away from 0 and 1, where the logarithm
    has no derivative.
    """
    d = drawing.clamp(1e-4, 1.0 - 1e-4)
    positive, negative = stroke_weight * target, 1.0 - target
    return -(positive * d.log() + negative * torch.log1p(-d)).mean() / (positive + negative).mean()
