"""The motion of one clip of a family: upright poses in the figure's own units, before any camera."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from articulate.data.synthetic.family import Family
from articulate.data.synthetic.kinematics import forward_kinematics, lowest_height, rotation_from_angles
from articulate.data.synthetic.motion import MotionBuilder


class Poses(NamedTuple):
    """Keypoints [T, K, 3] (y up), orientation of each limb [T, L, 3, 3], and the bone angles where they are known."""

    points: Float[np.ndarray, "T K 3"]
    limb_frames: Float[np.ndarray, "T L 3 3"]
    angles: Float[np.ndarray, "T K 3"] | None = None


def pose_family(
    family: Family,
    activity: str,
    times: Float[np.ndarray, " T"],
    generator: np.random.Generator,
    wander: float = 0.0,
) -> Poses:
    """One clip of `activity` at `times` (s). Grounded families keep their lowest point on the floor (y = 0)."""
    motion = MotionBuilder(family, times, generator)
    family.activities[activity](motion)
    drift = np.zeros((len(times), 3))
    for axis in (0, 2):
        drift[:, axis] = 0.5 * wander * family.reference_size * motion.normal(0.15)
    angles = motion.limited_angles()
    rotation = rotation_from_angles(motion.root_angles)
    lift = motion.root_translation
    points, orientations = forward_kinematics(family.parents, family.offsets, angles, rotation, np.zeros_like(drift))
    if family.grounded:
        floor = lowest_height(points[..., 1], 0.02 * family.reference_size)
        points[..., 1] -= floor[:, None]
    points += lift[:, None] if family.planar else (lift + drift)[:, None]
    return Poses(points, orientations[:, family.limb_child], angles)
