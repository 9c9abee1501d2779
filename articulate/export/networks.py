"""Detector and lifter as ONNX: `detector.onnx` (images -> xy, score, covariance), `lifter.onnx` (xy, score -> joints).

Images are RGB in [0, 1] of the size trained on, prepared as in training (foreground, crop); xy is the image frame
[-1, 1] of the stored frame; the number of images is free.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from articulate.errors import ExportError
from articulate.export.writing import atomic, require
from articulate.lifting.inputs import Prepared, seen_points, weighted_centre
from articulate.lifting.lifter import Lifter

TOLERANCE = 1e-4


class DetectorOutputs(nn.Module):
    """The detector with its readings as plain tensors."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Float[Tensor, "N C H W"]) -> tuple[Tensor, Tensor, Tensor]:
        """xy, score, covariance."""
        found = self.detector(images)
        return found.xy, found.score, found.covariance


class LifterOutputs(nn.Module):
    """The lifter on keypoints and their scores: `Lifter.forward` with the number of frames left free."""

    def __init__(self, lifter: Lifter) -> None:
        super().__init__()
        self.lifter = lifter

    def forward(self, xy: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"]) -> Tensor:
        """Joints in units of `xy`."""
        seen = seen_points(xy, score)
        weight = torch.where(seen, score, torch.zeros_like(score))
        filled = torch.where(seen[..., None], xy, torch.zeros_like(xy))
        centre = weighted_centre(filled, weight)
        scale = self.lifter.scale.to(xy.dtype) * torch.ones_like(xy[:, 0, 0])  # a traced `expand` would fix its length
        points = torch.where(seen[..., None], (filled - centre) / scale[:, None, None], torch.zeros_like(xy))
        joints = self.lifter.lift(Prepared(points, weight, centre, scale)) * scale[:, None, None]
        return torch.cat([joints[..., :2] + centre, joints[..., 2:]], -1)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the exporter's remarks (it traces, and says so of every shape); its errors come through."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def write_onnx(
    module: nn.Module, examples: Sequence[Tensor], path: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> Path:
    """Write `module` with a free first axis and check it against PyTorch where onnxruntime is installed.

    Raises ExportError without the extra `onnx`, or when the file computes something else.
    """
    require("onnx", "onnx", "the ONNX format")
    module = module.eval()
    with atomic(path) as partial, quiet(), torch.no_grad():
        # The exporter that traces: the one that compiles needs half a minute for a network of this size.
        torch.onnx.export(
            module,
            tuple(examples),
            str(partial),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
            opset_version=17,
            dynamo=False,
        )
        difference = largest_difference(module, examples, partial, inputs)
        if difference is not None and difference > TOLERANCE:
            raise ExportError(
                f"{path}: the ONNX file differs from the network by {difference:.2g}; nothing was written"
            )
    return path


def largest_difference(
    module: nn.Module, examples: Sequence[Tensor], path: Path, inputs: Sequence[str]
) -> float | None:
    """Largest difference of the outputs between onnxruntime and PyTorch; None without onnxruntime."""
    try:
        runtime = require("onnxruntime", "onnx", "checking ONNX files")
    except ExportError:
        return None
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: x.numpy() for name, x in zip(inputs, examples, strict=True)})
    wanted = module(*examples)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    pairs = zip(found, wanted, strict=True)
    return max(float(np.abs(a - b.detach().numpy()).max()) for a, b in pairs)


def write_networks(
    folder: Path,
    detector: nn.Module,
    image_size: int,
    num_keypoints: int,
    lifter: Lifter | None = None,
    channels: int = 3,
) -> list[Path]:
    """Write `detector.onnx` and, where there is a lifter, `lifter.onnx` into `folder`."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, channels, image_size, image_size, generator=generator)
    reading = ("xy", "score", "covariance")
    written = [write_onnx(DetectorOutputs(detector), [images], folder / "detector.onnx", ["images"], reading)]
    if lifter is not None:
        xy = torch.rand(2, num_keypoints, 2, generator=generator) - 0.5
        score = torch.ones(2, num_keypoints)
        path = folder / "lifter.onnx"
        written.append(write_onnx(LifterOutputs(lifter), [xy, score], path, ["xy", "score"], ["joints"]))
    return written
