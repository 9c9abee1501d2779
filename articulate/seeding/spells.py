"""Spells of frames in which joints were fitted to a wrong place: seen as jumps, tried again from the frames beside.

A limb that folds back or comes out from behind another one may start the fit the wrong way round, and no small step
leads from there to where it is. Its joints then jump there and back within a few frames. Such joints start anew on the
line between the frames before and after, and what lowers the energy of the fit (misfit and smoothness) is kept.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, evaluate, fit_figure
from articulate.seeding.parts.ends import fill_gaps

REACHES = (2, 6)  # frames around a jump that start anew, first few, then more
CONTEXT = 3  # frames on either side that are fitted along, so that smoothness is known there
STEPS = 40


def mend_spells(figure: Figure, evidence: Evidence, settings: FitSettings) -> Figure:
    """The fitted figure, spells of jumping joints replaced wherever that lowers the energy; radii stay."""
    for reach in REACHES:
        doubtful = jumping(figure, evidence.clip, reach)
        if not doubtful.any():
            return figure
        figure = with_better_spells(figure, evidence, settings, doubtful)
    return figure


def jumping(figure: Figure, clip: Int[np.ndarray, " T"], reach: int) -> Bool[np.ndarray, "T K"]:
    """Joints within `reach` frames of where their path bends by more than the half-width of their thickest limb.

    In a clip whose every frame were so, a joint has nowhere to start from and is left alone.
    """
    width = np.zeros(figure.points.shape[1])
    np.maximum.at(width, figure.edges, figure.radii)
    bend = np.zeros(figure.points.shape[:2])
    inner, bends = second_differences(figure.points, clip)
    bend[inner] = np.linalg.norm(bends, axis=-1)
    doubtful = widened(bend > width, clip, reach)
    for name in np.unique(clip):
        doubtful[clip == name] &= ~doubtful[clip == name].all(0)
    return doubtful


def second_differences(
    points: Float[np.ndarray, "T K 2"], clip: Int[np.ndarray, " T"]
) -> tuple[Int[np.ndarray, " I"], Float[np.ndarray, "I K 2"]]:
    """Frames that have one on either side in their clip, and how the paths of points bend there."""
    inner = np.flatnonzero(clip[2:] == clip[:-2]) + 1
    return inner, points[inner + 1] - 2 * points[inner] + points[inner - 1]


def widened(mask: Bool[np.ndarray, "T K"], clip: Int[np.ndarray, " T"], reach: int) -> Bool[np.ndarray, "T K"]:
    """The same and what lies at most `reach` frames away in its clip."""
    result = mask.copy()
    for shift in range(1, reach + 1):
        same = (clip[shift:] == clip[:-shift])[:, None]
        result[shift:] |= mask[:-shift] & same
        result[:-shift] |= mask[shift:] & same
    return result


def with_better_spells(
    figure: Figure, evidence: Evidence, settings: FitSettings, doubtful: Bool[np.ndarray, "T K"]
) -> Figure:
    """Doubtful points from the frames beside them, refitted with their neighbours; each spell where it is better."""
    moved = freed(doubtful, figure.edges, evidence.clip)
    some = np.asarray(moved.any(axis=1, keepdims=True))
    frames = np.flatnonzero(widened(some, evidence.clip, CONTEXT)[:, 0])
    start = fill_gaps(np.where(doubtful[..., None], np.nan, figure.points), evidence.clip)
    taken = replace(evidence.take(frames), clip=runs(frames, evidence.clip))
    now = replace(figure, points=figure.points[frames])
    last = replace(settings, steps=STEPS, foreign=settings.foreign * settings.release, release=1.0)
    tried = fit_figure(replace(now, points=start[frames]), taken, last)
    moved = moved[frames]
    tried = replace(now, points=np.where(moved[..., None], tried.points, now.points))
    spell = spells(moved, figure.edges, taken.clip)
    saved = energy_by_spell(now, taken, last, spell) - energy_by_spell(tried, taken, last, spell)
    better = np.append(saved > 0, False)[spell]
    points = figure.points.copy()
    points[frames] = np.where(better[..., None], tried.points, now.points)
    return replace(figure, points=points)


def freed(
    doubtful: Bool[np.ndarray, "T K"], edges: Int[np.ndarray, "L 2"], clip: Int[np.ndarray, " T"]
) -> Bool[np.ndarray, "T K"]:
    """Doubtful points, those that a limb joins to them, and both in the frames beside."""
    result = doubtful.copy()
    for a, b in edges:
        result[:, a] |= doubtful[:, b]
        result[:, b] |= doubtful[:, a]
    return widened(result, clip, 1)


def runs(frames: Int[np.ndarray, " N"], clip: Int[np.ndarray, " T"]) -> Int[np.ndarray, " N"]:
    """A number for every run of consecutive frames of one clip."""
    broken = (np.diff(frames) > 1) | (np.diff(clip[frames]) != 0)
    return np.concatenate([[0], np.cumsum(broken)])


def spells(
    moved: Bool[np.ndarray, "N K"], edges: Int[np.ndarray, "L 2"], run: Int[np.ndarray, " N"]
) -> Int[np.ndarray, "N K"]:
    """Moved points that hang together in time or by limbs have one number; the others -1."""
    name = np.arange(moved.size).reshape(moved.shape)
    lasts = moved[1:] & moved[:-1] & (run[1:] == run[:-1])[:, None]
    first, second = [name[:-1][lasts]], [name[1:][lasts]]
    for a, b in edges:
        both = moved[:, a] & moved[:, b]
        first.append(name[both, a])
        second.append(name[both, b])
    rows, columns = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(moved.size, moved.size))
    group = connected_components(graph, directed=False)[1].reshape(moved.shape)
    number = np.full(moved.shape, -1)
    number[moved] = np.unique(group[moved], return_inverse=True)[1]
    return number


def energy_by_spell(
    figure: Figure, evidence: Evidence, settings: FitSettings, spell: Int[np.ndarray, "N K"]
) -> Float[np.ndarray, " S"]:
    """Misfit of the limbs that a spell moves, and smoothness of its joints, as the fit weighs them."""
    total = np.zeros(spell.max() + 1)
    loss = evaluate(figure, evidence, settings.softness[1], settings.foreign)[0].sum(-1)
    of_limb = spell[:, figure.edges].max(-1)
    np.add.at(total, of_limb[of_limb >= 0], loss[of_limb >= 0])
    inner, bend = second_differences(figure.points, evidence.clip)
    rough = 0.5 * settings.smoothness * (bend**2).sum(-1)
    at = np.maximum(np.maximum(spell[inner - 1], spell[inner]), spell[inner + 1])
    np.add.at(total, at[at >= 0], rough[at >= 0])
    return total
