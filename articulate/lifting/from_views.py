"""Poses of a run from the heading model of a trained lifter: smooth in time or frame by frame, as rigid as they are."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.lifting.heading_chain import chained_headings
from articulate.lifting.heading_clip import ClipModelConfig, clip_model
from articulate.lifting.heading_model import HeadingModel, filled_points
from articulate.lifting.heading_settle import flexibility, lengths_in_frames, likely_poses, rigid_poses
from articulate.lifting.heading_time import TimeConfig, timed_poses
from articulate.lifting.inputs import Prepared, clip_scales, prepare
from articulate.lifting.parabola import vertex
from articulate.lifting.settle import bone_lengths, centred_depth, fused_depth, settle_clips
from articulate.lifting.view_tree import flexible_share
from articulate.lifting.views import ViewLifter


class PoseConfig(StrictModel):
    """How the poses of the views are found; distances in subject sizes."""

    scale: Literal["training", "clips", "likely"] = Field(
        "training", description="size of the subject: as trained; per clip from its limbs; per clip, most likely"
    )
    order: Literal["time", "set"] = Field("time", description="frames of a clip follow each other, or are a set")
    time: TimeConfig = TimeConfig.model_validate({})
    clip: ClipModelConfig = ClipModelConfig.model_validate({})
    tolerance: float = Field(0.03, gt=0, description="least standard deviation of a length while signs are found")
    rigidity: float = Field(0.005, gt=0, description="least standard deviation of a length in closed-form depths")
    exact_noise: float = Field(0.015, gt=0, description="noise of the tracks below which points are taken as exact")


@dataclass(frozen=True)
class Poses:
    """Joints (camera frame, origin at the centre of the seen points, subject sizes) and what is known about them.

    `variance` is that of the bones' dz, `spread` the standard deviation of each bone's own length over time, `away`
    P(the bone points away from the camera), `noise` that of the tracks. `points` are the observed ones, gaps filled.
    """

    joints: Float[Tensor, "N K 3"]
    points: Float[Tensor, "N K 2"]
    variance: Float[Tensor, "N L"]
    lengths: Float[Tensor, "N L"]
    spread: Float[Tensor, " L"]
    away: Float[Tensor, "N L"]
    noise: float


def lift_from_views(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    config: PoseConfig,
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "N L"]]:
    """Joints and P(sign of dz right) of frames with two points or more.

    Exact tracks keep their points, and depths follow from bone lengths as far as bones are rigid; noisy ones move to
    the most probable pose; in between both are mixed. A lifter without heading model gives signs of unknown certainty
    0.5.
    """
    own = lifter.scale.cpu().expand(len(xy)) if config.scale == "training" else clip_scales(xy, score, clip, edges)
    model = lifter.teacher.model
    if model is not None and config.scale == "likely":
        own = likely_scales(model, prepare(xy, score, own), clip)
    if model is None:
        device = lifter.scale.device
        shown = None if score is None else score.to(device)
        joints = lifter(xy.to(device), shown, own.to(device)).cpu()
        return settle_clips(joints, score, edges, clip)[0], xy.new_full((len(xy), len(edges)), 0.5)
    prepared = prepare(xy, score, own)
    noise = lifter.teacher.track_noise
    find = poses_in_time if config.order == "time" else poses_of_set
    found = find(model, prepared, clip, edges, noise, config)
    least = (found.spread.square() + config.rigidity**2).sqrt()
    depth = fused_depth(found.points, found.joints[..., 2], edges, found.lengths, found.variance, least)
    share = 1 / (1 + (config.exact_noise / max(found.noise, 1e-3)) ** 8)
    exact = torch.cat([found.points, depth[..., None]], -1)
    pose = share * found.joints + (1 - share) * exact
    step = pose[:, edges[:, 1], 2] - pose[:, edges[:, 0], 2]
    confidence = torch.where(step > 0, found.away, 1 - found.away)
    pose = centred_depth(pose) * prepared.scale[:, None, None]
    return torch.cat([pose[..., :2] + prepared.centre, pose[..., 2:]], -1), confidence


def likely_scales(
    model: HeadingModel, prepared: Prepared, clip: Int[Tensor, " N"], frames: int = 200, reach: float = 0.25
) -> Float[Tensor, " N"]:
    """Size of the subject in every clip, for frames of `prepared`: where the heading model finds its views most likely.

    Log p(x) = log p(x / s) - (2 K - 2) log s, on at most `frames` frames that show all points, over nine factors up to
    exp(+-reach) around the size given, then a parabola through the best. A clip without a whole frame keeps its size.
    """
    result, dimensions = prepared.scale.clone(), 2 * prepared.points.shape[1] - 2
    steps = torch.linspace(-reach, reach, 9)
    # Ample noise: a hundredth too large or small must not decide about whole poses.
    judge = replace(model, noise=max(model.noise, 0.05))
    for c in clip.unique().tolist():
        rows = ((clip == c) & (prepared.weight > 0).all(1)).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        points = prepared.points[rows[:: -(-len(rows) // frames)]]
        found = torch.tensor(
            [judge.log_likelihood(points / s.exp()).logsumexp(1).mean() - dimensions * s for s in steps]
        )
        best = int(found[1:-1].argmax()) + 1
        shift = vertex(*found[best - 1 : best + 2].tolist(), highest=True) or 0.0
        result[clip == c] *= (steps[best] + min(1.0, max(-1.0, shift)) * (steps[1] - steps[0])).exp()
    return result


def poses_of_set(
    model: HeadingModel,
    prepared: Prepared,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    noise: float,
    config: PoseConfig,
) -> Poses:
    """Most probable poses with bones of their clip's lengths, every frame on its own, by a model of its clip."""
    points, shift = centred_again(model, prepared)
    joints = torch.zeros(*points.shape[:2], 3).to(points)
    away, lengths, variance = (torch.zeros(len(points), len(edges)).to(points) for _ in range(3))
    length, unsure = torch.zeros_like(away), torch.zeros_like(away)
    heading, models = torch.zeros(len(points), dtype=torch.int64), {}
    for c in clip.unique().tolist():
        rows = clip == c
        own = models[c] = clip_model(model, points[rows], config.clip)
        free, away[rows], weight = own.posterior(points[rows], edges)
        heading[rows] = weight.argmax(1)
        lengths[rows] = bone_lengths(free[..., :2], free[..., 2], edges, (prepared.weight[rows] > 0).to(points))
        likely = likely_poses(own, points[rows], heading[rows])
        length[rows], unsure[rows] = lengths_in_frames(own, likely, heading[rows], edges)
        variance[rows] = own.depth_spread(edges).to(points)[heading[rows]].square()
    flexible = flexibility(length, unsure, clip)
    if noise < config.exact_noise:
        flexible = flexible + flexible_share(prepared.points, edges, prepared.weight) * lengths.mean(0).square()
    # Lengths cannot be told more finely than the points that they come from.
    least = (flexible + max(config.tolerance, 1.5 * noise) ** 2).sqrt()
    for c, own in models.items():
        rows = clip == c
        joints[rows] = rigid_poses(own, points[rows], heading[rows], edges, lengths[rows], least)
    joints = torch.cat([joints[..., :2] + shift, joints[..., 2:]], -1)
    return Poses(joints, points + shift, variance, lengths, flexible.sqrt(), away, noise)


