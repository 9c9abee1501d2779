"""The detector at its fastest: painted frames, channels last, convolution and activation in one call on the CPU."""

from typing import Any, NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numba import njit
from torch import Tensor, nn
from torch.nn import functional

from articulate.inference.settings import VideoSettings
from articulate.keypoints.detector import KeypointDetector
from articulate.keypoints.hourglass import NEGATIVE_SLOPE, Hourglass, unpool
from articulate.keypoints.soft_argmax import KeypointReading, read_heatmaps

BACKGROUND = 0.5  # the grey that the detector was trained with outside the mask
CHUNK = 8  # images per pass: activations of more leave the cache


@no_type_check
@njit(cache=True, nogil=True)
def painted(images, masks, background):
    """Frames in [0, 1], blended with the grey `background` outside their masks."""
    result = np.empty(images.shape, np.float32)
    one, full = np.float32(1), np.float32(255)
    for n in range(images.shape[0]):
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                share = np.float32(masks[n, y, x]) / full
                for c in range(3):
                    result[n, y, x, c] = np.float32(images[n, y, x, c]) / full * share + background * (one - share)
    return result


class Packed(NamedTuple):
    """One convolution with its weights in the order that the CPU library wants."""

    weight: Tensor
    bias: Tensor


class FusedHourglass:
    """`Hourglass` with each activation inside its convolution; the same numbers as the module, bit for bit.

    The operator is one that `torch.compile` emits for CPUs; where this PyTorch lacks it, `available` says so.
    """

    def __init__(self, module: Hourglass) -> None:
        self.skip = module.skip
        self.packed: dict[str, Packed] = {}
        for name, layer in module.named_children():
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            weight = layer.weight.detach().contiguous(memory_format=torch.channels_last)
            self.packed[name] = Packed(weight, layer.bias.detach())

    @staticmethod
    def available(device: torch.device) -> bool:
        """Whether the fused operator exists for this device."""
        has_operator = hasattr(torch.ops, "mkldnn") and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        return device.type == "cpu" and torch.backends.mkldnn.is_available() and has_operator

    def convolve(self, name: str, x: Tensor, active: bool = True) -> Tensor:
        """One 3x3 convolution, with the activation unless it is the last."""
        weight, bias = self.packed[name]
        operator: Any = torch.ops.mkldnn._convolution_pointwise
        activation: tuple[str, list[float]] = ("leaky_relu", [NEGATIVE_SLOPE]) if active else ("none", [])
        return operator(x, weight, bias, [1, 1], [1, 1], [1, 1], 1, *activation, "")

    def __call__(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N K H W"]:
        """Heatmaps; see `Hourglass.forward`."""
        full = self.convolve("conv2", self.convolve("conv1", images))
        pooled = functional.max_pool2d(full, 2)
        half = self.convolve("conv4", pooled)
        deep = self.convolve("conv6", functional.max_pool2d(half, 2))
        up = unpool(deep).add_(self.convolve("conv6b", half))
        up = self.convolve("conv8", up)
        if self.skip == "half":
            up = unpool(up + self.convolve("conv4b", pooled))
        else:
            up = unpool(up).add_(self.convolve("conv4b", full))
        return self.convolve("conv11", self.convolve("conv10", up), active=False)


class FrameDetector:
    """Keypoints of batches of frames as they come from a `FrameStream`."""

    def __init__(self, detector: KeypointDetector, settings: VideoSettings) -> None:
        self.settings, self.config = settings, detector.config
        self.device = next(detector.parameters()).device
        self.detector = detector.eval()
        self.fused = None
        if FusedHourglass.available(self.device):
            self.fused = FusedHourglass(detector.hourglass)

    @torch.inference_mode()
    def __call__(
        self, images: UInt8[np.ndarray, "N S S 3"], masks: UInt8[np.ndarray, "N S S"] | None
    ) -> KeypointReading:
        """Positions in the image frame, scores and covariances, on the CPU."""
        if masks is None:
            frames = images.astype(np.float32) / np.float32(255)
        else:
            frames = painted(images, masks, np.float32(BACKGROUND))
        inputs = torch.from_numpy(frames).permute(0, 3, 1, 2).to(self.device)
        if self.config.channels == 1:
            inputs = inputs.mean(1, keepdim=True)
        if self.settings.shrink > 1:
            inputs = functional.avg_pool2d(inputs, self.settings.shrink)
        parts = [self.read(part) for part in inputs.split(CHUNK)]
        return KeypointReading(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))

    def read(self, inputs: Float[Tensor, "N C H W"]) -> KeypointReading:
        """Keypoints of a few images."""
        if self.fused is None:
            found = self.detector(inputs)
            return KeypointReading(found.xy, found.score, found.covariance)
        c = self.config
        if c.padding:
            inputs = functional.pad(inputs, (c.padding,) * 4, mode="replicate")
        heatmaps = self.fused(inputs).contiguous()  # planes, because modes and masses are taken plane by plane
        return read_heatmaps(heatmaps, method=c.method, temperature=c.temperature, radius=c.radius, padding=c.padding)
