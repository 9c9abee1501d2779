"""How a drawing is cut into pieces, some rows of one image each, and what they all need."""

import ctypes
from functools import lru_cache
from typing import Any

import torch

from articulate.sketch.band_kernels import ROWS, band_places
from articulate.sketch.crew import run_pieces
from articulate.sketch.profiles import composition_code, cut_off
from articulate.sketch.reference import pixel_centres
from articulate.sketch.settings import Settings

# Pixels that are finished before the next ones are begun: 64 KB in float32, which caches hold. And the fewest that are
# worth handing to another thread.
MOST_PIXELS, LEAST_PIXELS = 16384, 4096
# Pieces that divide the work evenly enough among a few threads.
ENOUGH_PIECES = 8


@lru_cache(maxsize=64)
def divide(batch: int, size: tuple[int, int]) -> tuple[int, int]:
    """(pieces an image, rows a piece): whole bands, and never by the number of threads, which must not show."""
    bands, pixels = -(-size[0] // ROWS), size[0] * size[1]
    wanted = max(-(-pixels // MOST_PIXELS), min(-(-ENOUGH_PIECES // max(batch, 1)), pixels // LEAST_PIXELS), 1)
    each = -(-bands // min(wanted, bands))
    return -(-bands // each), each * ROWS


@lru_cache(maxsize=64)
def constants(settings: Settings, dtype: torch.dtype) -> tuple[Any, list[int], int, float, float]:
    """Rows, columns, pixels of a band across and down; their addresses; the composition's number, cut and softness."""
    rows, columns = (centres.numpy() for centres in pixel_centres(settings.size, dtype, torch.device("cpu")))
    places = (rows, columns, *band_places(columns, rows))
    # A finite cut, so that it times a half-width stays a number; 1e6 half-widths reach every pixel.
    cut = min(cut_off(settings.profile, settings.threshold), 1e6)
    step = settings.softness if settings.profile == "smooth_step" else 0.0
    return places, [p.ctypes.data for p in places], composition_code(settings.composition), cut, step


def run_described(function: Any, words: bytearray, count: int) -> None:
    """Call the compiled function of a piece for all pieces of the work that `words` describe."""
    run_pieces(function.address, ctypes.addressof(ctypes.c_char.from_buffer(words)), count)
