"""Limbs, wings and tails: what sticks out of the body, found in every frame and followed in the body's frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.body.extremity_kernels import extremities_of_masks
from articulate.seeding.body.frame import BodyPose, body_from_image
from articulate.seeding.body.slot_search import initial_slots
from articulate.seeding.body.slots import SlotTracks, track_slots

MOST = 16  # extremities per frame that are looked at
FARTHEST = 2.5  # what is farther from the centre than this many reaches (a long tail's end is not) is no limb's end


@dataclass(frozen=True)
class Limbs:
    """Tip, middle and root of each limb in body coordinates, whether it was seen, and how often in all."""

    tip: Float[np.ndarray, "T S 2"]
    middle: Float[np.ndarray, "T S 2"]
    root: Float[np.ndarray, "T S 2"]
    seen: Bool[np.ndarray, "T S"]
    mirror: Int[np.ndarray, " S"]  # which limb is the mirror image of each; itself where none is


def find_limbs(
    mask: UInt8[np.ndarray, "T S S"],
    follows: Bool[np.ndarray, " T"],
    pose: BodyPose,
    occupied: Float[np.ndarray, "H W"],
    solid: Bool[np.ndarray, "H W"],
    wide: Bool[np.ndarray, "T S S"] | None,
    good: Bool[np.ndarray, " T"],
    config: BodyAxisConfig,
    generator: np.random.Generator,
    most_limbs: int,
    mirrored: bool = True,
) -> Limbs | None:
    """At most `most_limbs` limbs, the most often seen first; None when hardly anything sticks out."""
    found = np.full((len(mask), MOST, 8), np.nan)
    least = 0.5 * config.least_prominence * pose.reach
    extremities_of_masks(mask >= 128, pose.centre, pose.angle, pose.reach, solid, least, MOST, found)
    tips = body_from_image(found[..., :2], pose)
    prominence = found[..., 6] / pose.reach
    limb = np.isfinite(tips).all(-1) & (np.abs(np.nan_to_num(tips)).max(-1) < FARTHEST)
    limb &= np.nan_to_num(prominence) > config.least_prominence
    limb &= values_at(occupied, tips) < config.most_occupied
    if wide is not None:  # the end of a wing or of the body is no limb's
        limb &= ~on_wide(wide, found[..., :2])
    middles = body_from_image(found[..., 2:4], pose)
    candidates = np.where(limb[..., None], np.concatenate([tips, middles], -1), np.nan)
    if most_limbs < 1 or limb[good].any(1).mean() < 0.3:
        return None
    start = initial_slots(candidates[good], generator, mirrored)
    sureness = np.clip(np.nan_to_num(prominence) / (3 * config.least_prominence), 0, 1)
    tracks, slots = track_slots(candidates, sureness, follows, start)
    share = (tracks.taken >= 0).mean(0)
    order = np.argsort(-share, kind="stable")[:most_limbs]
    order = order[share[order] >= config.least_seen]
    if not len(order):
        return None
    tracks = SlotTracks(tracks.place[:, order], tracks.taken[:, order])
    middle = part_of_limb(tracks, middles, tips)
    root = part_of_limb(tracks, body_from_image(found[..., 4:6], pose), tips)
    if solid.any():  # a limb grows out of one place of the body
        root = np.broadcast_to(np.median(root, axis=0), root.shape)
    return Limbs(tracks.place, middle, root, tracks.taken >= 0, slots.take(order).mirror)


def on_wide(
    wide: Bool[np.ndarray, "T S S"], points: Float[np.ndarray, "T C 2"], margin: int = 2
) -> Bool[np.ndarray, "T C"]:
    """Which points (pixels) lie on a wide part or within `margin` pixels of it."""
    place = np.clip(np.nan_to_num(points), 0, wide.shape[1] - 1).round().astype(int)
    near = np.zeros(points.shape[:2], bool)
    frames = np.arange(len(points))[:, None]
    last = wide.shape[1] - 1
    for dy in range(-margin, margin + 1):
        for dx in range(-margin, margin + 1):
            near |= wide[frames, np.clip(place[..., 1] + dy, 0, last), np.clip(place[..., 0] + dx, 0, last)]
    return near


def values_at(picture: Float[np.ndarray, "H W"], points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n"]:
    """Nearest values of a body picture at body coordinates; NaN points read the corner."""
    size = len(picture)
    place = np.clip(np.round((np.nan_to_num(points, nan=-1.0) + 1) * size / 2 - 0.5).astype(int), 0, size - 1)
    return picture[place[..., 1], place[..., 0]]


def part_of_limb(
    tracks: SlotTracks, points: Float[np.ndarray, "T C 2"], tips: Float[np.ndarray, "T C 2"]
) -> Float[np.ndarray, "T S 2"]:
    """Middle or root of every limb: where it was found, else by a linear map of the tip fitted where it was found."""
    frames = np.arange(len(points))
    result = np.empty_like(tracks.place)
    for s in range(result.shape[1]):
        seen = tracks.taken[:, s] >= 0
        own = points[frames, np.maximum(tracks.taken[:, s], 0)]
        seen &= np.isfinite(own).all(-1)
        design = np.concatenate([tracks.place[:, s], np.ones((len(points), 1))], 1)
        if seen.sum() < 10:
            result[:, s] = tracks.place[:, s]
            continue
        weights = np.linalg.lstsq(design[seen], own[seen], rcond=None)[0]
        result[:, s] = np.where(seen[:, None], own, design @ weights)
    return result
