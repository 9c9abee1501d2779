"""Left and right from distances alone: exchanges of keypoints that leave the lengths of a body as they are."""

import inspect
from typing import NamedTuple

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

# What a pair of lengths may differ (mean misfit) for an exchange to be worth more than none: strict, so that few
# accidents are taken along, and generous, for bodies that leaned to one side throughout.
ALLOWED = (0.3, 0.5)
# Two lengths are not told apart below this share of the body, however little they vary.
FLOOR = 0.01
# A plane must pass this near the middle of the pair that suggests it, in body sizes; nearer pairs suggest no plane.
SLACK, NEAREST = 0.1, 0.05
# What it costs a keypoint to be its own twin, so that legs near the midline are tried as pairs, too.
LONELINESS = (0.0, 0.1, 0.2)
# Planes that are followed down to the nearest mirror.
STARTS = 24


def _misfits_source(
    lengths: np.ndarray, variances: np.ndarray, exchanges: np.ndarray
) -> np.ndarray:  # pragma: no cover
    """Sum over pairs of u / (1 + u), u = (d_ij - d_pi(i)pi(j))^2 / (v_ij + v_pi(i)pi(j)), for permutations [N, K].

    Bounded (Geman and McClure 1987), so that a body that leans to one side throughout does not hide its symmetry.
    """
    count, size = exchanges.shape
    result = np.zeros(count)
    for n in range(count):
        for i in range(size):
            for j in range(i):
                p, q = exchanges[n, i], exchanges[n, j]
                difference = lengths[i, j] - lengths[p, q]
                square = difference * difference
                result[n] += square / (square + variances[i, j] + variances[p, q])
    return result


# Unwrapped, because the run-time checkers of the tests wrap every function and a wrapper cannot be compiled.
_misfits = numba.njit(cache=True)(inspect.unwrap(_misfits_source))


class Mirror(NamedTuple):
    """An exchange of keypoints with their twins, [K], and its mean misfit, 1 where no length fits."""

    twin: Int[Tensor, " K"]
    misfit: float


def find_mirrors(length: Float[Tensor, "K K"], spread: Float[Tensor, "K K"]) -> list[Mirror]:
    """Exchanges pi of keypoints with their twins under which d_ij = d_pi(i)pi(j) up to the spread, best fit first.

    A bilateral body looks the same when left and right are exchanged; lengths of limbs do so in every pose. Planes that
    mirror one keypoint of the body's embedding (classical scaling, Torgerson 1952) on another suggest pairs, and
    exchanges of twins are followed while what they gain falls: the sum of misfits over the pairs that they move, less
    what is allowed for each (without that, to exchange nothing would be best). The list is empty for keypoints never
    seen together and for a body of which less than half have a twin; it also holds accidents, which the tree of limbs
    tells apart (`symmetry.fitting_mirror`).
    """
    # Fewer keypoints than two pairs are matched by accident.
    known = torch.isfinite(length) & torch.isfinite(spread)
    size = float(length.max())
    if not bool(known.all()) or size <= 0 or length.shape[0] < 4:
        return []
    lengths, variances = length.numpy() / size, (spread.numpy() / size) ** 2 + FLOOR**2
    ends = [_descend(lengths, variances, start, a) for start in _starts(lengths, variances) for a in ALLOWED]
    different = {end.tobytes(): end for end in ends if 4 * _twins(end) >= len(end)}.values()
    found = [Mirror(torch.tensor(end), _misfit(lengths, variances, end)) for end in different]
    return sorted((m for m in found if m.misfit <= max(ALLOWED)), key=lambda m: (m.misfit, m.twin.tolist()))


def _twins(mirror: np.ndarray) -> int:
    return int((mirror > np.arange(len(mirror))).sum())


def _moved(mirrors: np.ndarray) -> np.ndarray:
    """Number of pairs that each of the mirrors [N, K] moves."""
    size, single = mirrors.shape[1], (mirrors == np.arange(mirrors.shape[1])).sum(1)
    return (size * (size - 1) - single * (single - 1)) / 2


