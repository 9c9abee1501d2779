"""The compiled renderer as one autograd function for the CPU: forward and backward fused, memory of the image."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from articulate.sketch.coverage_kernels import coverage_gradient, draw_coverage
from articulate.sketch.kernels import KERNEL_PROFILES
from articulate.sketch.painting_kernels import draw_painting, painting_gradient
from articulate.sketch.profiles import composition_code, cut_off
from articulate.sketch.reference import pixel_centres

# Of 2, 4, 8 and 16 the fastest at 64 and 128 pixels.
BAND_HEIGHT = 4


class Settings(NamedTuple):
    """How to draw, apart from what: see `draw_limbs`."""

    size: tuple[int, int]
    profile: str
    composition: str
    softness: float
    temperature: float
    threshold: float


@lru_cache(maxsize=4)
def thread_pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Worker threads of one process: a forked child has another id, because threads do not survive a fork."""
    return ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix=f"sketch-{process}")


def shares_of_work(
    num_samples: int, num_rows: int, num_threads: int, height: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(samples, rows) for each thread: whole images where there are enough of them, otherwise bands of `height` rows.

    Bands are never cut, so that the number of threads does not change what is drawn.
    """

    def cut(count: int) -> list[tuple[int, int]]:
        parts = max(1, min(num_threads, count))
        bounds = [round(i * count / parts) for i in range(parts + 1)]
        return list(zip(bounds[:-1], bounds[1:], strict=True))

    if num_samples >= num_threads:
        return [(samples, (0, num_rows)) for samples in cut(num_samples)]
    bands = cut(-(-num_rows // height))
    return [((0, num_samples), (first * height, min(last * height, num_rows))) for first, last in bands]


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


def band_height(settings: Settings) -> int:
    """Rows drawn together: many where strokes are thin, one where they fill whole rows anyway (no row is wasted)."""
    return 1 if cut_off(settings.profile, settings.threshold) > 30.0 else BAND_HEIGHT


def kernel_arguments(inputs: tuple[Tensor, ...], settings: Settings, skip_zero: bool) -> tuple[Any, ...]:
    """What both kernels take first; only limbs and weights where there is no colour."""
    dtype = np.float32 if inputs[0].dtype == torch.float32 else np.float64
    rows, columns = places(settings.size, inputs[0].dtype)
    step = settings.profile == "smooth_step"
    # A finite cut, so that it times a half-width stays a number; 1e6 half-widths reach every pixel.
    cut = dtype(min(cut_off(settings.profile, settings.threshold), 1e6))
    profile = KERNEL_PROFILES[settings.profile](cut, dtype(settings.softness if step else 0.0))  # type: ignore[arg-type]
    rule = (profile, composition_code(settings.composition), skip_zero)
    painted = inputs[3].shape[-1] > 0
    arrays = tuple(t.detach().contiguous().numpy() for t in inputs[: 4 if painted else 2])
    # The compiled sigmoid uses powers of two.
    extra = (dtype(math.log2(math.e) / settings.temperature),) if painted else ()
    return (*arrays, *rule, *extra, columns, rows, band_height(settings))


class CompiledSketch(torch.autograd.Function):
    """The kernels as one differentiable function; inputs as `draw_reference`, absent ones with an axis of size zero."""

    @staticmethod
    def forward(
        ctx: Any,
        geometry: Float[Tensor, "B L 6"],
        weight: Float[Tensor, "B L"],
        depth: Float[Tensor, "B L 2"],
        colour: Float[Tensor, "B L 2 C"],
        settings: Settings,
    ) -> Float[Tensor, "B D H W"]:
        """Coverage and, with colours, coverage times mean colour."""
        ctx.save_for_backward(geometry, weight, depth, colour)
        ctx.settings = settings
        arguments = kernel_arguments((geometry, weight, depth, colour), settings, skip_zero=True)
        image = geometry.new_zeros(geometry.shape[0], 1 + colour.shape[-1], *settings.size)
        view = image.numpy()
        draw = draw_painting if colour.shape[-1] else draw_coverage
        work = shares_of_work(geometry.shape[0], settings.size[0], torch.get_num_threads(), band_height(settings))
        run_shares(work, lambda i, share: draw(*arguments, view, share[0], share[1]))
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_image: Float[Tensor, "B D H W"]) -> tuple[Any, ...]:  # type: ignore[override]
        """Gradients by geometry, weight, depth and colour."""
        inputs = ctx.saved_tensors
        arguments = kernel_arguments(inputs, ctx.settings, skip_zero=not ctx.needs_input_grad[1])
        height = band_height(ctx.settings)
        work = shares_of_work(inputs[0].shape[0], ctx.settings.size[0], torch.get_num_threads(), height)
        # One set of sums per thread, added in a fixed order, so that results repeat bit for bit.
        sums = [tuple(torch.zeros_like(t, memory_format=torch.contiguous_format) for t in inputs) for _ in work]
        g_view = g_image.contiguous().numpy()
        painted = inputs[3].shape[-1] > 0
        gradient = painting_gradient if painted else coverage_gradient
        views = [tuple(g.numpy() for g in s[: 4 if painted else 2]) for s in sums]
        run_shares(work, lambda i, share: gradient(*arguments, g_view, *views[i], share[0], share[1]))
        total = [sum(parts[1:], parts[0]) for parts in zip(*sums, strict=True)] if sums else [None] * 4
        return (*(g if need else None for g, need in zip(total, ctx.needs_input_grad, strict=False)), None)


def draw_compiled(
    geometry: Float[Tensor, "B L 6"],
    weight: Float[Tensor, "B L"],
    depth: Float[Tensor, "B L 2"] | None,
    colour: Float[Tensor, "B L 2 C"] | None,
    settings: Settings,
) -> Float[Tensor, "B D H W"]:
    """`draw_reference`, compiled: off by at most the number of limbs at a pixel times the threshold.

    A sample with a point that is not finite is drawn as NaN. Raises TypeError for a dtype other than float32, float64.
    """
    if geometry.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the compiled sketch draws float32 and float64, not {geometry.dtype}")
    batch, num_limbs = weight.shape
    absent_depth = geometry.new_zeros(batch, num_limbs, 2) if depth is None else depth
    absent_colour = geometry.new_zeros(batch, num_limbs, 2, 0) if colour is None else colour
    finite = geometry.detach().isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        safe = torch.where(finite[:, None, None], geometry, 0.5)
        image = CompiledSketch.apply(safe, weight, absent_depth, absent_colour, settings)
        return torch.where(finite[:, None, None, None], image, math.nan)
    return CompiledSketch.apply(geometry, weight, absent_depth, absent_colour, settings)
