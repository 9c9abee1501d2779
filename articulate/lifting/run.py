"""The whole lifting of a run: trained views, the test of view coverage, the solver of one clip where views are few."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.coverage import Coverage, CoverageConfig, blended, heading_coverage, width_coverage
from articulate.lifting.heading_model import filled_points
from articulate.lifting.heading_settle import rigid_poses
from articulate.lifting.inputs import clip_scales, prepare, seen_points
from articulate.lifting.one_clip.config import OneClipConfig
from articulate.lifting.one_clip.solve import solve_clip
from articulate.lifting.settle import bone_lengths, settle_clips
from articulate.lifting.views import ViewLifter
from articulate.skeleton.rooting import root_tree


class RunConfig(StrictModel):
    """How a run is lifted; distances in subject sizes."""

    coverage: CoverageConfig = CoverageConfig.model_validate({})
    method: Literal["auto", "views", "one_clip"] = "auto"
    scale: Literal["training", "clips"] = Field("training", description="size of the subject: as trained, or per clip")
    tolerance: float = Field(0.03, gt=0, description="least standard deviation that a length is allowed")
    exact_noise: float = Field(0.015, gt=0, description="noise of the tracks below which points are taken as exact")
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


def lift_from_views(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    config: RunConfig,
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "N L"]]:
    """Joints with constant bone lengths per clip, and P(sign of dz right), of frames with two points or more.

    Exact tracks keep their points, and depths follow from the lengths; noisy ones (known from the fit) move to the most
    probable rigid pose; in between both are mixed. A lifter without heading model gives signs of unknown certainty 0.5.
    """
    own = lifter.scale.cpu().expand(len(xy)) if config.scale == "training" else clip_scales(xy, score, clip, edges)
    model = lifter.teacher.model
    if model is None:
        device = lifter.scale.device
        shown = None if score is None else score.to(device)
        joints = lifter(xy.to(device), shown, own.to(device)).cpu()
        return settle_clips(joints, score, edges, clip)[0], xy.new_full((len(xy), len(edges)), 0.5)
    prepared = prepare(xy, score, own)
    points = filled_points(model, prepared.points, prepared.weight)
    known = prepared.weight > 0
    # Filled frames were centred on all points; back to the centre of those that are seen.
    shift = (known[..., None] * (prepared.points - points)).sum(1, keepdim=True) / known.sum(1)[:, None, None]
    joints, away, likely = model.posterior(points, edges)
    lengths = torch.zeros(len(xy), len(edges)).to(xy)
    for c in clip.unique().tolist():
        rows = clip == c
        lengths[rows] = bone_lengths(joints[rows, :, :2], joints[rows, :, 2], edges, known[rows].to(xy))
    # Lengths cannot be told more finely than the points that they come from.
    tolerance = max(config.tolerance, 1.5 * lifter.teacher.track_noise)
    rigid = rigid_poses(model, points, likely.argmax(1), edges, lengths, tolerance)
    exact = settle_clips(torch.cat([points, rigid[..., 2:]], -1), None, edges, clip)[0]
    share = 1 / (1 + (config.exact_noise / max(lifter.teacher.track_noise, 1e-3)) ** 8)
    pose = share * rigid + (1 - share) * exact
    step = pose[:, edges[:, 1], 2] - pose[:, edges[:, 0], 2]
    confidence = torch.where(step > 0, away, 1 - away)
    pose = torch.cat([pose[..., :2] + shift, pose[..., 2:] - pose[..., 2:].mean(1, keepdim=True)], -1)
    pose = pose * prepared.scale[:, None, None]
    return torch.cat([pose[..., :2] + prepared.centre, pose[..., 2:]], -1), confidence
