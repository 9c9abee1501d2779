"""Backends for GPUs, tested on the CPU: strips of rows, and the Triton kernels through Triton's interpreter."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from articulate.errors import ConfigError
from articulate.sketch import draw_limbs
from articulate.sketch.chunked import draw_chunked, rows_per_strip
from articulate.sketch.draw import choose_backend
from articulate.sketch.reference import draw_reference
from articulate.sketch.settings import Settings

ROOT = Path(__file__).parents[2]
PROFILES = ("gaussian", "exponential", "student", "smooth_step")


def scene(device: str = "cpu") -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    values = {
        "start": torch.rand(2, 4, 2, generator=g) * 1.6 - 0.8,
        "end": torch.rand(2, 4, 2, generator=g) * 1.6 - 0.8,
        "width": torch.rand(4, 2, generator=g) * 0.1 + 0.03,
        "weight": torch.rand(2, 4, generator=g) * 0.5 + 0.5,
    }
    values["end"][0, 1] = values["start"][0, 1]  # a dot, of one width
    values["width"][1, 1] = values["width"][1, 0]
    return {name: value.to(device).requires_grad_() for name, value in values.items()}


def drawn(values: dict[str, torch.Tensor], profile: str, backend: str) -> list[torch.Tensor]:
    """The image and every gradient."""
    image = draw_limbs(**values, size=(20, 40), profile=profile, backend=backend)
    ramp = torch.linspace(-1, 1, image.numel(), device=image.device).view_as(image)
    return [image.detach(), *torch.autograd.grad((image * ramp).sum(), list(values.values()))]


def test_triton_agrees_with_reference():
    """In a process of its own: the run-time checkers of these tests wrap functions, which Triton cannot read then.

    On the GPU where there is one, else through Triton's interpreter.
    """
    pytest.importorskip("triton")
    code = f"import runpy; runpy.run_path({__file__!r})['check_triton']()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    environment |= {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=200)


def check_triton() -> None:
    values = scene("cuda" if torch.cuda.is_available() else "cpu")
    for profile in PROFILES:
        for fused, plain in zip(drawn(values, profile, "triton"), drawn(values, profile, "torch"), strict=True):
            assert (fused - plain).abs().max() < 1e-5 + 1e-4 * plain.abs().max(), profile
    values["start"].data[0, 0, 0] = math.nan
    image = draw_limbs(**values, size=(20, 40), backend="triton")
    assert image[0].isnan().all() and image[1].isfinite().all()


@pytest.mark.parametrize("composition", ["soft_or", "sum", "maximum", "over"])
def test_strips_draw_what_the_whole_draws(composition):
    g = torch.Generator().manual_seed(1)
    tensors = [torch.rand(2, 3, 6, generator=g), torch.rand(2, 3, generator=g)]
    tensors += [torch.rand(2, 3, 2, generator=g), torch.rand(2, 3, 2, 3, generator=g)]
    inputs = [t.requires_grad_() for t in tensors]
    settings = Settings((11, 9), "gaussian", composition, 0.1, 0.1, 0.0)
    found = []
    for draw in (draw_reference, lambda *a: draw_chunked(*a, limit=200)):
        image = draw(*inputs, settings)
        ramp = torch.linspace(-1, 1, image.numel()).view_as(image)
        found.append([image, *torch.autograd.grad((image * ramp).sum(), inputs, allow_unused=True)])
    for whole, strips in zip(*found, strict=True):
        assert (whole is None) == (strips is None)
        assert whole is None or torch.allclose(whole, strips, atol=1e-5)


def test_strips_hold_a_bounded_number():
    assert rows_per_strip(8, 15, 128, pairs=False, limit=2**22) * 8 * 15 * 128 <= 2**22
    assert rows_per_strip(8, 15, 128, pairs=True, limit=2**22) * 8 * 15 * 15 * 128 <= 2**22
    assert rows_per_strip(64, 64, 512, pairs=True, limit=100) == 1


def test_backend_is_chosen_by_what_can_draw(monkeypatch):
    cpu, cuda, mps = (torch.device(name) for name in ("cpu", "cuda", "mps"))
    monkeypatch.setattr("articulate.sketch.draw.available", lambda: True)
    assert choose_backend("auto", cpu, torch.float64, True) == "numba"
    assert choose_backend("auto", cpu, torch.bfloat16, True) == "chunked"
    assert choose_backend("auto", cuda, torch.float32, True) == "triton"
    assert choose_backend("auto", cuda, torch.float32, False) == "chunked"
    assert choose_backend("auto", mps, torch.float32, True) == "chunked"
    monkeypatch.setattr("articulate.sketch.draw.available", lambda: False)
    assert choose_backend("auto", cuda, torch.float32, True) == "chunked"
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        choose_backend("triton", cuda, torch.float32, True)
    with pytest.raises(ConfigError, match="draws on the cpu"):
        choose_backend("numba", cuda, torch.float32, True)
