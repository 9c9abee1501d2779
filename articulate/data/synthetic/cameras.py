"""The camera of a built-in scene: orthographic with a scale (weak perspective), or perspective."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from articulate.data.synthetic.kinematics import rotation_about

# The world has y up and z towards the viewer; the camera has y down and z forward.
CAMERA_FROM_WORLD = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class SceneCamera:
    """Projects camera coordinates to the image frame ([-1, 1], x right, y down).

    Orthographic: xy = scale * (X, Y) + translation. Perspective: xy = focal * (X, Y) / Z + translation with
    focal = scale * distance, so that `scale` is the magnification at the distance of the subject in both.
    """

    kind: Literal["orthographic", "perspective"]
    scale: float
    translation: tuple[float, float] = (0.0, 0.0)
    distance: float = 0.0

    @property
    def perspective(self) -> bool:
        """Whether rays meet in the camera."""
        return self.kind == "perspective"

    @property
    def focal(self) -> float:
        """Focal length in image units (perspective only)."""
        return self.scale * self.distance

    def project(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """Image positions of points in the camera frame; perspective needs Z > 0."""
        if not self.perspective:
            return self.scale * points[..., :2] + np.array(self.translation)
        assert (points[..., 2] > 0).all(), "a point lies behind the camera"
        return self.focal * points[..., :2] / points[..., 2:] + np.array(self.translation)


def view_rotation(yaw: Float[np.ndarray, " T"], elevation: float) -> Float[np.ndarray, "T 3 3"]:
    """Rotation from the upright frame to the camera: turn by `yaw` (rad), seen from `elevation` (rad) above."""
    tilt = rotation_about(0, np.asarray(elevation, dtype=np.float64))
    return CAMERA_FROM_WORLD @ tilt @ rotation_about(1, yaw)


def yaw_path(
    clip: int, times: Float[np.ndarray, " T"], duration: float, coverage: float, offset: float, direction: float
) -> Float[np.ndarray, " T"]:
    """Yaw (rad) that turns steadily through `coverage` (rad) over a clip.

    Starts are spread over the clips by the golden ratio, so that any number of clips covers the circle evenly and
    clip i never depends on how many there are.
    """
    start = 2 * np.pi * ((clip * 0.618033988749895 + offset) % 1.0)
    progress = times / duration if duration > 0 else np.zeros_like(times)
    return start + direction * coverage * progress
