"""Where parts touch: how often every two parts are in contact, and the place of contact in each frame."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int
from numba import njit
from scipy import ndimage

from articulate.seeding.parts.colour import OUTSIDE

MINIMUM_PIXELS = 3


@dataclass(frozen=True)
class Contacts:
    """Pixels of each part, pairs of touching pixels of two parts, and the middle of those pairs (x, y), NaN if none."""

    pixels: Int[np.ndarray, "T P"]
    count: Int[np.ndarray, "T P P"]
    point: Float[np.ndarray, "T P P 2"]


def fill_unsure(labels: Int[np.ndarray, "T S S"]) -> Int[np.ndarray, "T S S"]:
    """Unsure pixels of the body get the part of the nearest sure one in their frame."""
    filled = labels.copy()
    for t in range(len(labels)):
        if (labels[t] >= 0).any():
            index = ndimage.distance_transform_edt(labels[t] < 0, return_distances=False, return_indices=True)
            filled[t] = np.where(labels[t] == OUTSIDE, OUTSIDE, labels[t][tuple(index)])
    return filled


def find_contacts(filled: Int[np.ndarray, "T S S"], num_parts: int) -> Contacts:
    """Contacts in all frames: pixels of two parts at most two steps apart, so that a seam of one pixel counts."""
    shape = (len(filled), num_parts, num_parts)
    pixels, count, total = np.zeros(shape[:2], np.int64), np.zeros(shape, np.int64), np.zeros((*shape, 2))
    _count(filled, pixels, count, total)
    with np.errstate(invalid="ignore"):
        point = np.where(count[..., None] > 0, total / np.maximum(count, 1)[..., None], np.nan)
    return Contacts(pixels, count, point)


@no_type_check
@njit(cache=True)
def _count(filled, pixels, count, total):
    num_frames, size = filled.shape[0], filled.shape[1]
    for t in range(num_frames):
        for row in range(size):
            for column in range(size):
                p = filled[t, row, column]
                if p < 0:
                    continue
                pixels[t, p] += 1
                for down in range(0, 3):
                    for right in range(-2, 3):
                        if down * down + right * right > 4 or (down == 0 and right <= 0):
                            continue
                        y, x = row + down, column + right
                        if y >= size or x < 0 or x >= size:
                            continue
                        q = filled[t, y, x]
                        if q < 0 or q == p:
                            continue
                        count[t, p, q] += 1
                        count[t, q, p] += 1
                        for a, b in ((p, q), (q, p)):
                            total[t, a, b, 0] += column + 0.5 * right
                            total[t, a, b, 1] += row + 0.5 * down


def shown(contacts: Contacts) -> np.ndarray:
    """Whether a part shows enough of itself in a frame: three pixels, and a quarter of what it usually shows."""
    pixels = contacts.pixels
    typical = np.array([np.median(c[c > 0]) if (c > 0).any() else 0.0 for c in pixels.T])
    return pixels >= np.maximum(MINIMUM_PIXELS, 0.25 * typical)


def visible_share(contacts: Contacts) -> Float[np.ndarray, "T P"]:
    """Pixels that a part shows in a frame, as a share (at most 1) of what it usually shows: their 80 % quantile."""
    pixels = contacts.pixels.astype(np.float64)
    return np.clip(pixels / np.maximum(np.quantile(pixels, 0.8, axis=0), 1.0), 0.0, 1.0)


def contact_share(contacts: Contacts) -> Float[np.ndarray, "P P"]:
    """In which share of the frames that show both two parts touch; 0 where they are hardly ever seen together."""
    seen = shown(contacts).astype(np.float64)
    together = np.einsum("tp,tq->pq", seen, seen)
    touching = np.einsum("tp,tq,tpq->pq", seen, seen, (contacts.count > 0).astype(np.float64))
    return np.where(together >= 5, touching / np.maximum(together, 1), 0.0)
