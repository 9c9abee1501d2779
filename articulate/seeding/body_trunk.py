"""More points of the trunk, when an animal has fewer parts than keypoints are asked for: along its axis and its rim."""

import numpy as np
from jaxtyping import Bool, Float

from articulate.seeding.body_frame import BodyPose, body_from_image, rotations

INSET = 0.8  # how far out the points of the rim are, as a share of the half width


def stations(num_points: int) -> list[tuple[float, bool]]:
    """Where the points are: share of the way from rear to front, and whether it is a pair on the rim.

    A third of the points are pairs' left ones, evenly spread between the ends; the axis has the rest.
    """
    pairs = num_points // 3
    axis = num_points - 2 * pairs
    result = [((i + 1) / (axis + 1), False) for i in range(axis)]
    return result + [((i + 1) / (pairs + 1), True) for i in range(pairs)]


def on_axis(body: dict[str, Float[np.ndarray, "T 2"]], share: float) -> tuple[Float[np.ndarray, "T 2"], str]:
    """The point `share` of the way from the rear over the centre to the front, and which end is nearer."""
    rear, centre, front = body["rear"], body["centre"], body["front"]
    first = float(np.median(np.linalg.norm(centre - rear, axis=1)))
    second = float(np.median(np.linalg.norm(front - centre, axis=1)))
    way = share * (first + second)
    if way <= first:
        part = way / max(first, 1e-9)
        return rear + part * (centre - rear), "rear" if part < 0.5 else "centre"
    part = (way - first) / max(second, 1e-9)
    return centre + part * (front - centre), "front" if part > 0.5 else "centre"


def trunk_points(
    body: dict[str, Float[np.ndarray, "T 2"]], shape: Bool[np.ndarray, "H W"], pose: BodyPose, num_points: int
) -> list[tuple[str, Float[np.ndarray, "T 2"], str, str]]:
    """Name, pixels, what it hangs on and the mirror image of each point; pairs stand left and right of the axis."""
    result = []
    for i, (share, paired) in enumerate(stations(num_points)):
        points, upper = on_axis(body, share)
        if not paired:
            result.append((f"axis_{i}", points, upper, ""))
            continue
        along = np.median(body_from_image(points[:, None], pose)[:, 0], axis=0)[0]
        column = int(np.clip((along + 1) * shape.shape[1] / 2, 0, shape.shape[1] - 1))
        rows = np.flatnonzero(shape[:, column])
        half = INSET * (np.ptp(rows) + 1) / shape.shape[0] if len(rows) else 0.05
        right = half * pose.reach * rotations(pose.angle)[:, :, 1]
        result.append((f"rim_{i}_left", points - right, upper, f"rim_{i}_right"))
        result.append((f"rim_{i}_right", points + right, upper, f"rim_{i}_left"))
    return result