def poses_in_time(
    model: HeadingModel,
    prepared: Prepared,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    noise: float,
    config: PoseConfig,
) -> Poses:
    """Most probable smooth motion of every clip; its frames stand in the order of time."""
    points, shift = centred_again(model, prepared)
    weight = chained_headings(model.log_likelihood(points), clip)
    heading = weight.argmax(1)
    first = likely_poses(model, points, heading)
    timed = timed_poses(model, prepared.points, prepared.weight, heading, first, clip, edges, noise, config.time)
    seen = (prepared.weight > 0)[..., None]
    step = timed.joints[:, edges[:, 1], 2] - timed.joints[:, edges[:, 0], 2]
    # Other headings than the one followed, and its neighbours, take their share of doubt.
    near = sum(weight.roll(turn, 1).gather(1, heading[:, None]) for turn in (-2, -1, 0, 1, 2))
    _, away, _ = model.posterior(points, edges)
    own = torch.special.ndtr(step / timed.depth_variance.sqrt())
    away = near * own + (1 - near) * away
    level = timed.noise.square().mean().sqrt().item()
    filled = torch.where(seen, prepared.points, timed.joints[..., :2])
    return Poses(timed.joints, filled, timed.depth_variance, timed.lengths, timed.spread, away, level)


def centred_again(model: HeadingModel, prepared: Prepared) -> tuple[Float[Tensor, "N K 2"], Float[Tensor, "N 1 2"]]:
    """Points with the gaps filled, centred on all of them, and the way back to the centre of those that are seen."""
    points = filled_points(model, prepared.points, prepared.weight)
    known = prepared.weight > 0
    return points, (known[..., None] * (prepared.points - points)).sum(1, keepdim=True) / known.sum(1)[:, None, None]
