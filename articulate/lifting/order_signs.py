"""Signs of depth from what covers what and from smoothness in time alone: no view and no Gaussian of poses is needed.

Where a bone's length is known, its image tells |dz|; limbs in front of others, also of those that they meet at a joint,
tell many signs, and smooth depths carry them over the frames in between. The search is the one of single clips:
second-order Viterbi (1967) over the flips of a few bones at a time, sampled at a falling temperature at first.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.geometry.straight import LENGTH_QUANTILE, without_straight
from articulate.lifting.body_energy import Body
from articulate.lifting.depth_evidence import DepthEvidence
from articulate.lifting.one_clip.compiled import compiled
from articulate.lifting.one_clip.groups import move_groups, tree_paths
from articulate.lifting.one_clip.moves import flip_groups
from articulate.lifting.one_clip.viterbi import best_order, jump_costs
from articulate.skeleton.rooting import root_tree

Array = np.ndarray
LEAST_DEPTH = 0.02  # of its length: a bone that looks its longest still has a sign
TEMPERATURES = (*(2.0 * np.geomspace(1.0, 0.05, 12)), 0.0, 0.0, 0.0)  # in nats, one sweep each
LEAST_FRAMES = 3  # of a clip, for an acceleration
BELIEF = 0.01  # nats per frame that first signs are worth: they decide where nothing else says anything
DOUBT = 0.12  # depth of a bone, in subject sizes, below which its first sign is worth less


def ordered_joints(
    joints: Float[Tensor, "N K 3"], body: Body, softness: float, acceleration: float
) -> Float[Tensor, "N K 3"]:
    """The points at the depths whose signs the order of depth asks for; what it leaves open has the signs of `joints`.

    Bones are as long as they look at most in the run, those of a straight limb point the same way; depths are centred
    in every frame. `softness` is the width of the order's logistic model, `acceleration` what a bone's depth has
    between frames, give or take (subject sizes). Needs `body.order`.
    """
    assert body.order is not None
    points, shown, edges = body.points.numpy(), body.known.numpy() > 0, body.edges.numpy()
    left, limbs, mean = without_straight(body.straight, edges, points.shape[1])
    tree = root_tree(torch.from_numpy(limbs), num_keypoints=len(left)).edges.numpy()
    a, b = left[tree].T
    size = depth_sizes(np.linalg.norm(points[:, b] - points[:, a], axis=-1), shown[:, a] & shown[:, b])
    first = (joints[:, b, 2] - joints[:, a, 2]).numpy()
    belief = BELIEF * np.clip(first / DOUBT, -1.0, 1.0)
    within, steps = tree_paths(tree), size * np.where(first < 0, -1.0, 1.0)
    moves, jerk = move_groups(within, tree), np.full(len(tree), acceleration)
    paths = mean @ within
    for name in body.clip.unique():
        rows = (body.clip == name).nonzero()[:, 0].numpy()
        if len(rows) >= LEAST_FRAMES:
            depth = np.ascontiguousarray(steps[rows].T)
            toward = np.ascontiguousarray(belief[rows].T)
            search(depth, toward, clip_order(body.order, rows, paths), moves, jerk, softness)
            steps[rows] = depth.T
    z = torch.from_numpy(steps @ paths.T).to(joints)
    return torch.cat([body.points, (z - z.mean(1, keepdim=True))[..., None]], -1)


class ClipOrder(NamedTuple):
    """What covers what in one clip: frame, coefficients of the bones' dz, gap and weight of every entry.

    Of `DepthEvidence`, with frames by their number in the clip and depths as sums over bones.
    """

    frame: Int[np.ndarray, " V"]
    bones: Float[np.ndarray, "V L"]
    gap: Float[np.ndarray, " V"]
    weight: Float[np.ndarray, " V"]


def depth_sizes(apparent: Float[np.ndarray, "N L"], known: Array) -> Float[np.ndarray, "N L"]:
    """|dz| of bones of constant length, from how long they look; nothing for a bone that never shows both ends."""
    lengths = np.zeros(apparent.shape[1])
    for bone, shown in enumerate(known.T):
        if shown.any():
            lengths[bone] = np.quantile(apparent[shown, bone], LENGTH_QUANTILE)
    return np.sqrt(np.maximum(lengths**2 - apparent**2, (LEAST_DEPTH * lengths) ** 2))


def clip_order(order: DepthEvidence, rows: Int[np.ndarray, " T"], paths: Float[np.ndarray, "K L"]) -> ClipOrder:
    """The entries of the frames `rows`; `paths` sum the bones from the root to every keypoint."""
    frame = order.frame.numpy()
    use = np.isin(frame, rows)
    bones = np.einsum("vi,vil->vl", order.coefficients.numpy()[use], paths[order.keypoints.numpy()[use]].astype(float))
    return ClipOrder(np.searchsorted(rows, frame[use]), bones, order.gap.numpy()[use], order.weight.numpy()[use])


def search(
    depth: Float[np.ndarray, "L T"],
    belief: Float[np.ndarray, "L T"],
    order: ClipOrder,
    moves: Int[np.ndarray, "M L"],
    jerk: Float[np.ndarray, " L"],
    softness: float,
) -> None:
    """Signs of one clip's depths (in place) that violate the order least and bend least in time.

    `belief` is the cost in nats of the sign other than its own; `moves` name, for every bone, the group that it flips
    with (-1: none); `jerk` is what every bone's depth accelerates, give or take.
    """
    for number, temperature in enumerate(TEMPERATURES):
        order_sweep(depth, belief, order, moves, jerk, softness, float(temperature), number)


@compiled
def order_sweep(
    depth: Array,
    belief: Array,
    order: ClipOrder,
    moves: Array,
    jerk: Array,
    softness: float,
    temperature: float,
    seed: int,
) -> None:
    """Every move once, in an order drawn at random."""
    np.random.seed(seed)
    for move in np.random.permutation(len(moves)):
        group = moves[move]
        unary = order_costs(depth, order, group, softness)
        add_belief(unary, depth, belief, group)
        path = best_order(unary, jump_costs(depth, group, jerk, group.max() + 1), temperature)
        flip_groups(depth, group, path)


@compiled
def order_costs(depth: Array, order: ClipOrder, group: Array, softness: float) -> Array:
    """Negative log-likelihood [states, T] of the order for every combination of flips of the groups."""
    frame, bones, gap, weight = order
    num_groups = group.max() + 1
    costs = np.zeros((2**num_groups, depth.shape[1]))
    for v in range(len(frame)):
        t = frame[v]
        for state in range(len(costs)):
            behind = -gap[v]
            for bone in range(len(depth)):
                flipped = group[bone] >= 0 and (state >> group[bone]) & 1
                behind += bones[v, bone] * (-depth[bone, t] if flipped else depth[bone, t])
            scaled = behind / softness
            # softplus without overflow
            costs[state, t] += weight[v] * (max(scaled, 0.0) + np.log1p(np.exp(-abs(scaled))))
    return costs


@compiled
def add_belief(costs: Array, depth: Array, belief: Array, group: Array) -> None:
    """Adds to the costs [states, T] what first signs say about every combination of flips."""
    for state in range(len(costs)):
        for bone in range(len(depth)):
            if group[bone] < 0:
                continue
            side = -1.0 if (state >> group[bone]) & 1 else 1.0
            for t in range(depth.shape[1]):
                if side * depth[bone, t] * belief[bone, t] < 0:
                    costs[state, t] += abs(belief[bone, t])
