"""From the parts that were followed to K keypoints and the limbs between them. Points in pixels of the stored frame."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.body.frame import BodyPose, body_from_image, image_from_body
from articulate.seeding.body.limbs import Limbs, find_limbs
from articulate.seeding.body.moments import BodyMoments
from articulate.seeding.body.outline import (
    THICK,
    of_usual_area,
    spread_ends,
    trunk_half_width,
    wide_parts,
    without_others,
)
from articulate.seeding.body.pictures import BodyPictures
from articulate.seeding.body.solid import followed, solid_body
from articulate.seeding.body.trunk import trunk_points

FREE = ("tip", "middle", "root", "rear_")  # names of what moves against the trunk: limbs, wings
UNSEEN = 0.3  # score of a limb end that was not found in a frame but carried on from its neighbours in time


@dataclass(frozen=True)
class Figure:
    """Keypoints of the sampled frames, how sure each is, and the limbs between them."""

    points: Float[np.ndarray, "T K 2"]
    score: Float[np.ndarray, "T K"]
    edges: Int[np.ndarray, "L 2"]
    num_limbs: int
    mirror: Int[np.ndarray, " K"]  # mirror image of every keypoint; itself on the axis, -1 where it is not among them
    registered: Bool[np.ndarray, " K"]  # places of the trunk, found by registering the whole picture
    evident: Bool[np.ndarray, "T K"]  # where the outline leaves no doubt: a wing that is spread


class Parts:
    """Named tracks in order of use; each knows what it hangs on."""

    def __init__(self) -> None:
        self.points: dict[str, np.ndarray] = {}
        self.score: dict[str, np.ndarray] = {}
        self.hangs_on: dict[str, list[str]] = {}
        self.mirror: dict[str, str] = {}
        self.evident: dict[str, np.ndarray] = {}

    def add(self, name: str, points: np.ndarray, score: np.ndarray, hangs_on: list[str], mirror: str = "") -> None:
        """A track; of `hangs_on` the first one that is chosen is what it is joined to; `mirror`: "" means itself."""
        self.points[name], self.score[name], self.hangs_on[name] = points, score, hangs_on
        self.mirror[name] = mirror or name

    def figure(self, names: list[str], num_limbs: int) -> Figure:
        """The chosen tracks as a figure."""
        number = {name: k for k, name in enumerate(names)}
        edges = []
        for name in names:
            upper = next((other for other in self.hangs_on[name] if other in number), None)
            if upper is not None:
                edges.append((number[upper], number[name]))
        never = np.zeros(len(self.points[names[0]]), bool)
        return Figure(
            np.stack([self.points[name] for name in names], 1),
            np.stack([self.score[name] for name in names], 1),
            np.array(edges, np.int64).reshape(-1, 2),
            num_limbs,
            np.array([number.get(self.mirror[name], -1) for name in names], np.int64),
            np.array([not name.startswith(FREE) for name in names], bool),
            np.stack([self.evident.get(name, never) for name in names], 1),
        )


def figure_of_axis(
    pictures: BodyPictures,
    pose: BodyPose,
    quality: Float[np.ndarray, " T"],
    num_keypoints: int,
    config: BodyAxisConfig,
    generator: np.random.Generator,
) -> Figure:
    """Axis, front corners, limb ends, ends of wide parts, then the limbs' middles and roots, as K allows."""
    solid = solid_body(pictures.mask, pictures.contrast, pose)
    body = followed(solid, pictures.contrast, pose)
    sure = np.clip(quality, 0.0, 1.0)
    good = quality > np.quantile(quality, 0.2)
    wide = wide_parts(pictures.mask, THICK * trunk_half_width(solid.shape, pose))
    mask = without_others(pictures.mask, wide, pose, of_usual_area(pictures.mask))
    limbs = find_limbs(
        mask,
        pictures.follows,
        pose,
        solid.occupied,
        solid.shape,
        wide,
        good,
        config,
        generator,
        max(0, num_keypoints - 5),
    )
    wide_ends, spread = spread_ends(wide & (mask >= 128), pose, solid.shape)
    body |= wide_ends
    parts = Parts()
    parts.evident |= spread
    parts.add("centre", body["centre"], sure, [])
    for name in ("front", "rear", "front_left", "front_right", "rear_left", "rear_right"):
        upper, _, side = name.partition("_")
        other = {"left": f"{upper}_right", "right": f"{upper}_left"}.get(side, "")
        parts.add(name, body[name], sure, [upper, "centre"] if side else ["centre"], other)
    order = ["front", "rear", "centre", "front_left", "front_right"]
    number = 0 if limbs is None else limbs.tip.shape[1]
    if limbs is not None:
        add_limbs(parts, limbs, pose, body)
        order += [f"tip_{s}" for s in range(number)]
    order += ["rear_left", "rear_right"]
    order += [f"{part}_{s}" for part in ("middle", "root") for s in range(number)]
    more = max(0, num_keypoints - len(order))
    for name, points, upper, other in trunk_points(body, solid, pictures.contrast, pose, more):
        parts.add(name, points, sure, [upper, "centre"], other)
        order.append(name)
    names = order[:num_keypoints]
    figure = parts.figure(names, number)
    return replace(figure, points=onto_mask(figure.points, pictures.mask))


