"""The outline of the wide parts of an animal: ends of wings, and what belongs to a second animal that touches."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from articulate.seeding.body.extremity_kernels import extremities_of_masks
from articulate.seeding.body.frame import BodyPose, body_from_image, body_pictures

THICK = 0.25  # share of the half width of the trunk from which a part is no limb
WING = 0.5  # share of the half width of the trunk from which a part is no limb but a spread wing or fin
PROMINENT = 0.3  # by how much of the reach a wide part sticks out at least, to be a spread wing
ASIDE = 0.3  # and how far to the side its tip is
SELDOM = 0.01  # share of frames in which the own wide parts reach at least so far
SIZE = 96


def trunk_half_width(solid: Bool[np.ndarray, "H W"], pose: BodyPose) -> float:
    """Largest distance in pixels from a point of the trunk's mean shape to its outline."""
    return 2 * float(ndimage.distance_transform_edt(np.pad(solid, 1)).max()) / len(solid) * pose.reach


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

    What happens on one side may happen on the other. Legs beyond such a part are cut off from the body and thus no
    longer reached from its centre. `good`: frames in which most probably no other animal touches.
    """
    some = np.flatnonzero(good)[:: max(1, int(good.sum()) // 400)]
    few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
    share = body_pictures(np.where(wide[some], 255, 0).astype(np.uint8), few, SIZE).mean(0) / 255
    own = ndimage.binary_dilation(np.maximum(share, share[::-1]) > SELDOM, iterations=2)
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


def of_usual_area(mask: UInt8[np.ndarray, "T S S"]) -> Bool[np.ndarray, " T"]:
    """Frames whose mask is no larger than usual: nothing else hangs on the animal."""
    area = (mask >= 128).sum((1, 2))
    middle = np.median(area)
    return area <= middle + 2.5 * 1.4826 * np.median(np.abs(area - middle)) + 0.05 * middle


def spread_ends(
    wide: Bool[np.ndarray, "T S S"], pose: BodyPose, solid: Bool[np.ndarray, "H W"]
) -> tuple[dict[str, Float[np.ndarray, "T 2"]], dict[str, Bool[np.ndarray, " T"]]]:
    """Wide ends, or the tip of what sticks out to the side (a spread wing or fin); and in which frames it does.

    The tip is the peak of the distance within the wide parts, by at least PROMINENT, that lies farthest to its side.
    """
    wide = wide_parts(np.where(wide, 255, 0).astype(np.uint8), WING * trunk_half_width(solid, pose))
    result, is_spread = wide_ends(wide, pose), {}
    found = np.full((len(wide), 6, 8), np.nan)
    extremities_of_masks(wide, pose.centre, pose.angle, pose.reach, solid, PROMINENT * pose.reach, 6, found)
    body = body_from_image(found[..., :2], pose)
    for name, side in (("rear_left", -1.0), ("rear_right", 1.0)):
        out = side * np.nan_to_num(body[..., 1])
        # As far to the side as ahead at least: a peak at the front is the head.
        out = np.where((out > ASIDE) & (np.nan_to_num(body[..., 0]) < out), out, -np.inf)
        best = out.argmax(1)
        is_spread[name] = np.isfinite(out.max(1))
        spread = np.flatnonzero(is_spread[name])
        result[name][spread] = found[spread, best[spread], :2]
    return result, is_spread


def wide_ends(wide: Bool[np.ndarray, "T S S"], pose: BodyPose) -> dict[str, Float[np.ndarray, "T 2"]]:
    """Rearmost points of the wide parts to the left and to the right (wing tips, hips), in pixels.

    The support point in the directions (-1, -0.8) and (-1, 0.8) of the body's frame: folded wings give the end of the
    body. Frames without wide parts carry the centre.
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
