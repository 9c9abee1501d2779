"""Pixels in which the colours of two limbs mix to that of a third: what lies at seams is not believed."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from articulate.seeding.parts.colour import UNSURE, ColourParts

LIKE = 2  # a pixel with more neighbours of its part than a seam has shows that part itself
NEAR = 2  # pixels in which the two limbs of a mixture are looked for


def drop_mixtures(labels: Int[np.ndarray, "T S S"], chroma: Float[np.ndarray, "T S S 2"], parts: ColourParts) -> None:
    """Make pixels UNSURE, in place, whose colour lies between those of two other parts beside them.

    Chromaticities of a mixture lie on the line between those of what is mixed. Only pixels with at most `LIKE`
    neighbours of their own part are asked.
    """
    found = np.zeros(labels.shape, np.bool_)
    _mixtures(labels, chroma.astype(np.float64), parts.centres, parts.reach, found)
    labels[found] = UNSURE


@no_type_check
@njit(cache=True)
def _mixtures(labels, chroma, centres, reach, found):
    num_frames, size = labels.shape[:2]
    beside = np.zeros(len(centres), np.bool_)
    for t in range(num_frames):
        for row in range(size):
            for column in range(size):
                own = labels[t, row, column]
                if own < 0:
                    continue
                beside[:] = False
                like = 0
                for y in range(max(0, row - NEAR), min(size, row + NEAR + 1)):
                    for x in range(max(0, column - NEAR), min(size, column + NEAR + 1)):
                        other = labels[t, y, x]
                        if other < 0:
                            continue
                        beside[other] = True
                        like += other == own and abs(y - row) <= 1 and abs(x - column) <= 1
                beside[own] = False
                if like - 1 <= LIKE:
                    found[t, row, column] = _between(chroma[t, row, column], centres, beside, reach[own])


@no_type_check
@njit(cache=True)
def _between(colour, centres, beside, reach):
    """Whether a colour lies within `reach` of the line between two of the colours beside it, and not at its ends."""
    for p in range(len(centres)):
        if not beside[p]:
            continue
        for q in range(p):
            if not beside[q]:
                continue
            step = centres[q] - centres[p]
            squared = (step * step).sum()
            share = ((colour - centres[p]) * step).sum() / squared
            if share <= 0.0 or share >= 1.0:
                continue
            off = colour - centres[p] - share * step
            if (off * off).sum() < reach * reach:
                return True
    return False
