"""Seeds for animals seen from above: keypoints tied to the body's axis, its outline and its limbs.

Every frame is brought into the body's own frame (centre, long axis, head end resolved over the whole store), where a
landmark is found at much the same place whichever way the animal faces. Only frames and masks are read.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int

from articulate.data.store import ClipStore
from articulate.seeding.body.assembly import Figure, figure_of_axis, figure_of_blob
from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.body.frame import BodyPose, body_pictures
from articulate.seeding.body.heading import odd_features, oriented, resolve_signs, walks_forward
from articulate.seeding.body.line import figure_of_line, held_share, is_line
from articulate.seeding.body.moments import BodyMoments, body_moments
from articulate.seeding.body.pictures import BodyPictures, read_pictures
from articulate.seeding.body.refine import refined
from articulate.seeding.body.template import congeal
from articulate.seeding.body.track import followed_pose
from articulate.seeding.seeds import Seeds
from articulate.seeds import numpy_generator

TRUSTED = 0.3  # confidence below which seeds teach nothing (another strategy will serve, or nothing helps)
HELD_OFTEN = 0.65  # share of frames in which a line is held at one end, from which it does not crawl
HELD_TRUST = 0.6  # what is left of its confidence then: another strategy may serve better
REACH = 3.4  # half side of the body's frame, in standard deviations of the body along its axis


def body_axis_seeds(
    store: ClipStore, num_keypoints: int, config: BodyAxisConfig, seed: int, say: Callable[[str], None]
) -> Seeds | None:
    """`num_keypoints` keypoints of every frame by the body's axis, or by the blob's extremities where there is none.

    Image frame; NaN in frames without a subject or beyond `max_frames`. `confidence` is high for an elongated subject
    that faces many directions and looks alike in all of them. None, with the reason said, without masks.
    """
    pictures = read_pictures(store, config.max_frames)
    if isinstance(pictures, str):
        say(f"body axis: none ({pictures})")
        return None
    generator = numpy_generator(seed, "seeding", "body_axis")
    moments = body_moments(pictures.mask, config.opening)
    elongation = float(np.median(moments.spread[:, 0] / np.maximum(moments.spread[:, 1], 1e-9)))
    if is_line(pictures.mask):
        return seeds_of_line(store, pictures, num_keypoints, config, say)
    pose, forward = headed_pose(store, pictures, moments, config)
    coverage = 1 - float(np.abs(np.exp(1j * pose.angle).mean()))
    if elongation < config.least_elongation or coverage < config.least_coverage:
        figure = figure_of_blob(pictures, moments, num_keypoints, config, generator)
        confidence = 0.2 * float(figure.score.mean())
        reason = f"no body axis (elongation {elongation:.2f}, headings {coverage:.2f}): extremities of the mask"
    else:
        pose = congeal(pictures.contrast, pose)
        pose, quality = followed_pose(pictures.contrast, pose, pictures.follows, source_of(store, pictures))
        figure = figure_of_axis(pictures, pose, quality, num_keypoints, config, generator)
        alike = float(np.clip(np.median(quality), 0, 1))
        confidence = alike * min(1.0, (elongation - 1) / 0.8) * min(1.0, coverage / 0.5)
        steps = min(config.network_steps, len(pictures.rows) // 2)  # few frames have little in common to be learned
        if steps and confidence >= TRUSTED:
            figure = refined(pictures, pose, quality, figure, steps, config.stiffness, generator)
        reason = (
            f"elongation {elongation:.2f}, headings {coverage:.2f} of the circle, likeness {alike:.2f}, "
            f"walks forward {forward:.2f}, {figure.num_limbs} limbs"
        )
    say(f"body axis: {reason}; confidence {confidence:.2f}")
    return seeds_of(store, pictures, figure, confidence, reason)


def seeds_of_line(
    store: ClipStore, pictures: BodyPictures, num_keypoints: int, config: BodyAxisConfig, say: Callable[[str], None]
) -> Seeds:
    """Seeds of a body that is one line. One that is held at one end does not crawl: its joints are where it bends."""
    source = source_of(store, pictures)
    figure, forward = figure_of_line(pictures, source, num_keypoints, config.stiffness)
    usual = float(np.mean(figure.score))
    held = held_share(figure.points * source[:, None, :1] + source[:, None, 1:], clip_of(store)[pictures.rows])
    confidence = 0.9 * usual * (HELD_TRUST if held >= HELD_OFTEN else 1.0)
    reason = (
        f"a line that bends, usual length in {usual:.2f} of frames, moves head first {forward:.2f}, "
        f"held at one end in {held:.2f}"
    )
    say(f"body axis: {reason}; confidence {confidence:.2f}")
    return seeds_of(store, pictures, figure, confidence, reason)


def headed_pose(
    store: ClipStore, pictures: BodyPictures, moments: BodyMoments, config: BodyAxisConfig
) -> tuple[BodyPose, float]:
    """Pose with the head end resolved, and how well the animal walks that way (0 where a crop hides the walk)."""
    reach = REACH * float(np.median(moments.spread[:, 0]))
    pose = BodyPose(moments.centre, moments.angle, reach)
    features = odd_features(body_pictures(pictures.contrast, pose, 64, 128))
    pose = oriented(pose, resolve_signs(features, pose.angle, pictures.follows, config.stiffness))
    source = source_of(store, pictures)
    walked = walks_forward(moments.centre * source[:, :1] + source[:, 1:], pose.angle, pictures.follows)
    if walked < 0:
        pose = pose.turned(np.ones(len(pose.angle)))
    return pose, abs(walked)


def clip_of(store: ClipStore) -> Int[np.ndarray, " N"]:
    """Number of the clip of every frame of the store."""
    return np.repeat(np.arange(len(store.clips)), [clip.num_frames for clip in store.clips])


def source_of(store: ClipStore, pictures: BodyPictures) -> Float[np.ndarray, "T 3"]:
    """Scale and corner of each sampled frame in its video."""
    return np.concatenate([store.source_from_store(i) for i in range(len(store.clips))])[pictures.rows]


def seeds_of(store: ClipStore, pictures: BodyPictures, figure: Figure, confidence: float, reason: str) -> Seeds:
    """The figure of the sampled frames as seeds of all frames."""
    shape = (store.num_frames, figure.points.shape[1])
    xy: Float[np.ndarray, "N K 2"] = np.full((*shape, 2), np.nan, np.float32)
    score = np.zeros(shape, np.float32)
    xy[pictures.rows] = (2 * figure.points + 1) / pictures.size - 1
    score[pictures.rows] = figure.score
    return Seeds(
        xy=torch.from_numpy(xy),
        score=torch.from_numpy(score),
        edges=torch.from_numpy(figure.edges),
        confidence=confidence,
        reason=reason,
    )
