"""The outline of the wide parts of an animal: ends of wings, and what belongs to a second animal that touches."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from articulate.seeding.body_frame import BodyPose, body_from_image, body_pictures

THICK = 0.06  # half width, in units of the reach, from which a part is no limb
SELDOM = 0.03  # share of frames in which the own wide parts reach at least so far
SIZE = 96


def wide_parts(mask: UInt8[np.ndarray, "T S S"], radius: float) -> Bool[np.ndarray, "T S S"]:
    """Every mask opened by a disc: without legs and tails."""
    wide = np.empty(mask.shape, bool)
    for t in range(len(mask)):
        deep = ndimage.distance_transform_edt(mask[t] >= 128) > radius
        wide[t] = ndimage.distance_transform_edt(~deep) <= radius if deep.any() else mask[t] >= 128
    return wide


def without_others(
    mask: UInt8[np.ndarray, "T S S"], wide: Bool[np.ndarray, "T S S"], pose: BodyPose, good: Bool[np.ndarray, " T"]
) -> UInt8[np.ndarray, "T S S"]:
    """Masks without wide parts where, in the body's frame, hardly ever a wide part is: another animal that touches.

    Legs beyond such a part are cut off from the body and thus no longer reached from its centre.
    """
    some = np.flatnonzero(good)[:: max(1, int(good.sum()) // 400)]
    few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
    share = body_pictures(np.where(wide[some], 255, 0).astype(np.uint8), few, SIZE).mean(0) / 255
    own = ndimage.binary_dilation(share > SELDOM, iterations=2)
    result = mask.copy()
    for t in range(len(mask)):
        rows, columns = np.nonzero(wide[t])
        one = BodyPose(pose.centre[t : t + 1], pose.angle[t : t + 1], pose.reach)
        body = body_from_image(np.stack([columns, rows], -1)[None].astype(np.float64), one)[0]
        place = np.floor((body + 1) * SIZE / 2).astype(int)
        inside = ((place >= 0) & (place < SIZE)).all(-1)
        place = np.clip(place, 0, SIZE - 1)
        foreign = ~(inside & own[place[:, 1], place[:, 0]])
        result[t, rows[foreign], columns[foreign]] = 0
    return result


def wide_ends(wide: Bool[np.ndarray, "T S S"], pose: BodyPose) -> dict[str, Float[np.ndarray, "T 2"]]:
    """Rearmost points of the wide parts to the left and to the right (wing tips, hips), in pixels.

    The support point in the directions (-1, -0.8) and (-1, 0.8) of the body's frame: a spread wing wins over the end
    of the body, folded wings give the end itself. Frames without wide parts carry the centre.
    """
    result = {name: pose.centre.copy() for name in ("rear_left", "rear_right")}
    for t in range(len(wide)):
        labels, count = ndimage.label(wide[t])
        if count == 0:
            continue
        if count > 1:
            x, y = np.clip(np.round(pose.centre[t]).astype(int), 0, wide.shape[1] - 1)
            own = labels[y, x] or 1 + np.argmax(np.bincount(labels.ravel())[1:])
            labels = np.where(labels == own, 1, 0)
        rows, columns = np.nonzero(labels)
        pixels = np.stack([columns, rows], -1).astype(np.float64)
        one = BodyPose(pose.centre[t : t + 1], pose.angle[t : t + 1], pose.reach)
        body = body_from_image(pixels[None], one)[0]
        for name, side in (("rear_left", -0.8), ("rear_right", 0.8)):
            far = -body[:, 0] + side * body[:, 1]
            result[name][t] = pixels[far >= far.max() - 0.04].mean(0)
    return result
