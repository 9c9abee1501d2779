"""The body's pose followed through frames in which another animal touches or covers it, or in which it turns over.

Frame by frame, the largest solid part of a merged mask may be the other animal's. Here frames that look unlike the
others, and those after a jump, have three candidates: the pose found in them, and the poses registered onwards from
the frame before and backwards from the frame after, at the pace that good frames show, until they meet what was found.
Viterbi (1967) chooses among them by likeness and motion over whole stretches of frames.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from articulate.seeding.body.frame import BodyPose
from articulate.seeding.body.template import Template, agreement, body_window, one_step, read_body, template_of

SIZE, BLUR, STEPS = 48, 0.8, 4
TOLERANCE = 5.0  # deviations below the median likeness from which a frame is not trusted
LIKENESS_SCALE = 0.1  # difference of likeness that weighs as much as a factor e of probability
LONGEST = 300  # most frames that a pose is carried on without meeting the one found in the frame
FASTEST = 0.99  # share of good frames' steps that a followed body keeps to
JUMP = 2.0  # a change is a jump from this many times the fastest


@dataclass(frozen=True)
class Candidate:
    """A pose of every frame, how like the template the picture is in it, and in which frames it is thought of."""

    pose: BodyPose
    quality: Float[np.ndarray, " T"]
    offered: Bool[np.ndarray, " T"]


@dataclass(frozen=True)
class Pace:
    """Usual and fastest change between consecutive good frames: of the centre in units of reach, of the angle."""

    usual: Float[np.ndarray, " 2"]
    fastest: Float[np.ndarray, " 2"]


def followed_pose(
    contrast: UInt8[np.ndarray, "T S S"],
    pose: BodyPose,
    follows: Bool[np.ndarray, " T"],
    source: Float[np.ndarray, "T 3"],
    sampled: int = 300,
) -> tuple[BodyPose, Float[np.ndarray, " T"]]:
    """The pose of every frame after the choice, and its likeness to the template (correlation in [-1, 1]).

    `source` (scale, corner) takes pixels of a frame to pixels of the video, where a following crop moves nothing. When
    more than half of the frames are unlike the template, nothing is changed.
    """
    some = np.unique(np.linspace(0, len(contrast) - 1, sampled).astype(int))
    few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
    template = template_of(read_body(contrast[some], few, slice(None), SIZE, BLUR))
    parts = [slice(begin, begin + 256) for begin in range(0, len(contrast), 256)]
    quality = np.concatenate([agreement(read_body(contrast, pose, p, SIZE, BLUR), template) for p in parts])
    middle = np.median(quality)
    bad = quality < middle - TOLERANCE * (1.4826 * np.median(np.abs(quality - middle)) + 1e-3)
    if bad.mean() > 0.5 or not bad.any():
        return pose, quality
    pace = pace_of(pose, follows & ~bad & ~np.roll(bad, 1), source)
    candidates = [Candidate(pose, quality, np.ones(len(quality), bool))]
    for back in (1, -1):
        candidates.append(walked(contrast, candidates[0], bad, follows, source, template, pace, back))
    chosen = best_candidates(candidates, follows, source, pace)
    frames = np.arange(len(contrast))
    centre = np.stack([c.pose.centre for c in candidates])[chosen, frames]
    angle = np.stack([c.pose.angle for c in candidates])[chosen, frames]
    return BodyPose(centre, angle, pose.reach), np.stack([c.quality for c in candidates])[chosen, frames]


def in_video(centre: Float[np.ndarray, "T 2"], source: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 2"]:
    """Pixels of the frames as pixels of the video."""
    return centre * source[:, :1] + source[:, 1:]


def changes(one: BodyPose, two: BodyPose, source: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 2"]:
    """Distance in units of reach and angle between pose `two` of each frame and pose `one` of the frame before."""
    first, second = in_video(one.centre, source), in_video(two.centre, source)
    step = np.linalg.norm(second[1:] - first[:-1], axis=1) / (one.reach * source[1:, 0])
    turn = np.abs(np.angle(np.exp(1j * (two.angle[1:] - one.angle[:-1]))))
    return np.concatenate([np.zeros((1, 2)), np.stack([step, turn], -1)])


def pace_of(pose: BodyPose, good: Bool[np.ndarray, " T"], source: Float[np.ndarray, "T 3"]) -> Pace:
    """How fast the body moves and turns from one of the `good` frames' predecessors to it."""
    every = changes(pose, pose, source)[good]
    if len(every) < 20:
        return Pace(np.array([0.02, 0.02]), np.array([0.1, 0.15]))
    return Pace(np.maximum(np.median(every, 0), 0.005), np.maximum(np.quantile(every, FASTEST, axis=0), 0.02))


