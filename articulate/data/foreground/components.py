"""From a difference map to one subject: two thresholds, bodies, and which pixels hang on which body."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from articulate.data.foreground.compiled_subject import cores_of, find_subject, without_appendages

LEAST = 0.1  # share of the largest body below which a part is no body
PART = 0.5  # share of the largest body below which a part that hangs on it is one of its limbs


@dataclass(frozen=True)
class Thresholds:
    """Grey levels of a difference map: above `high` is surely subject; above `low` is subject where it hangs on one."""

    low: float
    high: float


def otsu(values: Float[np.ndarray, " N"], bins: int = 128) -> float:
    """Threshold with the largest variance between the two classes it makes (Otsu 1979)."""
    count, edges = np.histogram(values, bins=bins)
    centre = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count)
    above = below[-1] - below
    total = np.cumsum(count * centre)
    mean_below = total / np.maximum(below, 1)
    mean_above = (total[-1] - total) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    return float(edges[1 + int(np.argmax(between[:-1]))])


def bodies(
    difference: Float[np.ndarray, "H W"], thresholds: Thresholds, least: float = LEAST
) -> tuple[Int[np.ndarray, "H W"], int]:
    """Numbered solid parts above the high threshold; thin bridges between touching animals are cut.

    A part must be deep somewhere, and what is shallower than a third of the deepest point is cut; parts smaller than
    `least` of the largest are dropped, and those that are limbs of a larger one (`without_appendages`).
    """
    labels, count = cores_of(difference, thresholds.high, least)
    if count > 1:
        count = without_appendages(difference, thresholds.low, labels, count, PART)
    return labels.astype(np.int64), int(count)


def subject(
    difference: Float[np.ndarray, "H W"], thresholds: Thresholds, expected: Float[np.ndarray, " 2"] | None = None
) -> tuple[UInt8[np.ndarray, "H W"], Float[np.ndarray, " 2"] | None, int]:
    """Soft mask (255 = subject) of one subject, its centre (x, y), and how many bodies are in view.

    The subject is the body nearest to `expected` (among bodies of like distance the larger one), or the largest. Its
    pixels are those above the low threshold that hang on it: they are flooded from the bodies, bright pixels first, so
    that a faint contact line between two animals becomes the border. No body: an empty mask and None. The mask rises
    from 128 at the low to 255 at the high threshold, holes are filled.
    """
    x, y = (np.nan, np.nan) if expected is None else (float(expected[0]), float(expected[1]))
    mask, x, y, count = find_subject(difference, thresholds.low, thresholds.high, x, y, LEAST, PART)
    return mask, (np.array([x, y]) if count else None), int(count)
