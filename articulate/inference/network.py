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
PLANES = 320  # heatmaps that are read together: they are followed by many operators on a few numbers each


@no_type_check
@njit(cache=True, nogil=True)
def painted(images, masks, background, shrink):
    """Frames in [0, 1], blended with the grey `background` outside their masks, means over `shrink` x `shrink` pixels.

    Pixels are added row by row and divided once: the numbers of `avg_pool2d` bit for bit, without the large picture.
    """
    side = images.shape[1] // shrink
    result = np.empty((images.shape[0], side, images.shape[2] // shrink, 3), np.float32)
    one, full, count = np.float32(1), np.float32(255), np.float32(shrink * shrink)
    for n in range(images.shape[0]):
        for y in range(side):
            for x in range(result.shape[2]):
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                for v in range(y * shrink, (y + 1) * shrink):
                    for u in range(x * shrink, (x + 1) * shrink):
                        share = np.float32(masks[n, v, u]) / full
                        ground = background * (one - share)
                        red += np.float32(images[n, v, u, 0]) / full * share + ground
                        green += np.float32(images[n, v, u, 1]) / full * share + ground
                        blue += np.float32(images[n, v, u, 2]) / full * share + ground
                result[n, y, x, 0], result[n, y, x, 1], result[n, y, x, 2] = red / count, green / count, blue / count
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
        if self.config.network == "hourglass" and FusedHourglass.available(self.device):
            self.fused = FusedHourglass(detector.hourglass)

    @torch.inference_mode()
    def __call__(
        self, images: UInt8[np.ndarray, "N S S 3"], masks: UInt8[np.ndarray, "N S S"] | None
    ) -> KeypointReading:
        """Positions in the image frame, scores and covariances, on the CPU."""
        inputs, c = self.inputs(images, masks), self.config
        if self.fused is None:
            found = [self.detector(part) for part in inputs.split(CHUNK)]
            parts = [KeypointReading(one.xy, one.score, one.covariance) for one in found]
            return KeypointReading(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))
        if c.padding:
            inputs = functional.pad(inputs, (c.padding,) * 4, mode="replicate")
        together = CHUNK * max(1, PLANES // (CHUNK * c.num_keypoints))
        parts = [self.read(part) for part in inputs.split(together)]
        return KeypointReading(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def read(self, inputs: Float[Tensor, "N C H W"]) -> KeypointReading:
        """Keypoints of some images, in planes, because modes and masses are taken plane by plane."""
        assert self.fused is not None
        c, size = self.config, inputs.shape[-2:]
        heatmaps = torch.empty(len(inputs), c.num_keypoints, *size)
        for place in range(0, len(inputs), CHUNK):
            heatmaps[place : place + CHUNK] = self.fused(inputs[place : place + CHUNK])
        return read_heatmaps(heatmaps, method=c.method, temperature=c.temperature, radius=c.radius, padding=c.padding)

    def inputs(
        self, images: UInt8[np.ndarray, "N S S 3"], masks: UInt8[np.ndarray, "N S S"] | None
    ) -> Float[Tensor, "N C h w"]:
        """What the network sees of frames."""
        shrink = self.settings.shrink
        if masks is None:
            masks = np.full(images.shape[:3], 255, np.uint8)
        early = shrink if self.config.channels > 1 else 1
        frames = painted(images, masks, np.float32(BACKGROUND), early)
        inputs = torch.from_numpy(frames).permute(0, 3, 1, 2).to(self.device)
        if self.config.channels == 1:
            inputs = functional.avg_pool2d(inputs.mean(1, keepdim=True), shrink)
        return inputs
