"""More points of the trunk, when an animal has fewer parts than keypoints are asked for: along its axis and its rim."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from articulate.seeding.body.frame import BodyPose, body_from_image, image_from_body
from articulate.seeding.body.solid import SolidBody, windowed

INSET = 0.8  # how far out the points of the rim are, as a share of the half width
WINDOWS = (0.25, 0.75)  # where the trunk's windows are, as a share of the way from rear to front
WINDOW = 0.25  # their half side, as a share of that way


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
    body: dict[str, Float[np.ndarray, "T 2"]],
    solid: SolidBody,
    contrast: UInt8[np.ndarray, "T S S"],
    pose: BodyPose,
    num_points: int,
) -> list[tuple[str, Float[np.ndarray, "T 2"], str, str]]:
    """Name, pixels, what it hangs on and the mirror image of each point; pairs stand left and right of the axis.

    The trunk is not rigid: a point goes with the windows of the trunk around it, each registered on its own, by its
    place between them.
    """
    wanted = [(share, paired, *on_axis(body, share)) for share, paired in stations(num_points)]
    if not wanted:
        return []
    windows = windows_of(body, solid, contrast, pose)
    result = []
    for i, (share, paired, points, upper) in enumerate(wanted):
        middle = np.median(body_from_image(points[:, None], pose)[:, 0], axis=0)
        if not paired:
            result.append((f"axis_{i}", between(windows, share, middle, pose.reach), upper, ""))
            continue
        half = np.array([0.0, INSET * half_width(solid.shape, middle[0])])
        for side, other, place in (("left", "right", middle - half), ("right", "left", middle + half)):
            result.append((f"rim_{i}_{side}", between(windows, share, place, pose.reach), upper, f"rim_{i}_{other}"))
    return result


def half_width(shape: Bool[np.ndarray, "H W"], along: float) -> float:
    """Half width of the mean shape at this place of the axis, in body coordinates."""
    column = int(np.clip((along + 1) * shape.shape[1] / 2, 0, shape.shape[1] - 1))
    rows = np.flatnonzero(shape[:, column])
    return (np.ptp(rows) + 1) / shape.shape[0] if len(rows) else 0.05


def windows_of(
    body: dict[str, Float[np.ndarray, "T 2"]],
    solid: SolidBody,
    contrast: UInt8[np.ndarray, "T S S"],
    pose: BodyPose,
) -> list[tuple[Float[np.ndarray, " 2"], BodyPose]]:
    """Usual place (body coordinates) and registered pose of each window of the trunk, from rear to front."""
    length = float(np.linalg.norm(solid.place["front"] - solid.place["rear"]))
    result = []
    for share in WINDOWS:
        place = np.median(body_from_image(on_axis(body, share)[0][:, None], pose)[:, 0], axis=0)
        result.append((place, windowed(contrast, pose, place, WINDOW * length)))
    return result


def between(
    windows: list[tuple[Float[np.ndarray, " 2"], BodyPose]],
    share: float,
    place: Float[np.ndarray, " 2"],
    reach: float,
) -> Float[np.ndarray, "T 2"]:
    """Pixels of a body point that goes with both windows: with the nearer one the more, beyond them with it alone."""
    first, second = (
        image_from_body(np.broadcast_to((place - origin) * reach / window.reach, (len(window.angle), 1, 2)), window)[
            :, 0
        ]
        for origin, window in windows
    )
    weight = float(np.clip((share - WINDOWS[0]) / (WINDOWS[1] - WINDOWS[0]), 0, 1))
    return (1 - weight) * first + weight * second
