"""A hub instead of hidden limbs: one rigid part explains as many of them as hang on it.

Between a round hip and its neighbours, the root and the thigh, a hidden limb saves as many pixels at either joint, and
which one is freed first is chance. But a limb between hip and thigh would be one that never shows, on every leg anew;
what lies between a root and its hips is the root.
"""

from collections.abc import Callable, Iterator, Sequence

from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.exchange import middle_of, surely_above
from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.hubs import LEAST_LINKS
from articulate.seeding.parts.tree import Connection, misfit_per_frame

Fitted = tuple[Trial, Figure]


def hub_instead(
    trial: Trial,
    met: list[Connection],
    heels: Sequence[Connection],
    try_figure: Callable[[list[Connection], list[Connection]], Fitted],
    least: float,
) -> Fitted | None:
    """The trial and figure in which all joints of one part are freed, if that is worth it; else None.

    The hidden limbs of parts that hang on it move there, and each is worth the `least` pixels a frame that it had to
    save; pixels must not speak against the hub. `met` is what meets in the figure so far.
    """
    links = trial.links[len(heels) :]
    candidates = list(roots([*trial.merged, *links], links))
    if not candidates:
        return None
    now = misfit_per_frame(trial.refitted(met), trial.evidence, trial.unpriced)
    best, most = None, 0.0
    for own, moved in candidates:
        freed = [*own, *(one for one in links if one not in own and one not in moved)]
        merged = [one for one in [*trial.merged, *links] if one not in freed]
        found = try_figure(merged, [*heels, *freed])
        costs = misfit_per_frame(found[0].refitted(merged), trial.evidence, trial.unpriced) - now
        worth = least * len(moved) - float(middle_of(costs).mean())
        if worth > most and not surely_above(costs, 0.0):
            best, most = found, worth
    return best


def roots(
    joints: Sequence[Connection], links: Sequence[Connection]
) -> Iterator[tuple[list[Connection], list[Connection]]]:
    """The joints of every part that could be a hub, and the hidden limbs beyond its neighbours that would move to it.

    All of its joints but one need a hidden limb, because a hub gives a keypoint back; a disc is one point already.
    """
    discs = {one.first[0] for one in joints if one.first[0] == one.second[0]}
    parts = {part for one in joints for part, _ in (one.first, one.second)}
    for part in sorted(parts - discs):
        own = [one for one in joints if part in parts_of(one)]
        beside = set().union(*map(parts_of, own))
        missing = sum(one not in links for one in own) - 1
        moved = [one for one in links if one not in own and parts_of(one) & beside]
        if len(own) >= LEAST_LINKS and 0 < missing <= len(moved):
            yield own, moved[:missing]


def parts_of(joint: Connection) -> set[int]:
    """The two parts that meet there."""
    return {joint.first[0], joint.second[0]}
