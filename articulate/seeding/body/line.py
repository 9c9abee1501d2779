"""Animals that are one long line and curl (worms, snakes, eels): points at equal shares of the way along the midline.

A curled body has no axis. Its ends are the two pixels that are farthest apart within the mask; which of them is the
head is one sign per frame from the profile of width and brightness and from time, and one sign per store from the walk.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from articulate.seeding.body.assembly import Figure, onto_mask
from articulate.seeding.body.heading import signs_of, walks_forward
from articulate.seeding.body.line_kernels import midlines
from articulate.seeding.body.pictures import BodyPictures

SLENDER = 5.0  # length over largest width from which a body is a line
TUBE = 0.6  # share of length times largest width that a line fills at least: a trunk with a thin tail does not
HELD = 0.15  # distance, in lengths, within which an end that does not leave its place stays
SHORT = 0.7  # share of the usual length below which a line touches itself, and its points are not to be trusted


def is_line(mask: UInt8[np.ndarray, "T S S"], sampled: int = 60) -> bool:
    """Whether most masks are one slender tube."""
    some = mask[np.unique(np.linspace(0, len(mask) - 1, sampled).astype(int))] >= 128
    points, profile, length = np.zeros((len(some), 3, 2)), np.zeros((len(some), 3, 2)), np.zeros(len(some))
    midlines(some, np.zeros(some.shape, np.uint8), points, profile, length)
    width = np.array([2 * ndimage.distance_transform_edt(np.pad(one, 1)).max() for one in some])
    area = some.sum((1, 2))
    return bool(np.median(length / width) >= SLENDER and np.median(area / (length * width)) >= TUBE)


def figure_of_line(
    pictures: BodyPictures, source: Float[np.ndarray, "T 3"], num_keypoints: int, stiffness: float
) -> tuple[Figure, float]:
    """Keypoints from head to tail with the limbs between neighbours, and how well it moves head first (0 to 1).

    `source` leads from the stored frame to the video (scale, x, y), so that a following crop does not hide the walk.
    """
    inside = pictures.mask >= 128
    count, frames = max(num_keypoints, 2), len(inside)
    points, profile, length = np.zeros((frames, count, 2)), np.zeros((frames, count, 2)), np.zeros(frames)
    midlines(inside, pictures.grey, points, profile, length)
    good = length >= SHORT * np.median(length)
    signs = end_signs(points, profile, pictures.follows, good, stiffness)
    points = np.where((signs < 0)[:, None, None], points[:, ::-1], points)
    ahead = points[:, 0] - points[:, -1]
    middle = points.mean(1) * source[:, :1] + source[:, 1:]
    forward = walks_forward(middle, np.arctan2(ahead[:, 1], ahead[:, 0]), pictures.follows)
    if forward < 0:
        points = points[:, ::-1]
    points = points[:, :num_keypoints]
    chain = np.stack([np.arange(num_keypoints - 1), np.arange(1, num_keypoints)], -1)
    score = np.repeat(np.where(good, 1.0, 0.3)[:, None], num_keypoints, 1)
    mirror = np.full(num_keypoints, -1)
    whole, nowhere = np.ones(num_keypoints, bool), np.zeros(score.shape, bool)
    figure = Figure(onto_mask(points, pictures.mask), score, chain, 1, mirror, whole, nowhere)
    return figure, abs(forward)


def held_share(points: Float[np.ndarray, "T K 2"], clip: Int[np.ndarray, " T"], sampled: int = 40) -> float:
    """Share of the frames in which one end of the line lies where it always lies in its video; the mean over clips.

    Near 1 for what is fixed at one end, as a robot arm is; an animal that crawls takes both ends along.
    """
    reach = HELD * np.median(np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1))
    ends, shares = points[:, [0, -1]], []
    for one in np.unique(clip):
        mine = ends[clip == one]
        places = mine[np.unique(np.linspace(0, len(mine) - 1, sampled).astype(int))].reshape(-1, 2)
        apart = np.linalg.norm(mine[None] - places[:, None, None], axis=-1).min(-1)
        shares.append((apart < reach).mean(1).max())
    return float(np.mean(shares))


def end_signs(
    points: Float[np.ndarray, "T K 2"],
    profile: Float[np.ndarray, "T K 2"],
    follows: Bool[np.ndarray, " T"],
    good: Bool[np.ndarray, " T"],
    stiffness: float,
) -> Float[np.ndarray, " T"]:
    """Sign of every frame: -1 where its line runs the other way round.

    Features are the profile less its reverse, of no weight where a line touches itself; links are how much nearer the
    line is to the one before it than to its reverse.
    """
    scaled = profile / np.maximum(np.median(profile, axis=(0, 1)), 1e-9)
    odd = (scaled - scaled[:, ::-1]).reshape(len(points), -1) * good[:, None]
    same = np.linalg.norm(points[1:] - points[:-1], axis=-1).mean(1)
    turned = np.linalg.norm(points[1:] - points[:-1, ::-1], axis=-1).mean(1)
    link = np.concatenate([[0.0], (turned - same) / np.maximum(turned + same, 1e-9)])
    return signs_of(odd, np.where(follows, link, 0.0), stiffness)
