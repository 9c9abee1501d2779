"""The compiled renderer as one autograd function for the CPU: forward and backward fused, memory of the image."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from articulate.sketch.band_kernels import ROWS
from articulate.sketch.coverage_gradient_kernels import coverage_gradient
from articulate.sketch.coverage_kernels import draw_coverage
from articulate.sketch.kernels import KERNEL_PROFILES
from articulate.sketch.limb_kernels import MAXIMUM
from articulate.sketch.painting_kernels import draw_painting, painting_gradient
from articulate.sketch.profiles import composition_code, cut_off
from articulate.sketch.reference import pixel_centres
from articulate.sketch.settings import Settings


@lru_cache(maxsize=4)
def thread_pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Worker threads of one process: a forked child has another id, because threads do not survive a fork."""
    return ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix=f"sketch-{process}")


def shares_of_work(num_samples: int, num_rows: int, num_threads: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(samples, rows) for each thread: whole images where there are enough of them, otherwise bands of rows.

    Bands are never cut, so that the number of threads does not change what is drawn.
    """

    def cut(count: int) -> list[tuple[int, int]]:
        parts = max(1, min(num_threads, count))
        bounds = [round(i * count / parts) for i in range(parts + 1)]
        return list(zip(bounds[:-1], bounds[1:], strict=True))

    if num_samples >= num_threads:
        return [(samples, (0, num_rows)) for samples in cut(num_samples)]
    bands = cut(-(-num_rows // ROWS))
    return [((0, num_samples), (first * ROWS, min(last * ROWS, num_rows))) for first, last in bands]


def run_shares(work: list[Any], task: Any) -> None:
    """Run `task(index, share)` for every share of work, the first one in the calling thread."""
    if len(work) > 1:
        pool = thread_pool(os.getpid(), torch.get_num_threads())
        waiting = [pool.submit(task, i, share) for i, share in enumerate(work) if i > 0]
        task(0, work[0])
        for w in waiting:
            w.result()
    elif work:
        task(0, work[0])


@lru_cache(maxsize=32)
def places(size: tuple[int, int], dtype: torch.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixel centres, kept because small drawings would spend their time here."""
    rows, columns = pixel_centres(size, dtype, torch.device("cpu"))
    return rows.numpy(), columns.numpy()


def kernel_arguments(inputs: tuple[Tensor, ...], settings: Settings, skip_zero: bool) -> tuple[Any, ...]:
    """What all kernels take first; only limbs and weights where there is no colour."""
    dtype = np.float32 if inputs[0].dtype == torch.float32 else np.float64
    rows, columns = places(settings.size, inputs[0].dtype)
    step = settings.profile == "smooth_step"
    # A finite cut, so that it times a half-width stays a number; 1e6 half-widths reach every pixel.
    cut = dtype(min(cut_off(settings.profile, settings.threshold), 1e6))
    profile = KERNEL_PROFILES[settings.profile](cut, dtype(settings.softness if step else 0.0))  # type: ignore[arg-type]
    rule = (profile, composition_code(settings.composition), skip_zero)
    painted = inputs[3].shape[-1] > 0
    arrays = tuple(t.detach().contiguous().numpy() for t in inputs[: 4 if painted else 2])
    # The compiled sigmoid uses powers of two. What a limb leaves uncovered never falls below half a rounding step, so
    # that the other limbs' product can be formed by division.
    extra = dtype(math.log2(math.e) / settings.temperature) if painted else dtype(0.5 * np.finfo(dtype).eps)
    return (*arrays, *rule, extra, columns, rows) if painted else (*arrays, *rule, columns, rows, extra)


class CompiledSketch(torch.autograd.Function):
    """The kernels as one differentiable function; inputs as `draw_reference`, absent ones with an axis of size zero."""

    @staticmethod
    def forward(
        ctx: Any,
        geometry: Float[Tensor, "B L 6"],
        weight: Float[Tensor, "B L"],
        depth: Float[Tensor, "B L 2"],
        colour: Float[Tensor, "B L 2 C"],
        ends_alone: bool,
        settings: Settings,
    ) -> Float[Tensor, "B D H W"]:
        """Coverage and, with colours, coverage times mean colour. `ends_alone`: widths ask for no gradient."""
        arguments = kernel_arguments((geometry, weight, depth, colour), settings, skip_zero=True)
        batch, (height, width) = geometry.shape[0], settings.size
        work = shares_of_work(batch, height, torch.get_num_threads())
        if colour.shape[-1]:
            state, owner = geometry.new_empty(0), geometry.new_empty(0)
            image = geometry.new_zeros(batch, 1 + colour.shape[-1], height, width)
            view = image.numpy()
            run_shares(work, lambda i, share: draw_painting(*arguments, view, share[0], share[1]))
        else:
            bands = (batch, -(-height // ROWS), width * ROWS)
            named = composition_code(settings.composition) == MAXIMUM
            state, owner = geometry.new_empty(bands), torch.full(bands if named else (1, 1, 1), -1, dtype=torch.int32)
            image = geometry.new_empty(batch, 1, height, width)
            views = (image.numpy(), state.numpy(), owner.numpy())
            run_shares(work, lambda i, share: draw_coverage(*arguments, *views, share[0], share[1]))
        ctx.save_for_backward(geometry, weight, depth, colour, state, owner)
        ctx.settings, ctx.ends_alone = settings, ends_alone
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_image: Float[Tensor, "B D H W"]) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients by geometry, weight, depth and colour."""
        *inputs, state, owner = ctx.saved_tensors
        weighed = ctx.needs_input_grad[1]
        arguments = kernel_arguments(tuple(inputs), ctx.settings, skip_zero=not weighed)
        work = shares_of_work(inputs[0].shape[0], ctx.settings.size[0], torch.get_num_threads())
        painted = inputs[3].shape[-1] > 0
        # One set of sums per thread, added in a fixed order, so that results repeat bit for bit.
        used = inputs[: 4 if painted else 2]
        sums = [tuple(torch.zeros_like(t, memory_format=torch.contiguous_format) for t in used) for _ in work]
        g_view = g_image.contiguous().numpy()
        views = [tuple(g.numpy() for g in s) for s in sums]
        if painted:
            run_shares(work, lambda i, share: painting_gradient(*arguments, g_view, *views[i], share[0], share[1]))
        else:
            kept = (ctx.ends_alone and not weighed, state.numpy(), owner.numpy(), g_view)
            run_shares(work, lambda i, share: coverage_gradient(*arguments, *kept, *views[i], share[0], share[1]))
        total = [sum(parts[1:], parts[0]) for parts in zip(*sums, strict=True)] if sums else []
        wanted = (g if need else None for g, need in zip(total, ctx.needs_input_grad, strict=False))
        return (*wanted, *([None] * (6 - len(total))))


def draw_compiled(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"] | None,
    ends_alone: bool,
    settings: Settings,
) -> Float[Tensor, "B D H W"]:
    """`draw_reference`, compiled: off by at most the number of limbs at a pixel times the threshold.

    With `ends_alone` widths get no gradient. A sample with a point that is not finite is drawn as NaN.
    Raises TypeError for a dtype other than float32, float64.
    """
    if geometry.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the compiled sketch draws float32 and float64, not {geometry.dtype}")
    batch, num_limbs = weight.shape
    absent_depth = geometry.new_zeros(batch, num_limbs, 2) if depth is None else depth
    absent_colour = geometry.new_zeros(batch, num_limbs, 2, 0) if colour is None else colour
    finite = geometry.detach().isfinite()
    if not bool(finite.all()):
        finite = finite.flatten(1).all(dim=1)
        safe = torch.where(finite[:, None, None], geometry, 0.5)
        image = CompiledSketch.apply(safe, weight, absent_depth, absent_colour, ends_alone, settings)
        return torch.where(finite[:, None, None, None], image, math.nan)
    return CompiledSketch.apply(geometry, weight, absent_depth, absent_colour, ends_alone, settings)
