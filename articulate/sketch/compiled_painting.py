"""Coloured limbs as one autograd function for the CPU: forward and backward compiled, memory of the image."""

import math
import struct
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from articulate.sketch.crew import call_crew
from articulate.sketch.painting_pieces import painting_function, pulling_function
from articulate.sketch.pieces import constants, divide, run_described
from articulate.sketch.settings import Settings

# The words of `painting_pieces`; 13 are not used.
DESCRIPTION = struct.Struct("=16q104x3d")


def run_painting(
    pull: bool, inputs: tuple[Tensor, ...], image: Tensor, sums: int, settings: Settings, skip_zero: bool
) -> None:
    """Paint, or pull, all pieces: inputs of `CompiledPainting`, contiguous; address of the sums of gradients."""
    batch, num_limbs, _, channels = inputs[3].shape
    parts, lines = divide(batch, settings.size)
    _, (rows, columns, *_), composition, cut, step = constants(settings, image.dtype)
    words = bytearray(DESCRIPTION.size)
    # The compiled sigmoid uses powers of two.
    inverse_temperature = math.log2(math.e) / settings.temperature
    DESCRIPTION.pack_into(
        words, 0, *(t.data_ptr() for t in inputs), image.data_ptr(), sums, rows, columns, num_limbs, channels,
        *settings.size, parts, lines, composition, int(skip_zero), cut, step, inverse_temperature,
    )  # fmt: skip
    function_of = pulling_function if pull else painting_function
    run_described(function_of(settings.profile, image.dtype == torch.float32), words, batch * parts)


class CompiledPainting(torch.autograd.Function):
    """The kernels as one differentiable function of contiguous inputs, as `draw_reference`."""

    @staticmethod
    def forward(
        ctx: Any,
        geometry: Float[Tensor, "B L 6"],
        weight: Float[Tensor, "B L"],
        depth: Float[Tensor, "B L 2"],
        colour: Float[Tensor, "B L 2 C"],
        settings: Settings,
    ) -> Float[Tensor, "B D H W"]:
        """Coverage and coverage times mean colour."""
        call_crew(torch.get_num_threads())
        image = geometry.new_zeros(len(geometry), 1 + colour.shape[-1], *settings.size)
        run_painting(False, (geometry, weight, depth, colour), image, 0, settings, skip_zero=True)
        ctx.save_for_backward(geometry, weight, depth, colour)
        ctx.settings = settings
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_image: Float[Tensor, "B D H W"]) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients by geometry, weight, depth and colour, summed in one buffer."""
        call_crew(torch.get_num_threads())
        inputs, wanted = ctx.saved_tensors, ctx.needs_input_grad
        sizes = [t[0].numel() for t in inputs]
        sums = g_image.new_empty(len(g_image), divide(len(g_image), ctx.settings.size)[0], sum(sizes))
        run_painting(True, inputs, g_image.contiguous(), sums.data_ptr(), ctx.settings, skip_zero=not wanted[1])
        each = sums.sum(1).split(sizes, dim=1)
        return *(g.view_as(t) if w else None for g, t, w in zip(each, inputs, wanted, strict=False)), None


def draw_compiled_painting(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"],
    settings: Settings,
) -> Float[Tensor, "B D H W"]:
    """`draw_reference` of coloured limbs, compiled: off by at most the number of limbs at a pixel times the threshold.

    A sample with a point that is not finite is drawn as NaN.
    Raises TypeError for a dtype other than float32, float64.
    """
    if geometry.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the compiled sketch draws float32 and float64, not {geometry.dtype}")
    depth = geometry.new_zeros(*weight.shape, 2) if depth is None else depth
    finite = geometry.detach().isfinite().flatten(1).all(dim=1)
    known = bool(finite.all())
    safe = geometry if known else torch.where(finite[:, None, None], geometry, 0.5)
    image = CompiledPainting.apply(*(t.contiguous() for t in (safe, weight, depth, colour)), settings)
    return image if known else torch.where(finite[:, None, None, None], image, math.nan)
