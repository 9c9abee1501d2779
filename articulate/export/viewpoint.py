"""How a motion stands in a picture: centred, the right way up, and how much room it needs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from articulate.result import Result

# Share of one direction in the body's long axis below which the body turns all around in the picture.
TURNS_ALL_AROUND = 0.5


@dataclass(frozen=True)
class View:
    """Poses to draw (mean at 0, y down on the floor), the radius that holds them, and the height of the floor.

    `from_above` says that the camera looked down, so that its forward direction became down. Frames without a pose are
    NaN. Radius and floor are 98th percentiles over the frames.
    """

    poses: Float[np.ndarray, "T K 3"]
    radius: float
    ground: float
    from_above: bool


def view_of(result: Result) -> View | None:
    """The view of a run's motion; None without one."""
    if result.xyz is None:
        return None
    from_above = seen_from_above(result.tracks.xy[0].double().cpu().numpy())
    joints = result.xyz.double().cpu().numpy()
    poses = joints - joints.mean(1, keepdims=True)
    if from_above:
        x, y, z = np.moveaxis(poses, -1, 0)
        poses = np.stack([x, z, -y], -1)
    known = poses[np.isfinite(poses).all((1, 2))]
    if not len(known):
        return View(poses, 1.0, 1.0, from_above)
    radius = float(np.quantile(np.linalg.norm(known, axis=-1).max(1), 0.98))
    return View(poses, max(radius, 1e-6), float(np.quantile(known[..., 1].max(1), 0.98)), from_above)


def seen_from_above(xy: Float[np.ndarray, "T K 2"]) -> bool:
    """Whether the long axis of the keypoints points everywhere in the picture, as it does for a camera that looks down.

    |mean of w exp(2 i angle)| / mean of w, where w is how much longer than wide the body is: 1 for one direction, 0 for
    all alike. A subject that never turns looks upright, whatever the camera did.
    """
    known = xy[np.isfinite(xy).all((1, 2))]
    if not len(known):
        return False
    offset = known - known.mean(1, keepdims=True)
    xx, yy, both = (offset[..., 0] ** 2).mean(1), (offset[..., 1] ** 2).mean(1), offset.prod(-1).mean(1)
    doubled = (xx - yy) + 2j * both  # length: difference of the principal variances; angle: twice that of the long axis
    size = np.sqrt(xx + yy).clip(1e-12)
    return bool(np.abs((doubled / size).mean()) < TURNS_ALL_AROUND * (np.abs(doubled) / size).mean())
