"""Parts that others only hang on: the middle of such a part is one keypoint, in place of the two ends of an axis."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int

from articulate.records import DepthOrder
from articulate.seeding.budget import limb_lengths
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.tree import Connection

LEAST_LINKS = 3  # a limb between two hidden ones has its own two ends


def hubs_of(merged: Sequence[Connection], links: Sequence[Connection], num_parts: int) -> list[int]:
    """Parts neither of whose ends meets another one, with at least `LEAST_LINKS` hidden limbs.

    Nothing says that such a part bends where its pixels end: the round body of a quadruped reaches beyond its hips, and
    a chest that is one with the head beyond its shoulders. From end on, its axis is another one altogether.
    """
    meeting = {part for one in merged for part, _ in (one.first, one.second)}
    count = np.bincount([part for one in links for part, _ in (one.first, one.second)], minlength=num_parts)
    return [int(p) for p in np.flatnonzero(count >= LEAST_LINKS) if int(p) not in meeting]


def affordable(
    joints: Sequence[Connection], merged: Sequence[Connection], links: Sequence[Connection], room: int, num_parts: int
) -> list[Connection]:
    """Joints that can be freed within `room` hidden limbs: a part that becomes a hub gives a keypoint back."""

    def fits(joint: Connection) -> bool:
        rest = [one for one in merged if one is not joint]
        return len(links) < room + len(hubs_of(rest, [*links, joint], num_parts))

    return [joint for joint in joints if fits(joint)]


def with_fewer_points(
    figure: Figure,
    score: Float[np.ndarray, "T K"],
    order: DepthOrder,
    hubs: Sequence[int],
    heels: Sequence[Connection],
) -> tuple[Figure, Float[np.ndarray, "T M"], DepthOrder]:
    """Figure, scores and order of depth with one point in the middle of every hub; its limb is a disc there.

    The second end of every heel goes, the first is the joint. The order keeps what is seen near the middle of a hub.
    """
    order = near_middles(order, figure, np.flatnonzero(np.isin(figure.parts, hubs)))
    name = np.arange(figure.points.shape[1])
    points, score = figure.points.copy(), score.copy()
    middles = [(int(a), int(b)) for a, b in figure.edges[np.isin(figure.parts, hubs)]]
    for a, b in middles:
        points[:, a] = figure.points[:, [a, b]].mean(1)
    ends = {(int(part), e): int(edge[e]) for part, edge in zip(figure.parts, figure.edges, strict=True) for e in (0, 1)}
    behind = [(ends[one.first], ends[one.second]) for one in heels if {one.first, one.second} <= ends.keys()]
    for a, b in [*middles, *behind]:
        score[:, a] = score[:, [a, b]].max(1)
        name[b] = a
    kept, number = np.unique(name, return_inverse=True)
    fewer = replace(figure, points=points[:, kept], edges=number[figure.edges])
    return fewer, score[:, kept], renumbered(order, number)


def near_middles(order: DepthOrder, figure: Figure, limbs: Int[np.ndarray, " H"]) -> DepthOrder:
    """The order without entries about places on hubs that are more than a half-width away from the middle.

    The depth of the middle says little of them: an end of a long box is half its length nearer or farther.
    """
    keep = torch.ones(len(order.frame), dtype=torch.bool)
    lengths = limb_lengths(figure)
    for limb in limbs:
        edge, reach = order.front.new_tensor(figure.edges[limb]), figure.radii[limb].mean() / max(lengths[limb], 1e-6)
        for side, share in zip((order.front, order.behind), order.share.unbind(1), strict=True):
            keep &= (side != edge).any(1) | ((share - 0.5).abs() <= reach)
    return order.only(keep)


def renumbered(order: DepthOrder, number: Int[np.ndarray, " K"]) -> DepthOrder:
    """The same order with other numbers of keypoints."""
    front, behind = (one.new_tensor(number)[one] for one in (order.front, order.behind))
    return replace(order, front=front, behind=behind)
