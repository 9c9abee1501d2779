"""Landmarks that are fixed to the body: ends and front corners of its mean shape, followed by windows of their own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from articulate.seeding.body.frame import BodyPose, body_pictures, image_from_body
from articulate.seeding.body.template import congeal

SIZE = 96
# Directions (forward, right) in which the mean shape's farthest points are taken.
CORNERS = {"front": (1.0, 0.0), "front_left": (1.0, -0.8), "front_right": (1.0, 0.8), "rear": (-1.0, 0.0)}


@dataclass(frozen=True)
class SolidBody:
    """Where the named landmarks are in the body's frame, how often each place is foreground, the mean shape."""

    place: dict[str, np.ndarray]
    occupied: Float[np.ndarray, "H W"]
    shape: Bool[np.ndarray, "H W"]


def solid_shape(contrast: UInt8[np.ndarray, "T S S"], pose: BodyPose, sampled: int = 400) -> Bool[np.ndarray, "H W"]:
    """Where the median body picture has at least 0.4 of its strongest contrast: faint wings and limbs fall away."""
    some = np.unique(np.linspace(0, len(contrast) - 1, sampled).astype(int))
    few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
    strength = np.abs(np.median(body_pictures(contrast[some], few, SIZE, 128), axis=0))
    shape = strength >= 0.4 * np.quantile(strength, 0.99)
    labels, count = ndimage.label(shape)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count > 1 else shape


def solid_body(mask: UInt8[np.ndarray, "T S S"], contrast: UInt8[np.ndarray, "T S S"], pose: BodyPose) -> SolidBody:
    """Centre, ends and corners of the mean shape; corners are support points, each set in by a twentieth of the length.

    Landmarks lie inside the outline, where the animal is in every frame.
    """
    shape = solid_shape(contrast, pose)
    v, u = np.nonzero(shape)
    points = (2 * np.stack([u, v], -1) + 1) / SIZE - 1
    middle = points.mean(0)
    place = {"centre": middle}
    length = np.ptp(points[:, 0])
    for name, direction in CORNERS.items():
        far = points @ np.array(direction)
        support = points[far >= far.max() - 0.02].mean(0)
        inwards = middle - support
        place[name] = support + 0.05 * length * inwards / max(np.linalg.norm(inwards), 1e-9)
    some = np.unique(np.linspace(0, len(mask) - 1, 400).astype(int))
    few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
    return SolidBody(place, body_pictures(mask[some], few, SIZE).mean(0) / 255, shape)


def windowed(
    contrast: UInt8[np.ndarray, "T S S"], pose: BodyPose, centre: Float[np.ndarray, " 2"], radius: float
) -> BodyPose:
    """The pose of a window of the body: registered on its own, starting from where the whole body puts it."""
    places = image_from_body(np.broadcast_to(centre, (len(contrast), 1, 2)), pose)[:, 0]
    start = BodyPose(places, pose.angle, pose.reach * radius)
    return congeal(contrast, start, size=32, largest=0.5)


def followed(
    solid: SolidBody, contrast: UInt8[np.ndarray, "T S S"], pose: BodyPose
) -> dict[str, Float[np.ndarray, "T 2"]]:
    """Pixels of every landmark of the solid body in all frames: the centre by the body, both ends by windows."""
    place = solid.place
    centre = np.broadcast_to(place["centre"], (len(contrast), 1, 2))
    result = {"centre": image_from_body(centre, pose)[:, 0]}
    length = float(np.linalg.norm(place["front"] - place["rear"]))
    for end in ("front", "rear"):
        names = [name for name in place if name.startswith(end)]
        middle = np.mean([place[name] for name in names], axis=0)
        window = windowed(contrast, pose, middle, 0.4 * length)
        offsets = np.stack([(place[name] - middle) * pose.reach / window.reach for name in names])
        found = image_from_body(np.broadcast_to(offsets, (len(contrast), *offsets.shape)), window)
        result |= {name: found[:, i] for i, name in enumerate(names)}
    return result
