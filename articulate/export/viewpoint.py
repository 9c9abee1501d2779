"""How a motion stands in a picture: centred, the right way up, and how much room it needs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from articulate.lifting.in_plane import seen_from_above
from articulate.result import Result


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
