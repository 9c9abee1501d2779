"""A body followed through a touch: exact poses of two drawn animals whose masks become one."""

import numpy as np
from drawn_bug import two_that_touch

from articulate.seeding.body.frame import BodyPose, body_pictures
from articulate.seeding.body.heading import odd_features, resolve_signs
from articulate.seeding.body.moments import body_moments
from articulate.seeding.body.template import congeal
from articulate.seeding.body.track import Candidate, Pace, best_candidates, changes, followed_pose


def errors(found: BodyPose, true: BodyPose, sign: float) -> tuple[np.ndarray, np.ndarray]:
    turn = np.abs(np.angle(np.exp(1j * (found.angle - true.angle - (np.pi if sign < 0 else 0)))))
    return np.linalg.norm(found.centre - true.centre, axis=1) / true.reach, turn


def test_a_body_is_followed_while_another_touches_it() -> None:
    frames, masks, true = two_that_touch(180)
    contrast = np.where(masks > 0, 128 + (frames[..., 0].astype(int) - 40) // 2, 128).astype(np.uint8)
    moments = body_moments(masks, 0.5)
    follows = np.arange(180) > 0
    pose = BodyPose(moments.centre, moments.angle, 3.4 * float(np.median(moments.spread[:, 0])))
    signs = resolve_signs(odd_features(body_pictures(contrast, pose, 64, 128)), pose.angle, follows, 3.0)
    pose = congeal(contrast, pose.turned(signs < 0))
    source = np.tile([1.0, 0.0, 0.0], (180, 1))
    followed, quality = followed_pose(contrast, pose, follows, source)
    sign = np.cos(followed.angle[:50] - true.angle[:50]).mean()
    before, after = errors(pose, true, sign), errors(followed, true, sign)
    assert ((before[0] > 0.5) | (before[1] > 0.5)).sum() >= 10, "frame by frame the other animal is taken for this one"
    assert ((after[0] > 0.3) | (after[1] > 0.3)).sum() <= 4
    assert quality.shape == (180,)


def test_a_crop_that_moves_is_no_motion_of_the_body() -> None:
    pose = BodyPose(np.array([[10.0, 10.0], [8.0, 10.0]]), np.array([0.0, 0.1]), 5.0)
    still = np.array([[2.0, 0.0, 0.0], [2.0, 4.0, 0.0]])
    np.testing.assert_allclose(changes(pose, pose, still), [[0, 0], [0, 0.1]], atol=1e-12)


def test_a_stretch_keeps_to_one_body_unless_the_picture_says_otherwise() -> None:
    frames = 9
    here, there = (BodyPose(np.full((frames, 2), x), np.zeros(frames), 10.0) for x in (0.0, 10.0))
    bad = np.zeros(frames, bool)
    bad[3:6] = True
    jumped = BodyPose(np.where(bad[:, None], there.centre, here.centre), here.angle, 10.0)
    follows, source = np.arange(frames) > 0, np.tile([1.0, 0.0, 0.0], (frames, 1))
    pace = Pace(np.array([0.01, 0.01]), np.array([0.1, 0.1]))
    good = np.ones(frames)
    likeness = np.where(bad, 0.6, 1.0), np.where(bad, 0.5, 1.0)
    path = best_candidates(
        [Candidate(jumped, likeness[0], good > 0), Candidate(here, likeness[1], bad)], follows, source, pace
    )
    assert (path == bad).all(), "a little less alike, but no jump there and back"
    path = best_candidates([Candidate(jumped, good, good > 0), Candidate(here, -9 * good, bad)], follows, source, pace)
    assert (path == 0).all()
