"""Compiled pieces of a drawing of coloured limbs, found through a description of the whole in one buffer."""

from functools import lru_cache
from typing import Any, no_type_check

from numba import carray, cfunc, njit

from articulate.sketch.atomics import pointer_like
from articulate.sketch.described import CUT, NUMBER, PIECE, SOFTNESS, described, stroke_types
from articulate.sketch.kernels import type_like
from articulate.sketch.painting_kernels import draw_painting, painting_gradient

# Words of a description. Arrays are addresses; PARTS pieces of LINES rows make an image. SUMS [B, PARTS, (9 + 2 C) L]
# gets the gradients of limbs, weights, depths and colours. Three floating-point numbers end the description: the
# strokes' cut and softness, and one over the temperature in powers of two.
(
    LIMBS, WEIGHTS, DEPTHS, COLOURS, IMAGE, SUMS, LINE_PLACES, COLUMN_PLACES, NUM_LIMBS, CHANNELS, HEIGHT, BREADTH,
    PARTS, LINES, COMPOSITION, SKIP_ZERO,
) = range(16)  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def arrays_of(words, example, b):
    """Limbs, weights, depths and colours of image b alone, the image, and the places of columns and rows."""
    count, channels = words[NUM_LIMBS], words[CHANNELS]
    limbs = carray(pointer_like(words[LIMBS], example), (b + 1, count, 6))[b:]
    weight = carray(pointer_like(words[WEIGHTS], example), (b + 1, count))[b:]
    depth = carray(pointer_like(words[DEPTHS], example), (b + 1, count, 2))[b:]
    colour = carray(pointer_like(words[COLOURS], example), (b + 1, count, 2, channels))[b:]
    image = carray(pointer_like(words[IMAGE], example), (b + 1, 1 + channels, words[HEIGHT], words[BREADTH]))[b:]
    columns = carray(pointer_like(words[COLUMN_PLACES], example), (words[BREADTH],))
    rows = carray(pointer_like(words[LINE_PLACES], example), (words[HEIGHT],))
    return limbs, weight, depth, colour, image, columns, rows


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def paint_piece(words, profile, inverse_temperature, piece):
    """Paint some rows of one image, which is zero before."""
    b, first = piece // words[PARTS], piece % words[PARTS] * words[LINES]
    lines = (first, min(first + words[LINES], words[HEIGHT]))
    limbs, weight, depth, colour, image, columns, rows = arrays_of(words, inverse_temperature, b)
    draw_painting(
        limbs, weight, depth, colour, profile, words[COMPOSITION], words[SKIP_ZERO] != 0, inverse_temperature, columns,
        rows, image, (0, 1), lines,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def pull_paint_piece(words, profile, inverse_temperature, piece):
    """Gradients that some rows of one image contribute; IMAGE is the gradient by the image."""
    b, first = piece // words[PARTS], piece % words[PARTS] * words[LINES]
    lines, count, channels = (first, min(first + words[LINES], words[HEIGHT])), words[NUM_LIMBS], words[CHANNELS]
    limbs, weight, depth, colour, image, columns, rows = arrays_of(words, inverse_temperature, b)
    sums = carray(pointer_like(words[SUMS], inverse_temperature), (piece + 1, (9 + 2 * channels) * count))[piece]
    sums[:] = type_like(inverse_temperature, 0.0)
    painting_gradient(
        limbs, weight, depth, colour, profile, words[COMPOSITION], words[SKIP_ZERO] != 0, inverse_temperature, columns,
        rows, image, sums[: 6 * count].reshape(1, count, 6), sums[6 * count : 7 * count].reshape(1, count),
        sums[7 * count : 9 * count].reshape(1, count, 2), sums[9 * count :].reshape(1, count, 2, channels), (0, 1),
        lines,
    )  # fmt: skip


@lru_cache(maxsize=8)
def painting_function(profile: str, single: bool) -> Any:
    """`paint_piece` for a profile and a precision, compiled, to be called by its address."""
    strokes, real = stroke_types(profile, single)

    @cfunc(PIECE, cache=True)
    @no_type_check
    def run(description, piece):
        words, numbers = described(description)
        paint_piece(words, strokes(real(numbers[CUT]), real(numbers[SOFTNESS])), real(numbers[NUMBER]), piece)

    return run


@lru_cache(maxsize=8)
def pulling_function(profile: str, single: bool) -> Any:
    """`pull_paint_piece` likewise."""
    strokes, real = stroke_types(profile, single)

    @cfunc(PIECE, cache=True)
    @no_type_check
    def run(description, piece):
        words, numbers = described(description)
        pull_paint_piece(words, strokes(real(numbers[CUT]), real(numbers[SOFTNESS])), real(numbers[NUMBER]), piece)

    return run
