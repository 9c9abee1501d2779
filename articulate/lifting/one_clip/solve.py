"""From 2D keypoints of one clip to its 3D joints: the door to the one-clip solver."""

import time
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.confidence import (
    SHIPPED,
    cautious,
    determines_depth,
    sign_features,
    statement,
    turned_enough,
    view_coverage,
)
from articulate.lifting.kinematics import bone_vectors, parent_bones, path_matrix
from articulate.lifting.one_clip.config import ClipSolution, OneClipConfig
from articulate.lifting.one_clip.heading_start import depth_from_headings
from articulate.lifting.one_clip.observations import Observations, observe
from articulate.lifting.one_clip.solver import Candidate, Search, sign_agreement


def solve_clip(
    xy: Float[Tensor, "T K 2"],
    edges: Int[Tensor, "L 2"],
    score: Float[Tensor, "T K"] | None = None,
    config: OneClipConfig | None = None,
    generator: np.random.Generator | None = None,
    initial_depth: Float[Tensor, "T K"] | None = None,
) -> ClipSolution:
    """Joints of one clip seen by one static camera, from 2D keypoints and a breadth-first tree (parent, child).

    Orthographic, or perspective when `config.perspective_distance` is set. `initial_depth` (say, of a trained lifter)
    is tried as one more start. The reflection of the whole clip in depth is arbitrary, and so is depth altogether
    where the body shows one side only: read `determined` and `statement`.
    """
    config, generator = config or OneClipConfig(), generator or np.random.default_rng(0)
    parent_bones(edges)
    seconds = time.perf_counter()
    links = edges.cpu().numpy().astype(np.int64)
    plane = xy.detach().cpu().numpy().astype(np.float64)
    trust = np.ones(plane.shape[:2]) if score is None else score.detach().cpu().numpy().astype(np.float64)
    depths = [] if initial_depth is None else [initial_depth.detach().cpu().numpy().astype(np.float64)]
    if config.heading_start and len(plane) >= 16:
        filled = np.where(np.isfinite(plane), plane, np.nan)
        own = depth_from_headings(filled, trust, int(generator.integers(2**31)))
        depths += [] if own is None else [own]
    corrected = plane
    for _ in range(1 if config.perspective_distance is None else 3):
        seen = observe(corrected, trust, links, config.min_score)
        best, search, agreement, notes = _solve(seen, config, generator, depths)
        depth = np.einsum("kl,lt->tk", search.paths.astype(float), best.depth) * seen.unit
        depths = [depth]
        if config.perspective_distance is not None:
            # x = X / (1 + z / D): undone with the present depth, then solved again from it.
            corrected = plane * (1 + depth / config.perspective_distance)[..., None]
    notes |= {"seconds": time.perf_counter() - seconds, "noise": seen.noise}
    return hedged(_solution(xy, corrected, best, search, agreement, notes), edges, config)


