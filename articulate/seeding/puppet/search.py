"""The search for a puppet: candidates from well spread frames, followed through their clips, then through all clips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from articulate.seeding.puppet.config import PuppetConfig
from articulate.seeding.puppet.model import Puppet, measured_radii, puppet_from_lines
from articulate.seeding.puppet.outline import (
    MiddleTree,
    Outline,
    join_close_branches,
    line_length,
    middle_tree,
    num_holes,
)
from articulate.seeding.puppet.shape import prune_joints, with_measured_lengths
from articulate.seeding.puppet.track import TrackSettings, fit_to, follow_both_ways
from articulate.seeding.puppet.twins import like_lengths, twins_alike

Clip = list[Outline]
APART = 5  # frames between two frames that count as different
KNOWN_POSES = 80
TRIED_FRAMES = 5
SHAPE_FRAMES = 40
CELLS = 16


@dataclass(frozen=True)
class Spread:
    """A frame whose silhouette shows its limbs: number of ends, closed spaces, length of all lines, and the lines."""

    ends: int
    holes: int
    length: float
    clip: int
    frame: int
    tree: MiddleTree

    @property
    def rank(self) -> tuple[int, int, float]:
        """Most ends first, then fewest closed spaces, then longest lines."""
        return (-self.ends, self.holes, -self.length)


@dataclass(frozen=True)
class Tracked:
    """The poses of a clip and their mean cost per frame."""

    poses: Float[np.ndarray, "T K 2"]
    cost: float


def spread_frames(clips: Sequence[Clip], num_points: int, config: PuppetConfig) -> list[Spread]:
    """All frames with at least two ends and no more nodes than points, the best spread first."""
    found = []
    for number, clip in enumerate(clips):
        for frame, outline in enumerate(clip):
            if len(outline.pixels) < 8:
                continue
            diagonal = float(np.linalg.norm(np.ptp(outline.pixels, axis=0)))
            tree = middle_tree(outline, max(2.0, config.prominence * diagonal))
            if tree is None:
                continue
            tree = join_close_branches(tree, 0.06 * diagonal)
            if tree.num_ends >= config.least_ends and len(tree.nodes) <= num_points:
                holes = num_holes(outline.inside)
                found.append(Spread(tree.num_ends, holes, tree.length, number, frame, tree))
    return sorted(found, key=lambda s: s.rank)


def different(frames: Sequence[Spread], count: int) -> list[Spread]:
    """The first `count` that are not neighbours in time."""
    chosen: list[Spread] = []
    for frame in frames:
        if all(frame.clip != c.clip or abs(frame.frame - c.frame) > APART for c in chosen):
            chosen.append(frame)
        if len(chosen) == count:
            break
    return chosen


def remeasured(puppet: Puppet, poses: Float[np.ndarray, "T K 2"], outlines: Clip) -> Puppet:
    """Lengths and half-widths from tracked poses, the same for twins."""
    return twins_alike(replace(with_measured_lengths(puppet, poses), radii=measured_radii(puppet, poses, outlines)))


def like_lines(tree: MiddleTree) -> list[list[int]]:
    """Numbers of the lines of a frame that hang on one branch and are about as long."""
    degree = np.bincount(tree.edges.reshape(-1), minlength=len(tree.nodes))
    free = [n for n, (a, b) in enumerate(tree.edges) if (degree[[a, b]] == 1).sum() == 1]
    branches = [int(a if degree[a] > 1 else b) for a, b in tree.edges[free]]
    groups = like_lengths(branches, np.array([line_length(tree.lines[n]) for n in free]))
    return [[free[i] for i in group] for group in groups]


def track(
    puppet: Puppet,
    clip: Clip,
    frame: int,
    pose: Float[np.ndarray, "K 2"],
    settings: TrackSettings,
    known: list[Float[np.ndarray, "_ K 2"]] | None = None,
) -> Tracked:
    """A clip followed from one frame."""
    poses, costs = follow_both_ways(puppet, clip, frame, pose, settings, known)
    return Tracked(poses, float(costs.mean()))


def try_template(
    spread: Spread, clips: Sequence[Clip], num_points: int, settings: TrackSettings
) -> tuple[Puppet, Tracked]:
    """The puppet of one frame, followed twice: with the lengths of that frame, and with those of its whole clip."""
    clip = clips[spread.clip]
    puppet, pose = puppet_from_lines(spread.tree, clip[spread.frame], num_points, like_lines(spread.tree))
    first = track(puppet, clip, spread.frame, pose, settings)
    puppet = remeasured(puppet, first.poses, clip)
    return puppet, track(puppet, clip, spread.frame, first.poses[spread.frame], settings)


def middle_of(outline: Outline) -> Float[np.ndarray, " 2"]:
    """Centre of the body."""
    return outline.pixels.mean(0) if len(outline.pixels) else np.full(2, len(outline.depth) / 2)


def picture_of(outline: Outline) -> Float[np.ndarray, " D"]:
    """A silhouette about its centre, in coarse cells: alike for like poses."""
    size = len(outline.depth)
    place = (outline.pixels - middle_of(outline)) / size + 0.5
    cells = np.clip((place * CELLS).astype(np.int64), 0, CELLS - 1)
    counts = np.bincount(cells[:, 1] * CELLS + cells[:, 0], minlength=CELLS**2).reshape(CELLS, CELLS)
    return gaussian_filter(counts.astype(np.float64), 0.7).reshape(-1)


def alike_poses(
    tracked: dict[int, Tracked], clips: Sequence[Clip], count: int
) -> list[list[Float[np.ndarray, "_ K 2"]]]:
    """For every frame the poses of the frames (or mirrored frames) of like silhouette, moved to its centre.

    Neighbours in time are left out, and the half of the clips in which the puppet fits worst.
    """
    best = sorted(tracked, key=lambda n: tracked[n].cost)[: max(2, (len(tracked) + 1) // 2)]
    owner = np.concatenate([np.full(len(clips[n]), n) for n in best])
    time = np.concatenate([np.arange(len(clips[n])) for n in best])
    pictures = np.array([picture_of(o) for n in best for o in clips[n]])
    poses = np.concatenate([tracked[n].poses - np.array([middle_of(o) for o in clips[n]])[:, None] for n in best])
    mirrored = pictures.reshape(-1, CELLS, CELLS)[:, :, ::-1].reshape(len(pictures), -1)
    pictures, poses = np.concatenate([pictures, mirrored]), np.concatenate([poses, poses * [-1.0, 1.0]])
    owner, time = np.tile(owner, 2), np.tile(time, 2)
    result = []
    for n, clip in enumerate(clips):
        rows = []
        for t, outline in enumerate(clip):
            apart = np.linalg.norm(pictures - picture_of(outline), axis=1)
            apart[(owner == n) & (np.abs(time - t) <= APART)] = np.inf
            rows.append(poses[np.argsort(apart)[:count]] + middle_of(outline))
        result.append(rows)
    return result


def known_poses(tracked: dict[int, Tracked], clips: Sequence[Clip]) -> Float[np.ndarray, "N K 2"]:
    """Poses about the body's centre from the better half of the clips, and their mirror images."""
    best = sorted(tracked, key=lambda n: tracked[n].cost)[: max(2, (len(tracked) + 1) // 2)]
    poses = [tracked[n].poses - np.array([middle_of(o) for o in clips[n]])[:, None] for n in best]
    every = np.concatenate(poses)
    some = every[np.unique(np.linspace(0, len(every) - 1, min(KNOWN_POSES, len(every))).astype(np.int64))]
    return np.concatenate([some, some * [-1.0, 1.0]])


def best_starts(
    puppet: Puppet, known: Float[np.ndarray, "N K 2"], clip: Clip, frames: Sequence[int], settings: TrackSettings
) -> list[tuple[int, Float[np.ndarray, "K 2"]]]:
    """The two cheapest fits of known poses to some frames of a clip, in different frames or clearly different."""
    weak = replace(settings, prediction=0.1 * settings.prediction, rounds=6)
    found = []
    for frame in frames:
        for pose in known + middle_of(clip[frame]):
            fit = fit_to(puppet, clip[frame], pose, pose, weak)
            found.append((fit.picture + fit.lengths + fit.motion, frame, fit.pose))
    found.sort(key=lambda f: f[0])
    second = next((f for f in found if f[1] != found[0][1] or np.abs(f[2] - found[0][2]).max() > 3.0), found[0])
    return [(frame, pose) for _, frame, pose in (found[0], second)]


def search_puppet(
    clips: Sequence[Clip], num_points: int, config: PuppetConfig
) -> tuple[Puppet, list[Float[np.ndarray, "_ K 2"]]] | str:
    """Puppet and poses of all clips; a sentence instead where no frame shows limbs. Deterministic."""
    settings = TrackSettings(width=config.hypotheses, prediction=config.prediction, even=config.even)
    frames = spread_frames(clips, num_points, config)
    if not frames:
        return "no frame shows two limb ends that stick out"
    many = round(config.surplus * num_points)
    tried = [(s, *try_template(s, clips, many, settings)) for s in different(frames, config.templates)]
    spread, puppet, first = min(tried, key=lambda t: t[2].cost)
    tracked = {spread.clip: first}
    starts = [
        [s.frame for s in different([f for f in frames if f.clip == n], TRIED_FRAMES)] or [len(clip) // 2]
        for n, clip in enumerate(clips)
    ]
    follow_others(puppet, clips, starts, tracked, settings)
    outlines = [outline for clip in clips for outline in clip]
    poses = np.concatenate([tracked[n].poses for n in range(len(clips))])
    some = np.unique(np.linspace(0, len(poses) - 1, min(SHAPE_FRAMES, len(poses))).astype(np.int64))
    puppet, poses = prune_joints(puppet, poses, outlines, some, num_points, settings)
    tracked = split_clips(poses, tracked)
    for _ in range(config.rounds):
        poses = np.concatenate([tracked[n].poses for n in range(len(clips))])
        puppet = remeasured(puppet, poses, outlines)
        known, alike = known_poses(tracked, clips), alike_poses(tracked, clips, config.alike)
        for n, clip in enumerate(clips):
            here = best_starts(puppet, known, clip, starts[n], settings)
            here.append((starts[n][0], tracked[n].poses[starts[n][0]]))
            found = [track(puppet, clip, frame, pose, settings, alike[n]) for frame, pose in here]
            tracked[n] = min(found, key=lambda t: t.cost)
    return puppet, [tracked[n].poses for n in range(len(clips))]


def split_clips(poses: Float[np.ndarray, "T K 2"], tracked: dict[int, Tracked]) -> dict[int, Tracked]:
    """New poses of all frames in order, by clip; the costs stay."""
    ends = np.cumsum([len(tracked[n].poses) for n in range(len(tracked))])
    return {n: Tracked(part, tracked[n].cost) for n, part in enumerate(np.split(poses, ends[:-1]))}


def follow_others(
    puppet: Puppet,
    clips: Sequence[Clip],
    starts: Sequence[Sequence[int]],
    tracked: dict[int, Tracked],
    settings: TrackSettings,
) -> None:
    """Adds the clips that are not tracked yet, each from poses known by then."""
    for n, clip in enumerate(clips):
        if n in tracked:
            continue
        known = known_poses(tracked, clips)
        found = [track(puppet, clip, frame, pose, settings) for frame, pose in best_starts(
            puppet, known, clip, starts[n], settings
        )]  # fmt: skip
        tracked[n] = min(found, key=lambda t: t.cost)
