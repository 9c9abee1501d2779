"""Seeds corrected by what a network learned from all of them: wrong headings, swapped limbs, limb ends not found.

The network (`body/network.py`) is taught twice: by all seeds, then by those that it did not contradict. It then reads
every frame as it is and turned by half a circle; which is right is decided over time, like the first heading was.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from articulate.seeding.body.assembly import Figure, onto_mask
from articulate.seeding.body.frame import BodyPose, body_from_image
from articulate.seeding.body.heading import axis_steps, viterbi_signs
from articulate.seeding.body.network import INSIDE, BodyFrames, BodyNetwork, read_network, taught_network
from articulate.seeding.body.pictures import BodyPictures

AGREE = 0.12  # distance, in units of reach, up to which seed and network mean the same place
CLEAR = 0.5  # mass of a heatmap around its mode from which the network may contradict
ALIKE = 0.65  # share of the usual likeness from which a picture is registered at all
SEEN = 0.5  # score of a seed from which it teaches


def refined(
    pictures: BodyPictures,
    pose: BodyPose,
    quality: Float[np.ndarray, " T"],
    figure: Figure,
    steps: int,
    stiffness: float,
    generator: np.random.Generator,
) -> Figure:
    """The figure with every keypoint where seed and network agree, or where the network alone sees it."""
    frames = BodyFrames(pictures.grey, pictures.contrast, pictures.mask, pose)
    middle = np.median(quality)
    good = quality > middle - 5 * (1.4826 * np.median(np.abs(quality - middle)) + 1e-3)
    alike = quality > ALIKE * middle
    weight = np.where((figure.score >= SEEN) & (good[:, None] | figure.evident), figure.score, 0.0)
    network = taught_network(frames, figure.points, weight, figure.mirror, generator, steps // 2)
    found, sure = read_network(network, frames, pose, figure.mirror)
    apart = np.linalg.norm(found - figure.points, axis=-1) / pose.reach
    weight = np.where((apart > AGREE) & (sure > CLEAR) & ~figure.evident, 0.0, weight)
    network = taught_network(frames, figure.points, weight, figure.mirror, generator, steps - steps // 2, network)
    found, sure, turned = read_headed(network, frames, figure, pictures.follows, stiffness, alike)
    trusted = ((alike[:, None] & figure.registered) | figure.evident) & ~turned[:, None]
    return fused(figure, found, sure, trusted, pose, pictures)


def read_headed(
    network: BodyNetwork,
    frames: BodyFrames,
    figure: Figure,
    follows: Bool[np.ndarray, " T"],
    stiffness: float,
    alike: Bool[np.ndarray, " T"],
) -> tuple[Float[np.ndarray, "T K 2"], Float[np.ndarray, "T K"], Bool[np.ndarray, " T"]]:
    """Keypoints as the network reads them, how sure, and where it had to turn the picture by half a circle.

    Frames that are `alike` the others in the body's frame are not turned: of a body whose ends look much the same, the
    network is less sure than the registration.
    """
    pose = frames.pose
    one, two = (read_network(network, frames, p, figure.mirror) for p in (pose, pose.turned(np.ones(len(pose.angle)))))
    gain = np.log(np.maximum(one[1], 1e-3)).mean(1) - np.log(np.maximum(two[1], 1e-3)).mean(1)
    unary = np.where(alike, 3.0, np.clip(gain / max(float(np.median(np.abs(gain))), 1e-9), -3, 3))
    link = stiffness * np.where(follows, axis_steps(pose.angle), 0.0)
    turn = (viterbi_signs(unary, link)[0] < 0) & ~alike
    return np.where(turn[:, None, None], two[0], one[0]), np.where(turn[:, None], two[1], one[1]), turn


def fused(
    figure: Figure,
    found: Float[np.ndarray, "T K 2"],
    sure: Float[np.ndarray, "T K"],
    trusted: Bool[np.ndarray, "T K"],
    pose: BodyPose,
    pictures: BodyPictures,
) -> Figure:
    """Half way between seed and network where they agree, else the network's place, with less of a score.

    Seeds that are `trusted` stay: a registered picture is more precise than a heatmap. So do keypoints that are mostly
    outside of what the network sees (the end of a long tail).
    """
    agree = np.linalg.norm(found - figure.points, axis=-1) / pose.reach < AGREE
    points = np.where(agree[..., None], (figure.points + found) / 2, found)
    score = np.where(agree, np.maximum(figure.score, sure * SEEN), sure * SEEN)
    points, score = np.where(trusted[..., None], figure.points, points), np.where(trusted, figure.score, score)
    outside = (np.abs(body_from_image(figure.points, pose)).max(-1) > INSIDE).mean(0) > 0.3
    points, score = np.where(outside[:, None], figure.points, points), np.where(outside, figure.score, score)
    return replace(figure, points=onto_mask(points, pictures.mask), score=score)
