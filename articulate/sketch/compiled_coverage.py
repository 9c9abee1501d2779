"""White limbs as one autograd function for the CPU: from points to pixels and back in two compiled calls."""

import struct
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from articulate.sketch.band_kernels import ROWS
from articulate.sketch.coverage_pieces import STRAY, drawing_function, pulling_function
from articulate.sketch.crew import call_crew
from articulate.sketch.limb_kernels import MAXIMUM
from articulate.sketch.pieces import constants, divide, run_described
from articulate.sketch.profiles import WIDTH_FLOOR, composition_code
from articulate.sketch.settings import Settings

# The words of `coverage_pieces`.
DESCRIPTION = struct.Struct("=29q3d")


def run_coverage(
    pull: bool,
    limbs: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
    pixels: tuple[int, int, int, int, int],
    fixed: float,
    settings: Settings,
    asked: tuple[int, int],
) -> None:
    """Draw or pull all pieces: points, edges, half-widths and weights; addresses IMAGE to SUMS; LONG and WEIGHED."""
    points, edges, width, weight = limbs
    batch, num_points, _ = points.shape
    parts, lines = divide(batch, settings.size)
    _, (rows, _, *band), composition, cut, step = constants(settings, points.dtype)
    words = bytearray(DESCRIPTION.size)
    DESCRIPTION.pack_into(
        words, 0, points.data_ptr(), edges.data_ptr(), *edges.stride(),
        *((0, 0, 0, 0) if width is None else (width.data_ptr(), *width.stride())),
        *((0, 0, 0) if weight is None else (weight.data_ptr(), *weight.stride())),
        *pixels, rows, *band, num_points, len(edges), *settings.size, parts, lines, composition, *asked, 0, cut, step,
        fixed,
    )  # fmt: skip
    function_of = pulling_function if pull else drawing_function
    run_described(function_of(settings.profile, points.dtype == torch.float32), words, batch * parts)
    if any(words[8 * STRAY : 8 * STRAY + 8]):
        raise IndexError(f"sketch: an edge leads to none of the {num_points} points")


class CompiledCoverage(torch.autograd.Function):
    """Coverage of limbs between contiguous points. Without `width` all half-widths are `fixed`; no `weight`: all 1."""

    @staticmethod
    def forward(
        ctx: Any,
        points: Float[Tensor, "B K 2"],
        width: Float[Tensor, "B L 2"] | None,
        weight: Float[Tensor, "B L"] | None,
        edges: Int[Tensor, "L 2"],
        fixed: float,
        settings: Settings,
    ) -> Float[Tensor, "B 1 H W"]:
        """Raises IndexError for an edge to no point."""
        call_crew(torch.get_num_threads())
        height, breadth = settings.size
        bands = (len(points), -(-height // ROWS), breadth * ROWS)
        image, state = points.new_empty(len(points), 1, height, breadth), points.new_empty(bands)
        named = composition_code(settings.composition) == MAXIMUM
        owner = torch.empty(bands, dtype=torch.int32) if named else state
        pixels = (image.data_ptr(), state.data_ptr(), owner.data_ptr(), 0, 0)
        run_coverage(False, (points, edges, width, weight), pixels, fixed, settings, (0, 0))
        ctx.save_for_backward(points, edges, width, weight, state, owner)
        ctx.fixed, ctx.settings = fixed, settings
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_image: Float[Tensor, "B 1 H W"]) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients by points, half-widths and weights, summed in one buffer."""
        call_crew(torch.get_num_threads())
        *limbs, state, owner = ctx.saved_tensors
        points, edges = limbs[:2]
        batch, num_points, num_limbs = len(points), points.shape[1], len(edges)
        _, wide, weighed, *_ = ctx.needs_input_grad
        space = 2 * num_points + (3 * num_limbs if wide or weighed else 0)
        parts = divide(batch, ctx.settings.size)[0]
        sums, pull = points.new_empty(batch, parts, space), g_image.contiguous()
        pixels = (0, state.data_ptr(), owner.data_ptr(), pull.data_ptr(), sums.data_ptr())
        run_coverage(True, tuple(limbs), pixels, ctx.fixed, ctx.settings, (int(wide or weighed), int(weighed)))
        total = sums if parts == 1 else sums.sum(1)
        if not (wide or weighed):
            return total.view(batch, num_points, 2), None, None, None, None, None
        sizes = [2 * num_points, 2 * num_limbs, num_limbs]
        by_points, by_width, by_weight = total.view(batch, space).split(sizes, dim=1)
        by_width = by_width.unflatten(1, (num_limbs, 2)) if wide else None
        return by_points.unflatten(1, (num_points, 2)), by_width, by_weight if weighed else None, None, None, None


@lru_cache(maxsize=16)
def pairs_of(num_limbs: int) -> Int[Tensor, "L 2"]:
    """Edges from the n-th of the first points to the n-th of the others."""
    return torch.stack([torch.arange(num_limbs), torch.arange(num_limbs) + num_limbs], dim=1)


def draw_compiled_coverage(
    points: Float[Tensor, "B K 2"],
    edges: Int[Tensor, "L 2"],
    width: Float[Tensor, "L 2"] | Float[Tensor, "B L 2"] | Float[Tensor, ""] | float,
    weight: Float[Tensor, "B L"] | Float[Tensor, " L"] | None,
    settings: Settings,
) -> Float[Tensor, "B 1 H W"]:
    """`draw_reference` of white limbs, compiled: off by at most the number of limbs at a pixel times the threshold.

    A sample with a limb that is not finite is drawn as NaN and has no gradient.
    Raises TypeError for a dtype other than float32, float64, and IndexError for an edge to no point.
    """
    if points.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the compiled sketch draws float32 and float64, not {points.dtype}")
    batch, num_limbs = len(points), len(edges)
    widths, fixed = None, WIDTH_FLOOR
    if isinstance(width, Tensor):
        widths = width.to(points.dtype).clamp(min=WIDTH_FLOOR).expand(batch, num_limbs, 2)
    else:
        fixed = max(float(width), WIDTH_FLOOR)
    weights = None if weight is None else weight.to(points.dtype).expand(batch, num_limbs)
    return CompiledCoverage.apply(points.contiguous(), widths, weights, edges.long(), fixed, settings)
