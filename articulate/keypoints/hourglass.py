"""The heatmap network: one small hourglass of 3x3 convolutions (Harris 2024, section 4)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from articulate.errors import ConfigError

NEGATIVE_SLOPE = 0.1
# Part of the last layer's gain that is left: heatmaps start with a spread of about one logit at temperature 1.
LAST_GAIN = 0.5
Start = Literal["kaiming", "torch"]


def scaled(channels: int, width: float) -> int:
    """Number of channels of a layer in a network that is `width` times as wide as the source's, at least 4."""
    return max(4, round(channels * width))


class Hourglass(nn.Module):
    """Images to one heatmap per keypoint, before soft-argmax.

    Layers by the source's numbers: 1 conv C->20, 2 conv 20->48, 3 maxpool, 4 conv 48->64, 5 maxpool, 6 conv 64->64,
    7 unpool x2, 8 conv 64->48, 9 unpool x2, 10 conv 48->20, 11 conv 20->K linear; LeakyReLU 0.1. The figure with the
    joins of the side branches is lost. Chosen here: each side branch stands beside the layer of the same number but
    starts before the pooling above it, as in Newell 2016, and is added where the sizes meet on the way up:
    6b (64->64) from layer 4 to layer 7, 4b (48->48) from layer 2 to layer 9. With `skip="half"` 4b starts behind
    layer 3 instead and joins layer 8, which costs a quarter less time and blurs the heatmaps.

    `start`: torch's own initialisation shrinks the signal in every layer, so that the first heatmaps are flat to
    within hundredths and their modes stand at the border whatever the image shows; with `kaiming` (He et al. 2015,
    eq. 14 for LeakyReLU, no bias) they differ from image to image from the first step.
    """

    def __init__(
        self, num_keypoints: int, *, channels: int = 3, width: float = 1.0, skip: str = "full", start: Start = "torch"
    ) -> None:
        super().__init__()
        if skip not in ("full", "half"):
            raise ConfigError(f"skip = {skip!r} is not known; use 'full' or 'half'")
        c20, c48, c64 = (scaled(c, width) for c in (20, 48, 64))
        self.skip = skip
        self.conv1 = conv3x3(channels, c20)
        self.conv2 = conv3x3(c20, c48)
        self.conv4 = conv3x3(c48, c64)
        self.conv4b = conv3x3(c48, c48)
        self.conv6 = conv3x3(c64, c64)
        self.conv6b = conv3x3(c64, c64)
        self.conv8 = conv3x3(c64, c48)
        self.conv10 = conv3x3(c48, c20)
        self.conv11 = conv3x3(c20, num_keypoints)
        if start == "kaiming":
            self.start_lively()

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N K H W"]:
        """Heatmaps (logits) of `images` in [0, 1]. Raises ConfigError when a side is not divisible by 4."""
        height, width = images.shape[-2:]
        if height % 4 or width % 4:
            raise ConfigError(f"image size {height} x {width}: both sides must be divisible by 4 (two poolings)")
        full = activate(self.conv2(activate(self.conv1(images))))
        pooled = functional.max_pool2d(full, 2)
        half = activate(self.conv4(pooled))
        deep = activate(self.conv6(functional.max_pool2d(half, 2)))
        up = unpool(deep).add_(activate(self.conv6b(half)))
        up = activate(self.conv8(up))
        if self.skip == "half":
            up = unpool(up + activate(self.conv4b(pooled)))
        else:
            up = unpool(up).add_(activate(self.conv4b(full)))
        return self.conv11(activate(self.conv10(up)))

    @torch.no_grad()
    def start_lively(self) -> None:
        """Weights that keep the signal's size from layer to layer, no biases."""
        for layer in self.children():
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, a=NEGATIVE_SLOPE)
            nn.init.zeros_(layer.bias)
        self.conv11.weight.mul_(LAST_GAIN)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def activate(x: Tensor) -> Tensor:
    """LeakyReLU with the source's slope, in place: a convolution's backward does not read its own output."""
    return functional.leaky_relu_(x, NEGATIVE_SLOPE)


def unpool(x: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C H W"]:
    """Twice the size by repetition."""
    return torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
