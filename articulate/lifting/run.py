"""The whole lifting of a run: trained views, the test of view coverage, the solver of one clip where views are few."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.lifting.coverage import Coverage, CoverageConfig, blended, heading_coverage, width_coverage
from articulate.lifting.from_views import PoseConfig, lift_from_views
from articulate.lifting.in_plane import STATEMENT, seen_from_above
from articulate.lifting.inputs import seen_points
from articulate.lifting.one_clip.config import OneClipConfig
from articulate.lifting.one_clip.solve import solve_clip
from articulate.lifting.views import ViewLifter
from articulate.skeleton.rooting import root_tree


class RunConfig(PoseConfig):
    """How a run is lifted; distances in subject sizes."""

    coverage: CoverageConfig = CoverageConfig.model_validate({})
    method: Literal["auto", "views", "one_clip"] = "auto"
    least_clip_frames: int = Field(16, gt=0, description="shorter clips are lifted from views alone")


@dataclass(frozen=True)
class LiftedRun:
    """Joints (unit of xy, camera frame, mean depth 0), P(sign of dz right) per bone, and what the clips determine.

    Frames that show fewer than two points are NaN with confidence 0.
    """

    joints: Float[Tensor, "N K 3"]
    confidence: Float[Tensor, "N L"]
    statement: str
    coverage: Coverage


@torch.no_grad()
def lift_run(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    clip: Int[Tensor, " N"] | None,
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    config: RunConfig | None = None,
    generator: np.random.Generator | None = None,
    one_clip: OneClipConfig | None = None,
) -> LiftedRun:
    """Joints of all frames of a run, on the CPU, with confidence and a plain statement of what was found.

    The poses of the views come from the lifter's heading model (its network where it has none), brought to constant
    bone lengths per clip. Where headings cover too little of the circle, each clip is solved on its own from those
    depths, and blended by coverage and confidence. `edges` may be in any order; confidence is answered in that order.
    """
    config = config or RunConfig.model_validate({})
    generator = generator or np.random.default_rng(0)
    good = seen_points(xy, score).sum(1) >= 2
    clip = torch.zeros(len(xy), dtype=torch.int64) if clip is None else clip
    part, trust, name = xy[good], None if score is None else score[good], clip[good]
    joints, sure = lift_from_views(part, trust, name, edges, lifter, config)
    coverage = seen_coverage(part, trust, joints, lifter, config)
    words = [coverage.statement()]
    if coverage.choice != "views":
        tree = root_tree(edges, num_keypoints=xy.shape[1]).edges
        place = {tuple(sorted(e)): i for i, e in enumerate(edges.tolist())}
        order = torch.tensor([place[tuple(sorted(e))] for e in tree.tolist()])
        for c in name.unique().tolist():
            rows = name == c
            if int(rows.sum()) < config.least_clip_frames:
                continue
            shown = None if trust is None else trust[rows]
            found = solve_clip(part[rows], tree, shown, one_clip, generator, joints[rows, :, 2])
            joints[rows] = blended(joints[rows], found.joints, found.confidence, tree, coverage)
            w = coverage.weight_of_views
            mixed = w * sure[rows][:, order] + (1 - w) * found.confidence
            sure[rows] = mixed[:, order.argsort()]
            words.append(f"Clip {c}: {found.statement}")
    if seen_from_above(part.double().cpu().numpy()):
        # Even odds: what the lifter learned from such views is a guess, however much its poses agree.
        sure = sure.clamp(max=0.5)
        words = [STATEMENT]
    whole = xy.new_full((*xy.shape[:2], 3), torch.nan)
    confidence = xy.new_zeros(len(xy), len(edges))
    whole[good], confidence[good] = joints, sure
    return LiftedRun(whole, confidence, " ".join(words), coverage)


def seen_coverage(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    joints: Float[Tensor, "N K 3"],
    lifter: ViewLifter,
    config: RunConfig,
) -> Coverage:
    """The more careful of two opinions, from 2D widths and from lifted headings; or what the configuration says."""
    if config.method != "auto":
        views = config.method == "views"
        return Coverage(float(views), float(views), config.method)
    wide = width_coverage(xy, score, config.coverage)
    turned = heading_coverage(joints, lifter.elevation.item(), config.coverage)
    return min(wide, turned, key=lambda one: one.share)