def walked(
    contrast: UInt8[np.ndarray, "T S S"],
    found: Candidate,
    bad: Bool[np.ndarray, " T"],
    follows: Bool[np.ndarray, " T"],
    source: Float[np.ndarray, "T 3"],
    template: Template,
    pace: Pace,
    back: int,
) -> Candidate:
    """Poses registered one by one from the frame before (`back` 1) or after (-1), where what was found is doubtful.

    A walk begins at a bad frame and at a jump, and ends where it meets the pose found in a good frame.
    """
    pose, reach = found.pose, found.pose.reach
    centre, angle, quality = pose.centre.copy(), pose.angle.copy(), found.quality.copy()
    offered, walking = np.zeros(len(bad), bool), 0
    for t in np.arange(len(contrast))[::back]:
        other = t - back
        if not 0 <= other < len(contrast) or not follows[max(t, other)]:
            walking = 0
            continue
        start = (in_video(centre[other : other + 1], source[other : other + 1])[0] - source[t, 1:]) / source[t, 0]
        step = np.linalg.norm(pose.centre[t] - start) / reach
        turn = np.abs(np.angle(np.exp(1j * (pose.angle[t] - angle[other]))))
        meets = step <= JUMP * pace.fastest[0] and turn <= JUMP * pace.fastest[1]
        if (meets and not bad[t]) or walking >= LONGEST:
            walking = 0
            continue
        walking += 1
        offered[t] = True
        one = next_pose(contrast[t : t + 1], BodyPose(start[None], angle[[other]], reach), template, pace)
        centre[t], angle[t] = one.centre[0], one.angle[0]
        quality[t] = agreement(read_body(contrast[t : t + 1], one, slice(None), SIZE, BLUR), template)[0]
    return Candidate(BodyPose(centre, angle, reach), quality, offered)


def next_pose(contrast: UInt8[np.ndarray, "1 S S"], start: BodyPose, template: Template, pace: Pace) -> BodyPose:
    """One picture registered from `start`, no farther from it than the fastest of good frames."""
    one, window = start, body_window(SIZE)
    for _ in range(STEPS):
        one = one_step(contrast, one, template, window, SIZE, BLUR)
    way = one.centre - start.centre
    far = float(np.linalg.norm(way)) / (pace.fastest[0] * start.reach)
    turn = np.clip(one.angle - start.angle, -pace.fastest[1], pace.fastest[1])
    return BodyPose(start.centre + way / max(far, 1.0), start.angle + turn, start.reach)


def best_candidates(
    candidates: list[Candidate],
    follows: Bool[np.ndarray, " T"],
    source: Float[np.ndarray, "T 3"],
    pace: Pace,
) -> Int[np.ndarray, " T"]:
    """Which candidate each frame takes: likeness, less log(1 + squared change over the usual one), summed over time.

    The logarithm lets a fast turn happen once, but not there and back.
    """
    count, frames = len(candidates), len(follows)
    cost = np.stack([np.where(c.offered, -c.quality / LIKENESS_SCALE, np.inf) for c in candidates])
    link = np.zeros((count, count, frames))
    for i, one in enumerate(candidates):
        for j, two in enumerate(candidates):
            link[i, j] = np.log1p((changes(one.pose, two.pose, source) / pace.usual) ** 2).sum(-1)
    link[:, :, ~follows] = 0.0
    best, origin = cost[:, 0], np.zeros((frames, count), np.int64)
    for t in range(1, frames):
        total = best[:, None] + link[:, :, t]
        origin[t] = total.argmin(0)
        best = total.min(0) + cost[:, t]
    path = np.empty(frames, np.int64)
    path[-1] = best.argmin()
    for t in range(frames - 1, 0, -1):
        path[t - 1] = origin[t, path[t]]
    return path
