"""Pixels that lie farther from their part than it is long: a chance mixture of colours elsewhere on the body.

Beside a part that shows in full they hardly count. Where it is covered, two or three of them are all that seems to be
seen of it: its ends are measured there, and the fit of its joints starts from a limb across the whole body.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.seeding.parts.colour import UNSURE
from articulate.seeding.parts.ends import fill_gaps

WELL_SHOWN = 0.5  # of the pixels that a part usually shows
USUAL = 0.9  # quantile over frames of how far a part's pixels reach, and of its steps from frame to frame


def drop_strays(labels: Int[np.ndarray, "T S S"], clip: Int[np.ndarray, " T"], num_parts: int) -> None:
    """Make pixels UNSURE, in place, that lie too far from where their part is.

    Where a part is well shown it is at the median of its pixels, elsewhere on the line between those in time. Too far
    is beyond its longest extent and what it moves until it is next well shown. Clips that never show it well stay.
    """
    frame, row, column = np.nonzero(labels >= 0)
    part = labels[frame, row, column]
    place = np.stack([column, row], -1).astype(np.float64)
    count, middle, extent = measures(frame, part, place, len(labels), num_parts)
    well = (count > 0) & (count >= WELL_SHOWN * np.quantile(count, 0.8, axis=0))
    known = np.flatnonzero(well.any(axis=0))  # others have no pixel at all
    if not len(known):
        return
    anchor = np.zeros_like(middle)
    anchor[:, known] = fill_gaps(np.where(well[..., None], middle, np.nan)[:, known], clip)
    allowed = np.stack([reach_of(well[:, p], middle[:, p], extent[:, p], clip) for p in range(num_parts)], 1)
    far = np.linalg.norm(place - anchor[frame, part], axis=-1) > allowed[frame, part]
    labels[frame[far], row[far], column[far]] = UNSURE


def measures(
    frame: Int[np.ndarray, " N"],
    part: Int[np.ndarray, " N"],
    place: Float[np.ndarray, "N 2"],
    num_frames: int,
    num_parts: int,
) -> tuple[Int[np.ndarray, "T P"], Float[np.ndarray, "T P 2"], Float[np.ndarray, "T P"]]:
    """Pixels of every part, their median, and the diagonal of the box around them; NaN where there are none."""
    slot = frame * num_parts + part
    count = np.bincount(slot, minlength=num_frames * num_parts)
    middle, sides = np.full((len(count), 2), np.nan), np.full((len(count), 2), np.nan)
    shown, last = np.flatnonzero(count), np.cumsum(count[count > 0]) - 1
    first = last + 1 - count[shown]
    for d in range(2):
        ordered = place[np.lexsort((place[:, d], slot)), d]
        middle[shown, d] = ordered[(first + last) // 2]
        sides[shown, d] = ordered[last] - ordered[first] + 1.0
    shape = (num_frames, num_parts)
    return count.reshape(shape), middle.reshape(*shape, 2), np.linalg.norm(sides, axis=-1).reshape(shape)


def reach_of(
    well: Bool[np.ndarray, " T"],
    middle: Float[np.ndarray, "T 2"],
    extent: Float[np.ndarray, " T"],
    clip: Int[np.ndarray, " T"],
) -> Float[np.ndarray, " T"]:
    """How far from its place a part's pixels may lie in every frame; infinite in clips that never show it well."""
    allowed = np.full(len(well), np.inf)
    rows = np.flatnonzero(well)
    if not len(rows):
        return allowed
    follow = (np.diff(rows) == 1) & (np.diff(clip[rows]) == 0)
    steps = np.linalg.norm(np.diff(middle[rows], axis=0), axis=-1)[follow]
    step = float(np.quantile(steps, USUAL)) if len(steps) else 0.0
    longest = float(np.quantile(extent[rows], USUAL))
    for name in np.unique(clip[rows]):
        own = np.flatnonzero(clip == name)
        seen = own[well[own]]
        allowed[own] = longest + step * np.abs(own[:, None] - seen).min(1)
    return allowed
