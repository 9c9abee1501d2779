"""The two ends of every part in every frame, always in the same order, from its pixels and from what it touches."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.seeding.parts.contacts import Contacts, contact_share

ELONGATED = 1.6  # from this ratio of length to thickness on, the pixels themselves tell the axis
RELIABLE_VOTE = 0.3
RELIABLE_CONTACT = 0.5


@dataclass(frozen=True)
class Moments:
    """Per frame and part: middle (x, y), principal axis, length and thickness of the pixels as a box, in pixels."""

    centre: Float[np.ndarray, "T P 2"]
    axis: Float[np.ndarray, "T P 2"]
    length: Float[np.ndarray, "T P"]
    thickness: Float[np.ndarray, "T P"]


def part_moments(labels: Int[np.ndarray, "T S S"], num_parts: int, visible: Bool[np.ndarray, "T P"]) -> Moments:
    """First and second moments of every part's pixels; NaN where it does not show."""
    num_frames, size = labels.shape[:2]
    own = labels >= 0
    frame, row, column = np.nonzero(own)
    slot = frame * num_parts + labels[own]
    total = num_frames * num_parts

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(slot, weights=values, minlength=total)

    count = np.maximum(summed(np.ones(len(slot))), 1)
    x, y = summed(column) / count, summed(row) / count
    # 1/12 is the variance of one pixel: a row of pixels has a thickness of one.
    xx = summed(column.astype(float) ** 2) / count - x**2 + 1 / 12
    yy = summed(row.astype(float) ** 2) / count - y**2 + 1 / 12
    xy = summed(column * row.astype(float)) / count - x * y
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    middle, spread = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    hidden = ~visible.reshape(-1)

    def finish(values: np.ndarray, *shape: int) -> np.ndarray:
        values = values.astype(np.float64)
        values[hidden] = np.nan
        return values.reshape(num_frames, num_parts, *shape)

    return Moments(
        centre=finish(np.stack([x, y], -1), 2),
        axis=finish(np.stack([np.cos(angle), np.sin(angle)], -1), 2),
        length=finish(np.sqrt(12 * (middle + spread))),
        thickness=finish(np.sqrt(12 * np.maximum(middle - spread, 1 / 12))),
    )


def neighbour_sides(moments: Moments, contacts: Contacts, part: int) -> list[tuple[int, float]]:
    """Neighbours of a part, the firmest first, each with +1 or -1: at the same end as the first one, or the other.

    Decided by a vote over the frames in which the part shows its length; neighbours without a clear vote are left out.
    """
    share = contact_share(contacts)[part]
    order = [int(q) for q in np.argsort(-share) if share[q] >= RELIABLE_CONTACT]
    if not order:
        return []
    arm = contacts.point[:, part] - moments.centre[:, part, None]
    along = np.einsum("tqd,td->tq", arm, moments.axis[:, part])
    long = moments.length[:, part] > ELONGATED * moments.thickness[:, part]
    if long.sum() < 5:
        return [(order[0], 1.0)]
    # The firmest contact that sits at an end, not at the flank, is the reference.
    half = 0.5 * moments.length[:, part]
    reach = np.abs(along) / half[:, None]
    tip = {q: np.nanmedian(reach[long, q]) if np.isfinite(reach[long, q]).any() else 0.0 for q in order}
    order.sort(key=lambda q: -share[q] * min(1.0, tip[q] / 0.5))
    first, sides = order[0], [(order[0], 1.0)]
    for q in order[1:]:
        votes = along[long, q] * along[long, first] / half[long] ** 2
        votes = np.clip(votes[np.isfinite(votes)], -1, 1)
        if len(votes) >= 5 and abs(votes.mean()) >= RELIABLE_VOTE * np.abs(votes).mean() and np.abs(votes).mean() > 0.1:
            sides.append((q, float(np.sign(votes.mean()))))
    return sides


def oriented_axes(moments: Moments, contacts: Contacts, clip: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T P 2"]:
    """Axis of every part, pointing away from its first neighbour; a part that shows no length points from its contact.

    Frames without any contact follow the frame before; NaN where the part is hidden.
    """
    axes = moments.axis.copy()
    for part in range(axes.shape[1]):
        sides = neighbour_sides(moments, contacts, part)
        arm = contacts.point[:, part] - moments.centre[:, part, None]
        away = np.zeros((len(axes), 2))
        for q, side in sides:
            away -= side * np.nan_to_num(arm[:, q])
        short = moments.length[:, part] < ELONGATED * moments.thickness[:, part]
        size = np.linalg.norm(away, axis=-1)
        known = size > 0.15 * np.nan_to_num(moments.length[:, part], nan=np.inf)
        use = short & known
        axes[use, part] = away[use] / size[use, None]
        forward = np.einsum("td,td->t", axes[:, part], away)
        last, last_clip = None, -1
        for t in np.flatnonzero(np.isfinite(moments.length[:, part])):
            if last_clip != clip[t]:
                last, last_clip = None, clip[t]
            sign = 1.0
            if known[t] and abs(forward[t]) > 0.3 * size[t]:
                sign = np.sign(forward[t])
            elif last is not None:
                sign = np.sign(axes[t, part] @ last) or 1.0
            axes[t, part] *= sign
            last = axes[t, part]
    return axes


def part_ends(moments: Moments, contacts: Contacts, axes: Float[np.ndarray, "T P 2"]) -> Float[np.ndarray, "T P 2 2"]:
    """First and second end (x, y) of every part in every frame; NaN where hidden.

    An end in contact lies where the pixels stop; a free end half a thickness further inside, at the centre of its cap.
    """
    half, cap = 0.5 * moments.length, 0.5 * moments.thickness
    ends = np.stack([moments.centre - axes * half[..., None], moments.centre + axes * half[..., None]], axis=2)
    arm = contacts.point - moments.centre[:, :, None]
    along = np.nan_to_num(np.einsum("tpqd,tpd->tpq", arm, axes), nan=0.0)
    for end, sign in ((0, -1.0), (1, 1.0)):
        touching = ((sign * along) > 0.5 * half[..., None]).any(-1)
        inset = np.where(touching, 0.0, np.minimum(cap, 0.8 * half))
        ends[:, :, end] -= sign * axes * inset[..., None]
    return ends


def fill_gaps(points: Float[np.ndarray, "T N 2"], clip: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T N 2"]:
    """Hidden points by linear interpolation in time within the clip; clips that never show one get its overall mean."""
    filled = points.copy()
    overall = np.nanmean(points, axis=0) if len(points) else points
    for name in np.unique(clip):
        rows = np.flatnonzero(clip == name)
        for n in range(points.shape[1]):
            known = np.isfinite(points[rows, n, 0])
            if not known.any():
                filled[rows, n] = overall[n]
                continue
            for d in range(2):
                filled[rows, n, d] = np.interp(rows, rows[known], points[rows[known], n, d])
    return np.nan_to_num(filled, nan=float(np.nanmean(points)))