def _solve(
    seen: Observations, config: OneClipConfig, generator: np.random.Generator, depths: list[np.ndarray]
) -> tuple[Candidate, Search, np.ndarray, dict[str, float]]:
    """Search on at most `max_frames` frames, then the same model on all of them."""
    stride = max(1, -(-len(seen.flat) // config.max_frames))
    thin = replace(seen, flat=seen.flat[::stride], trust=seen.trust[::stride])
    search = Search(thin, config, generator)
    along = [depth[:, seen.edges[:, 1]] - depth[:, seen.edges[:, 0]] for depth in depths]
    best, found, metric = search.best([np.where(dz.T < 0, -1.0, 1.0)[:, ::stride] for dz in along])
    notes = {"metric_ratio": metric, "starts": float(len(found))}
    notes["energy_spread"] = float(np.ptp([f.energy for f in found])) / len(thin.flat)
    agreement = sign_agreement(best, found).T
    if stride == 1:
        return best, search, agreement, notes
    every = Search(seen, replace(config, sweeps=0), generator)
    nearest = np.minimum((np.arange(len(seen.flat)) + stride // 2) // stride, len(thin.flat) - 1)
    return every.continued(best, nearest), every, agreement[nearest], notes


def _solution(
    xy: Float[Tensor, "T K 2"],
    corrected: np.ndarray,
    best: Candidate,
    search: Search,
    agreement: np.ndarray,
    notes: dict,
) -> ClipSolution:
    """The result in the unit of the input, with confidence and statement."""
    seen = search.seen
    coverage = view_coverage(best.rotation)
    spread = best.prior.log_volume() / len(best.depth)
    gap = search.margins(best)
    features = sign_features(gap, best.depth.T, agreement, coverage, spread)
    # A bone with an unseen end carries no more than a coin's confidence.
    confidence = 0.5 + (cautious(SHIPPED.probability(features), coverage) - 0.5) * (search.bone_trust > 0)
    flat = np.einsum("kl,tli->tki", search.paths.astype(float), seen.flat)
    z = np.einsum("kl,lt->tk", search.paths.astype(float), best.depth)
    root = int(seen.edges[0, 0])
    origin = np.where(np.isfinite(corrected[:, root]), corrected[:, root], 0.0)[:, None]
    # Bones are smoothed where the tracks are noisy; the root keeps its own track.
    joints = np.concatenate([flat * seen.unit + origin, (z * seen.unit)[..., None]], -1)
    weight = np.abs(best.depth.T)
    mean = float((confidence * weight).sum() / max(weight.sum(), 1e-9))
    return ClipSolution(
        joints=torch.as_tensor(joints, dtype=xy.dtype, device=xy.device),
        bone_lengths=torch.as_tensor(best.lengths * seen.unit, dtype=xy.dtype, device=xy.device),
        confidence=torch.as_tensor(confidence, dtype=xy.dtype, device=xy.device),
        flip_gap=torch.as_tensor(gap, dtype=xy.dtype, device=xy.device),
        agreement=torch.as_tensor(agreement, dtype=xy.dtype, device=xy.device),
        energy=best.energy / len(z),
        view_coverage=coverage,
        determined=determines_depth(coverage, mean),
        statement=statement(coverage, mean),
        diagnostics=notes | {"spread": spread, "mean_confidence": mean, "unit": seen.unit},
    )


def hedged(found: ClipSolution, edges: Int[Tensor, "L 2"], config: OneClipConfig) -> ClipSolution:
    """The solution with every dz shrunk to its expectation, (2 P - 1) dz, where the clip does not determine depth.

    A coin-toss of signs is farther from the truth than flat depth; the expectation is not. The less the body turns, the
    more depths shrink: to flat where it shows one side only.
    """
    if found.determined or not config.hedge:
        return found
    step = bone_vectors(found.joints, edges)[..., 2] * (2 * found.confidence - 1) * turned_enough(found.view_coverage)
    z = step @ path_matrix(edges, step.dtype).to(step.device).T
    joints = torch.cat([found.joints[..., :2], z[..., None]], -1)
    return replace(found, joints=joints, statement=f"{found.statement} Depths are drawn towards flat.")


def search_distance(
    xy: Float[Tensor, "T K 2"],
    edges: Int[Tensor, "L 2"],
    distances: list[float],
    score: Float[Tensor, "T K"] | None = None,
    config: OneClipConfig | None = None,
    seed: int = 0,
) -> tuple[float, ClipSolution]:
    """Camera distance (unit of `xy`, at which the scale is one) whose solution has the least energy, and that solution.

    `xy` must be measured from the optical axis. Same seed for every distance, so that only the distance differs.
    """
    tried = []
    for distance in distances:
        trial = replace(config or OneClipConfig(), perspective_distance=distance)
        tried.append(solve_clip(xy, edges, score, trial, np.random.default_rng(seed)))
    best = int(np.argmin([t.energy for t in tried]))
    return distances[best], tried[best]
