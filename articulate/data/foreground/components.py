"""From a difference map to one subject: two thresholds, bodies, and which pixels hang on which body."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

EIGHT = np.ones((3, 3), bool)


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
    difference: Float[np.ndarray, "H W"], thresholds: Thresholds, least: float = 0.1
) -> tuple[Int[np.ndarray, "H W"], int]:
    """Numbered solid parts above the high threshold; thin bridges between touching animals are cut.

    Opening removes what is thinner than a third of the largest part's half width; parts smaller than `least` of the
    largest are dropped.
    """
    sure = difference > thresholds.high
    distance = ndimage.distance_transform_edt(sure)
    # Hysteresis over depth: a part must be deep somewhere, and bridges shallower than a third of the deepest are cut.
    core = distance > max(1.0, distance.max() / 3)
    labels, count = ndimage.label(core, EIGHT)
    if count == 0:
        labels, count = ndimage.label(sure, EIGHT)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    keep = np.flatnonzero(sizes >= least * sizes.max()) + 1 if count else np.zeros(0, np.int64)
    renumber = np.zeros(count + 1, np.int64)
    renumber[keep] = np.arange(1, len(keep) + 1)
    return renumber[labels], len(keep)


def territories(
    difference: Float[np.ndarray, "H W"], thresholds: Thresholds, cores: Int[np.ndarray, "H W"]
) -> Int[np.ndarray, "H W"]:
    """The number of the body on which each pixel above the low threshold hangs; 0 for none.

    Flooding from the bodies, bright pixels first, so that a faint contact line between two animals becomes the border.
    """
    candidate = difference > thresholds.low
    connected, _ = ndimage.label(candidate, EIGHT)
    reached = np.unique(connected[cores > 0])
    candidate &= np.isin(connected, reached[reached > 0])
    if cores.max() <= 1:
        return candidate.astype(np.int64)
    scaled = np.clip(difference * (254 / max(float(difference.max()), 1e-6)), 0, 254)
    relief = np.where(candidate, 254 - scaled, 255).astype(np.uint8)
    markers = cores.astype(np.int32)
    # The outside is the highest ground: it is flooded last, and what it gets is dropped.
    return np.where(candidate, ndimage.watershed_ift(relief, markers, EIGHT), 0).astype(np.int64)


def choose(
    cores: Int[np.ndarray, "H W"], count: int, expected: Float[np.ndarray, " 2"] | None
) -> tuple[int, Float[np.ndarray, " 2"]]:
    """The body to follow and its centre (x, y): the one nearest to `expected`, or the largest when there is none."""
    numbers = np.arange(1, count + 1)
    centres = np.array(ndimage.center_of_mass(cores > 0, cores, numbers)).reshape(-1, 2)[:, ::-1]
    sizes = np.bincount(cores.ravel(), minlength=count + 1)[1:]
    if expected is None:
        best = int(np.argmax(sizes))
    else:
        # Among bodies of like distance the larger one; half the size costs as much as its own half width.
        reach = np.sqrt(sizes / np.pi)
        best = int(np.argmin(np.linalg.norm(centres - expected, axis=1) - reach))
    return best + 1, centres[best]


def subject(
    difference: Float[np.ndarray, "H W"], thresholds: Thresholds, expected: Float[np.ndarray, " 2"] | None = None
) -> tuple[UInt8[np.ndarray, "H W"], Float[np.ndarray, " 2"] | None, int]:
    """Soft mask (255 = subject) of one subject, its centre (x, y), and how many bodies are in view.

    No body: an empty mask and None. The mask rises from 128 at the low to 255 at the high threshold, holes are filled.
    """
    cores, count = bodies(difference, thresholds)
    if count == 0:
        return np.zeros(difference.shape, np.uint8), None, 0
    number, centre = choose(cores, count, expected)
    region = territories(difference, thresholds, cores) == number
    # Crumbs that the flooding gave to this body without touching it belong to nobody.
    pieces, _ = ndimage.label(region, EIGHT)
    region = np.isin(pieces, np.unique(pieces[(cores == number) & region])) & region
    filled: Bool[np.ndarray, "H W"] = ndimage.binary_fill_holes(region)
    span = max(thresholds.high - thresholds.low, 1e-6)
    soft = 128 + 127 * np.clip((difference - thresholds.low) / span, 0, 1)
    soft[filled & ~region] = 255
    return np.where(filled, soft, 0).astype(np.uint8), centre, count
