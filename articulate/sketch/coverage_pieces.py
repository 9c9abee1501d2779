"""Compiled pieces of a drawing of white limbs, found through a description of the whole in one buffer.

The description holds addresses, sizes and numbers, so that a thread needs nothing from the interpreter.
"""

from functools import lru_cache
from typing import Any, no_type_check

import numpy as np
from numba import carray, cfunc, njit

from articulate.sketch.atomics import load, pointer_like
from articulate.sketch.band_kernels import ROWS
from articulate.sketch.coverage_gradient_kernels import coverage_gradient
from articulate.sketch.coverage_kernels import draw_coverage
from articulate.sketch.described import CUT, NUMBER, PIECE, SOFTNESS, described, stroke_types
from articulate.sketch.kernels import rounding_step, type_like
from articulate.sketch.limb_kernels import MAXIMUM

# Words of a description. Arrays are addresses, 0 where they are absent; strides count numbers. PARTS pieces of LINES
# rows make an image. Without WIDTHS all half-widths are WIDTH, without WEIGHTS all weights are 1. STRAY becomes 1 for
# an edge to no point. SUMS [B, PARTS, 2 K + 3 L] gets the gradients of points, half-widths and weights, the last two
# where LONG. Three floating-point numbers end the description: the strokes' cut and softness, and WIDTH.
(
    POINTS, EDGES, EDGE_LIMB, EDGE_END, WIDTHS, WIDTH_IMAGE, WIDTH_LIMB, WIDTH_END, WEIGHTS, WEIGHT_IMAGE, WEIGHT_LIMB,
    IMAGE, STATE, OWNER, G_IMAGE, SUMS, LINE_PLACES, ACROSS, DOWN, NUM_POINTS, NUM_LIMBS, HEIGHT, BREADTH, PARTS, LINES,
    COMPOSITION, LONG, WEIGHED, STRAY,
) = range(29)  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def limb_end(words, n, end):
    """The point at an end of limb n; as in NumPy, -1 is the last one."""
    k = load(words[EDGES], n * words[EDGE_LIMB] + end * words[EDGE_END])
    return k + words[NUM_POINTS] if k < 0 else k


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def gather_limbs(words, width, b, limbs):
    """Fill limbs [L, 7] of image b: ends, half-widths, weight; whether the former are finite. Marks a stray edge."""
    points = carray(pointer_like(words[POINTS], width), (b + 1, words[NUM_POINTS], 2))[b]
    finite = True
    for n in range(limbs.shape[0]):
        for end in range(2):
            k = limb_end(words, n, end)
            if k < 0 or k >= words[NUM_POINTS]:
                words[STRAY] = 1
                return False
            limbs[n, 2 * end], limbs[n, 2 * end + 1] = points[k, 0], points[k, 1]
            limbs[n, 4 + end] = width
            if words[WIDTHS] != 0:
                step = b * words[WIDTH_IMAGE] + n * words[WIDTH_LIMB] + end * words[WIDTH_END]
                limbs[n, 4 + end] = carray(pointer_like(words[WIDTHS], width), (step + 1,))[step]
        limbs[n, 6] = type_like(width, 1.0)
        if words[WEIGHTS] != 0:
            step = b * words[WEIGHT_IMAGE] + n * words[WEIGHT_LIMB]
            limbs[n, 6] = carray(pointer_like(words[WEIGHTS], width), (step + 1,))[step]
        for i in range(6):
            finite = finite and np.isfinite(limbs[n, i])
    return finite


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def places_and_state(words, width, b):
    """Places of the pixels of a band, of the rows; state and owners [bands, pixels] of image b."""
    rows = carray(pointer_like(words[LINE_PLACES], width), (words[HEIGHT],))
    across = carray(pointer_like(words[ACROSS], width), (words[BREADTH] * ROWS,))
    down = carray(pointer_like(words[DOWN], width), (words[BREADTH] * ROWS,))
    bands = ((words[HEIGHT] + ROWS - 1) // ROWS, words[BREADTH] * ROWS)
    state = carray(pointer_like(words[STATE], width), (b + 1, bands[0], bands[1]))[b]
    named = b if words[COMPOSITION] == MAXIMUM else 0
    owner = carray(pointer_like(words[OWNER], np.int32(0)), (named + 1, bands[0], bands[1]))[named]
    return across, down, rows, state, owner


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def draw_piece(words, profile, width, piece):
    """Draw some rows of one image: NaN where a limb is not finite."""
    b, first = piece // words[PARTS], piece % words[PARTS] * words[LINES]
    last = min(first + words[LINES], words[HEIGHT])
    across, down, rows, state, owner = places_and_state(words, width, b)
    image = carray(pointer_like(words[IMAGE], width), (b + 1, words[HEIGHT], words[BREADTH]))[b]
    limbs = np.empty((words[NUM_LIMBS], 7), rows.dtype)
    if gather_limbs(words, width, b, limbs):
        least = rounding_step(width)
        draw_coverage(limbs, profile, words[COMPOSITION], across, down, rows, least, image, state, owner, first, last)
        return
    for i in range(first, last):
        for j in range(words[BREADTH]):
            image[i, j] = type_like(width, np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def pull_piece(words, profile, width, piece):
    """Gradients that some rows of one image contribute: none where a limb is not finite."""
    b, part = piece // words[PARTS], piece % words[PARTS]
    first, num_points, num_limbs = part * words[LINES], words[NUM_POINTS], words[NUM_LIMBS]
    last = min(first + words[LINES], words[HEIGHT])
    across, down, rows, state, owner = places_and_state(words, width, b)
    g_image = carray(pointer_like(words[G_IMAGE], width), (b + 1, words[HEIGHT], words[BREADTH]))[b]
    space = 2 * num_points + (3 * num_limbs if words[LONG] else 0)
    sums = carray(pointer_like(words[SUMS], width), (piece + 1, space))[piece]
    sums[:] = type_like(width, 0.0)
    limbs, g_limbs = np.empty((num_limbs, 7), rows.dtype), np.zeros((num_limbs, 7), rows.dtype)
    if not gather_limbs(words, width, b, limbs):
        return
    ends_alone, skip_zero = words[LONG] == 0, words[WEIGHED] == 0
    coverage_gradient(
        limbs, profile, words[COMPOSITION], across, down, rows, rounding_step(width), ends_alone, skip_zero, state,
        owner, g_image, g_limbs, first, last,
    )  # fmt: skip
    for n in range(num_limbs):
        for end in range(2):
            k = 2 * limb_end(words, n, end)
            sums[k] += g_limbs[n, 2 * end]
            sums[k + 1] += g_limbs[n, 2 * end + 1]
            if words[LONG]:
                sums[2 * num_points + 2 * n + end] = g_limbs[n, 4 + end]
        if words[LONG]:
            sums[2 * (num_points + num_limbs) + n] = g_limbs[n, 6]


@lru_cache(maxsize=8)
def drawing_function(profile: str, single: bool) -> Any:
    """`draw_piece` for a profile and a precision, compiled, to be called by its address."""
    strokes, real = stroke_types(profile, single)

    @cfunc(PIECE, cache=True)
    @no_type_check
    def run(description, piece):
        words, numbers = described(description)
        draw_piece(words, strokes(real(numbers[CUT]), real(numbers[SOFTNESS])), real(numbers[NUMBER]), piece)

    return run


@lru_cache(maxsize=8)
def pulling_function(profile: str, single: bool) -> Any:
    """`pull_piece` likewise."""
    strokes, real = stroke_types(profile, single)

    @cfunc(PIECE, cache=True)
    @no_type_check
    def run(description, piece):
        words, numbers = described(description)
        pull_piece(words, strokes(real(numbers[CUT]), real(numbers[SOFTNESS])), real(numbers[NUMBER]), piece)

    return run
