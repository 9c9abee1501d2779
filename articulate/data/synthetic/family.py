"""What a family of figures is: its tree, rest pose, joint limits, thickness, colours and activities."""

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from articulate.data.synthetic.motion import MotionBuilder

Activity = Callable[[MotionBuilder], None]


@dataclass(frozen=True)
class Family:
    """One kind of articulated figure, in its own frame: x to its left, y up, z forward; lengths in `units`.

    Every keypoint k but the root ends the bone from `parents[k]` to k; limb `l` is the bone of `limb_child[l]`.
    At rest all bone rotations are the identity, so the rest pose is the running sum of `offsets`. `limits[k]` bounds
    the angles (rad) of the bone that ends in k about x (flexion), y (twist) and z (abduction), see `kinematics.py`.
    `radii[l]` is the thickness of limb l at its parent and its child end; `elevation` (degrees) is where the camera
    stands unless told otherwise.
    """

    name: str
    names: tuple[str, ...]
    parents: Int[np.ndarray, " K"]
    offsets: Float[np.ndarray, "K 3"]
    limits: Float[np.ndarray, "K 3 2"]
    radii: Float[np.ndarray, "L 2"]
    pairs: Int[np.ndarray, "P 2"]
    reference_size: float
    activities: Mapping[str, Activity]
    units: str = "mm"
    planar: bool = False
    grounded: bool = True
    hue_start: float = 0.0
    elevation: float = 8.0

    @property
    def num_keypoints(self) -> int:
        """K."""
        return len(self.names)

    @property
    def limb_child(self) -> Int[np.ndarray, " L"]:
        """The keypoint at the far end of each limb."""
        return np.flatnonzero(self.parents >= 0)

    @property
    def edges(self) -> Int[np.ndarray, "L 2"]:
        """Limbs as (parent, child)."""
        children = self.limb_child
        return np.stack([self.parents[children], children], axis=1)

    @property
    def bone_lengths(self) -> Float[np.ndarray, " K"]:
        """Length of the bone that ends in each keypoint; 0 for the root."""
        lengths = np.linalg.norm(self.offsets, axis=1)
        return np.where(self.parents >= 0, lengths, 0.0)

    @property
    def rest_pose(self) -> Float[np.ndarray, "K 3"]:
        """Keypoints with every bone rotation at the identity."""
        pose = np.zeros((self.num_keypoints, 3))
        for k, parent in enumerate(self.parents):
            if parent >= 0:
                pose[k] = pose[parent] + self.offsets[k]
        return pose

    def varied(self, generator: np.random.Generator, spread: float) -> "Family":
        """Another individual: bone lengths times exp(spread * normal), left and right alike."""
        factor = np.exp(spread * generator.standard_normal(self.num_keypoints))
        factor[self.pairs[:, 1]] = factor[self.pairs[:, 0]]
        return replace(self, offsets=self.offsets * factor[:, None])


def build_family(
    name: str,
    joints: Sequence[tuple],
    activities: Mapping[str, Activity],
    pairs: Sequence[tuple[str, str]] = (),
    **facts,
) -> Family:
    """Family from rows (name, parent name or None, offset, limits in degrees, radii at both ends).

    Limits are given as {"x": (low, high), ...}; an axis that is not named does not move. Parents stand before children.
    """
    names = tuple(row[0] for row in joints)
    limits = np.zeros((len(joints), 3, 2))
    for k, row in enumerate(joints):
        for axis, bounds in row[3].items():
            limits[k, "xyz".index(axis)] = np.radians(bounds)
    parents = np.array([-1 if row[1] is None else names.index(row[1]) for row in joints])
    assert all(parent < k for k, parent in enumerate(parents)), f"{name}: a parent must stand before its children"
    return Family(
        name=name,
        names=names,
        parents=parents,
        offsets=np.array([row[2] for row in joints], dtype=np.float64),
        limits=limits,
        radii=np.array([row[4] for row in joints if row[1] is not None], dtype=np.float64),
        pairs=np.array([[names.index(a), names.index(b)] for a, b in pairs], dtype=np.int64).reshape(-1, 2),
        activities=activities,
        **facts,
    )


def distinct_colours(num: int, start: float = 0.0) -> Float[np.ndarray, "num 3"]:
    """RGB in [0, 1], neighbours in the list far apart in hue (golden-ratio steps), value alternating."""
    hues = (start + 0.618033988749895 * np.arange(num)) % 1.0
    rows = [colorsys.hsv_to_rgb(h, (0.75, 0.55)[i % 2], (0.95, 0.8, 1.0)[i % 3]) for i, h in enumerate(hues)]
    return np.array(rows, dtype=np.float64).reshape(num, 3)