def add_limbs(parts: Parts, limbs: Limbs, pose: BodyPose, body: dict[str, np.ndarray]) -> None:
    """Tip, middle and root of every limb; its root hangs on the nearest of front, centre and rear."""
    axis = {name: np.median(body_from_image(body[name][:, None], pose)[:, 0], axis=0) for name in
            ("front", "centre", "rear")}  # fmt: skip
    tip, middle, root = (image_from_body(p, pose) for p in (limbs.tip, limbs.middle, limbs.root))
    for s in range(limbs.tip.shape[1]):
        base = np.median(limbs.root[:, s], axis=0)
        nearest = min(axis, key=lambda name: float(np.linalg.norm(axis[name] - base)))
        score = np.where(limbs.seen[:, s], 1.0, UNSEEN)
        other, hangs_on = int(limbs.mirror[s]), [nearest, "centre"]
        for name, points in (("root", root), ("middle", middle), ("tip", tip)):
            parts.add(f"{name}_{s}", points[:, s], score, hangs_on, f"{name}_{other}")
            hangs_on = [f"{name}_{s}", *hangs_on]


def add_between(parts: Parts, order: list[str], num_keypoints: int) -> None:
    """More points on the axis, when there are fewer parts than keypoints: evenly from rear to front."""
    missing = num_keypoints - len(order)
    ends = parts.points["rear"], parts.points["front"]
    for i in range(missing):
        share = (i + 1) / (missing + 1)
        side = "front" if share > 0.5 else "rear"
        points = (1 - share) * ends[0] + share * ends[1]
        parts.add(f"axis_{i}", points, parts.score["centre"], [side, "centre"])
        order.append(f"axis_{i}")


def figure_of_blob(
    pictures: BodyPictures,
    moments: BodyMoments,
    num_keypoints: int,
    config: BodyAxisConfig,
    generator: np.random.Generator,
) -> Figure:
    """Centre and limb ends of any single blob, in an upright frame: extremities within the mask, tracked over time."""
    y, x = np.nonzero((pictures.mask >= 128).any(0))
    reach = 0.5 * max(float(np.ptp(x)), float(np.ptp(y)), 2.0)
    pose = BodyPose(moments.centre, np.zeros(len(moments.angle)), reach)
    nowhere = np.zeros((8, 8))
    every_frame = np.ones(len(pictures.rows), bool)
    limbs = find_limbs(
        pictures.mask, pictures.follows, pose, nowhere, nowhere > 0, None, every_frame, config, generator,
        num_keypoints - 1, False,
    )  # fmt: skip
    parts = Parts()
    centre = moments.centre
    whole = np.full(len(centre), 0.5)
    parts.add("centre", centre, whole, [])
    parts.add("front", centre, whole, ["centre"])
    parts.add("rear", centre, whole, ["centre"])
    order = ["centre"]
    number = 0 if limbs is None else limbs.tip.shape[1]
    if limbs is not None:
        add_limbs(parts, limbs, pose, {"front": centre, "centre": centre, "rear": centre})
        order += [f"{part}_{s}" for part in ("tip", "middle", "root") for s in range(number)]
    axis = moments.spread[:, :1] * np.stack([np.cos(moments.angle), np.sin(moments.angle)], -1)
    parts.points["front"], parts.points["rear"] = centre + 2 * axis, centre - 2 * axis
    add_between(parts, order, num_keypoints)
    figure = parts.figure(order[:num_keypoints], number)
    return replace(figure, points=onto_mask(figure.points, pictures.mask))


def onto_mask(points: Float[np.ndarray, "T K 2"], mask: UInt8[np.ndarray, "T S S"]) -> Float[np.ndarray, "T K 2"]:
    """Points at which the mask, read between pixels, is below one half are set on the nearest pixel of the subject."""
    result = points.copy()
    for t in range(len(points)):
        value = ndimage.map_coordinates(mask[t].astype(np.float32), points[t, :, ::-1].T, order=1)
        off = value < 128
        if off.any():
            place = np.clip(np.round(points[t, off]).astype(int), 0, mask.shape[1] - 1)
            near = ndimage.distance_transform_edt(mask[t] < 128, return_distances=False, return_indices=True)
            rows, columns = near[:, place[:, 1], place[:, 0]]
            result[t, off] = np.stack([columns, rows], -1)
    return result
