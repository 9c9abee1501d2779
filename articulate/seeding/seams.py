"""Which end of a straight limb is nearer, from the seam between its two colours.

The seam of a round limb is a circle across it, half of which shows. Where the limb is tilted by an angle in depth, that
half bows away from the nearer end, by up to the limb's half-width times the sine of the angle: the nearer part shows
beyond the joint. Where the joint is follows from the ends of a limb that is straight, and so does the angle but for
its sign. How far seams move is learned from the run; the direction is the same for all bodies, so that no reading and
its mirror image are alike.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from articulate.geometry.straight import StraightJoint, made_of_straight_limbs, straight_joints
from articulate.seeding.capsule_fit import Evidence, Figure

REACH = 1.5  # half-widths around the joint in which pixels of both parts are counted
LEAST_REACH = 3.0  # pixels
LEAST_SHOWN = 0.4  # of the pixels of a limb of that length and width
LEAST_LOOK = 0.15  # of the limb's length: what is seen more end on has no direction
LEVEL = 0.85  # of the limb's length: seams of limbs that look longer lie over the joint
OUTLIERS = 0.98  # quantile of the seams' squares beyond which they are cut off
LEAST_NOISE = 0.2  # of the seams' variance
LEAST_BOW = 0.3  # half-widths by which seams move from level to end on; those of a tube do by about one


@dataclass(frozen=True)
class Tilts:
    """For the limb between the ends of `joint`, how much likelier it is that the first is nearer; nats, 0: unknown."""

    joint: StraightJoint
    nats: Float[np.ndarray, " T"]


def find_tilts(figure: Figure, evidence: Evidence) -> list[Tilts]:
    """The tilts of straight limbs of two colours whose seams move with the tilt more than without it.

    Only in bodies that are made of such limbs: the seam of a spine moves as it bends (that of a stick person looks
    straight, and its tilts took 3D from 0.27 to 0.36 of flat depth).
    """
    shown = np.ones(figure.points.shape[:2], bool)
    joints = straight_joints(figure.points, shown, figure.edges)
    if not made_of_straight_limbs(joints, figure.edges):
        return []
    found = ((joint, tilts_of(joint, figure, evidence.labels)) for joint in joints)
    return [Tilts(joint, nats) for joint, nats in found if nats is not None]


def tilts_of(joint: StraightJoint, figure: Figure, labels: Int[np.ndarray, "T S S"]) -> Float[np.ndarray, " T"] | None:
    """Log odds [T] that the first end is nearer, or None where seams say nothing."""
    line = figure.points[:, joint.ends[1]] - figure.points[:, joint.ends[0]]
    look = np.linalg.norm(line, axis=1) / joint.length
    limbs = limbs_at(figure, joint)
    width = half_width(joint, figure, limbs)
    seam = seam_places(joint, figure, labels, limbs, width)
    use = np.isfinite(seam) & (look > LEAST_LOOK)
    level = use & (look > LEVEL)
    if not level.any():
        return None
    seam = np.where(use, seam - np.median(seam[level]) * np.minimum(look, 1.0), 0.0)
    tilt = 1 - np.minimum(look, 1.0) ** 2  # squared sine
    # A seam is +-(how far seams move) sin(angle) + noise, so that its square tells both without the sign.
    square = np.minimum(seam[use] ** 2, np.quantile(seam[use] ** 2, OUTLIERS))
    slope, noise = np.linalg.lstsq(np.stack([tilt[use], np.ones(use.sum())], 1), square, rcond=None)[0]
    if slope * tilt[use].mean() <= max(noise, 0.0) or slope < (LEAST_BOW * width) ** 2:
        return None
    noise = max(noise, LEAST_NOISE * square.mean())
    return 2 * np.sqrt(slope * tilt) * seam / noise


def seam_places(
    joint: StraightJoint, figure: Figure, labels: Int[np.ndarray, "T S S"], limbs: list[int], width: float
) -> Float[np.ndarray, " T"]:
    """How far beyond the joint the first end's part shows, in pixels; NaN where little of both shows.

    `limbs` are the two at the joint, `width` their half-width in pixels.
    """
    parts = [figure.parts[limb] for limb in limbs]
    places = np.full(len(figure.points), np.nan)
    if min(parts) < 0:
        return places
    reach = max(LEAST_REACH, REACH * width)
    first, second = (figure.points[:, end] for end in joint.ends)
    middle = first + joint.share * (second - first)
    rows, columns = np.mgrid[: labels.shape[1], : labels.shape[2]]
    for frame, (x, y) in enumerate(middle):
        box = tuple(slice(max(0, int(np.floor(c - reach))), max(0, int(np.ceil(c + reach)) + 1)) for c in (y, x))
        near = (columns[box] - x) ** 2 + (rows[box] - y) ** 2 < reach**2
        counts = [np.count_nonzero(near & (labels[frame][box] == part)) for part in parts]
        if sum(counts) >= LEAST_SHOWN * 4 * reach * width:
            # Of a limb of 2 reach, a share shows the first part; a disc's mean chord is pi / 4 of its width.
            places[frame] = np.pi / 4 * reach * (counts[0] - counts[1]) / sum(counts)
    return places


def half_width(joint: StraightJoint, figure: Figure, limbs: list[int]) -> float:
    """Mean half-width in pixels, at a straight joint, of the two limbs there."""
    ends = [(limb, figure.edges[limb].tolist().index(joint.keypoint)) for limb in limbs]
    return float(np.mean([figure.radii[end] for end in ends]))


def limbs_at(figure: Figure, joint: StraightJoint) -> list[int]:
    """The limbs that lead from a straight joint to its first and second end, directly or on."""
    here, limbs = joint.keypoint, np.flatnonzero((figure.edges == joint.keypoint).any(1))
    bones = figure.points[:, figure.edges[limbs].sum(1) - here] - figure.points[:, [here]]
    ways = figure.points[:, list(joint.ends)] - figure.points[:, [here]]
    return limbs[np.einsum("tld,ted->el", bones, ways).argmax(1)].tolist()
