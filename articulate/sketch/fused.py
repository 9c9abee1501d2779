"""The renderer of white limbs fused for GPUs, through Triton where that is installed: memory of two images.

The same method as the compiled kernels of the CPU: the state of a pixel is what its limbs leave uncovered, and divided
by what a limb itself leaves it is the product over the others. Triton's interpreter (TRITON_INTERPRET=1) runs the
kernels on the CPU, which is how they are tested without a GPU.
"""

import math
import os
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from articulate.sketch.profiles import cut_off, profile_code
from articulate.sketch.settings import Settings


def available() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


def interpreted() -> bool:
    """Whether Triton was asked to run its kernels on the CPU, slowly, for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


class FusedSketch(torch.autograd.Function):
    """Coverage of white limbs by geometry and weight."""

    @staticmethod
    def forward(
        ctx: Any, geometry: Float[Tensor, "B L 6"], weight: Float[Tensor, "B L"], settings: Settings
    ) -> Float[Tensor, "B 1 H W"]:
        """One program per tile of each image, over all limbs that reach it."""
        from articulate.sketch.fused_kernels import TILE, draw_tile  # it needs triton

        batch, num_limbs = weight.shape
        height, width = settings.size
        geometry, weight = geometry.contiguous(), weight.contiguous()
        image, state = geometry.new_empty(batch, 1, height, width), geometry.new_empty(batch, height, width)
        grid = (batch, -(-height // TILE) * -(-width // TILE))
        draw_tile[grid](
            geometry, weight, image, state, num_limbs, height, width, *reach_numbers(settings),
            PROFILE=profile_code(settings.profile), TILE=TILE,
        )  # fmt: skip
        ctx.save_for_backward(geometry, weight, state)
        ctx.settings = settings
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_image: Float[Tensor, "B 1 H W"]) -> tuple[Any, ...]:  # type: ignore[override]
        """One program per limb, over the tiles that it reaches: no two programs write the same number."""
        from articulate.sketch.fused_kernels import TILE, pull_limb  # it needs triton

        geometry, weight, state = ctx.saved_tensors
        batch, num_limbs = weight.shape
        height, width = ctx.settings.size
        g_geometry, g_weight = torch.zeros_like(geometry), torch.zeros_like(weight)
        pull_limb[(batch, num_limbs)](
            geometry, weight, state, g_image.contiguous(), g_geometry, g_weight, num_limbs, height, width,
            *reach_numbers(ctx.settings), PROFILE=profile_code(ctx.settings.profile), TILE=TILE,
        )  # fmt: skip
        return g_geometry, g_weight, None


def reach_numbers(settings: Settings) -> tuple[float, float]:
    """Cut-off in half-widths (finite, so that it times a half-width is a number) and softness of the step."""
    step = settings.profile == "smooth_step"
    return min(cut_off(settings.profile, settings.threshold), 1e6), settings.softness if step else 0.0


def draw_fused(
    geometry: Float[Tensor, "B L 6"], weight: Float[Tensor, "B L"], settings: Settings
) -> Float[Tensor, "B 1 H W"]:
    """`draw_reference` of white limbs under `soft_or`, float32; a sample with a point that is not finite is NaN."""
    # Without a branch, which would have to wait for the GPU.
    finite = geometry.detach().isfinite().flatten(1).all(dim=1)
    image = FusedSketch.apply(torch.where(finite[:, None, None], geometry, 0.5), weight, settings)
    return torch.where(finite[:, None, None, None], image, math.nan)