def _misfit(lengths: np.ndarray, variances: np.ndarray, mirror: np.ndarray) -> float:
    """Mean misfit of the pairs that the mirror moves."""
    return float(_misfits(lengths, variances, mirror[None])[0] / np.maximum(_moved(mirror[None])[0], 1))


def _starts(lengths: np.ndarray, variances: np.ndarray) -> list[np.ndarray]:
    """The best matches of the embedding with its reflections, by misfit over what each exchange alone would cost."""
    size = len(lengths)
    places, order = _embed(lengths), np.arange(size)
    found = {}
    for i in range(size):
        for j in range(i + 1, size):
            normal = places[i] - places[j]
            distance = np.linalg.norm(normal)
            if distance < NEAREST or abs((places[i] + places[j]) @ normal) > 2 * SLACK * distance:
                continue
            normal = normal / distance
            height = (places - (places[i] + places[j]) / 2) @ normal
            reflected = places - 2 * height[:, None] * normal
            cost = ((reflected[:, None] - places[None]) ** 2).sum(-1)
            for loneliness in LONELINESS:
                match = linear_sum_assignment(cost + cost.T + 2 * loneliness**2 * np.eye(size))[1]
                match = np.where(match[match] == order, match, order)
                if _twins(match) > 1:
                    found[match.tobytes()] = match
    if not found:
        return []
    matches = np.stack(list(found.values()))
    alone = _alone(lengths, variances)
    each = np.array([alone[order[m > order], m[m > order]].sum() for m in matches])
    misfit = _misfits(lengths, variances, matches)
    best = [np.argsort(rate, kind="stable")[: STARTS // 2] for rate in (misfit, misfit / np.maximum(each, 1e-9))]
    return list(matches[np.unique(np.concatenate(best))])


def _embed(lengths: np.ndarray) -> np.ndarray:
    """Places [K, 3] around zero whose distances are nearest to `lengths`."""
    centring = np.eye(len(lengths)) - 1 / len(lengths)
    values, vectors = np.linalg.eigh(-0.5 * centring @ lengths**2 @ centring)
    return vectors[:, -3:] * np.sqrt(np.maximum(values[-3:], 0))


def _alone(lengths: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Misfit [K, K] when two keypoints change places and all others stay."""
    square = (lengths[:, None] - lengths[None]) ** 2
    misfit = square / (square + variances[:, None] + variances[None])
    order = np.arange(len(lengths))
    return misfit.sum(-1) - misfit[order[:, None], order, order[:, None]] - misfit[order[:, None], order, order]


def _descend(lengths: np.ndarray, variances: np.ndarray, mirror: np.ndarray, allowed: float) -> np.ndarray:
    """The mirror that the best change at a time leads to, by misfit less what is `allowed` for every pair it moves."""
    least = np.inf
    changed = mirror[None]
    while True:
        excess = _misfits(lengths, variances, changed) - allowed * _moved(changed)
        if excess.min() >= least - 1e-9:
            return mirror
        least, mirror = excess.min(), changed[excess.argmin()]
        changed = _changes(mirror)


def _changes(mirror: np.ndarray) -> np.ndarray:
    """All mirrors one change away: a pair made or parted, a partner replaced, partners of two pairs exchanged."""
    order = np.arange(len(mirror))
    single = order[mirror == order].tolist()
    twins = [(int(a), int(mirror[a])) for a in order[mirror > order]]
    moves = [[(a, b)] for i, a in enumerate(single) for b in single[i + 1 :]]
    for i, (a, b) in enumerate(twins):
        moves += [[(a, a), (b, b)]]
        moves += [m for f in single for m in ([(a, f), (b, b)], [(b, f), (a, a)])]
        moves += [m for c, d in twins[i + 1 :] for m in ([(a, d), (c, b)], [(a, c), (b, d)])]
    changed = np.repeat(mirror[None], max(len(moves), 1), axis=0)
    for row, pairs in zip(changed, moves, strict=False):
        for a, b in pairs:
            row[a], row[b] = b, a
    return changed
