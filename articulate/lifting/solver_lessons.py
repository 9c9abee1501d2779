"""The one-clip solver as a teacher: its poses of clips that determine depth train the network of a view lifter."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.errors import TrainingError
from articulate.lifting.inputs import prepare, seen_points
from articulate.lifting.one_clip.config import OneClipConfig
from articulate.lifting.one_clip.solve import solve_clip
from articulate.lifting.settle import centred_depth
from articulate.lifting.views import ViewLifter
from articulate.lifting.views_losses import lift_with_camera, random_angles, see_with_camera, turn_about_vertical
from articulate.skeleton.rooting import root_tree


class LessonConfig(StrictModel):
    """How long the network learns from solved clips, and which clips are tried."""

    steps: int = Field(300, gt=0)
    batch_size: int = Field(256, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    least_clip_frames: int = Field(16, ge=16, description="shorter clips are not solved")


@dataclass(frozen=True)
class Lessons:
    """Frames of solved clips as the network sees them, with depths (subject sizes, mean 0) and how sure they are.

    `trust` is 2 P - 1, the mean over the bones that end in a keypoint; `weight` the weight of the observed points.
    """

    points: Float[Tensor, "N K 2"]
    weight: Float[Tensor, "N K"]
    depth: Float[Tensor, "N K"]
    trust: Float[Tensor, "N K"]
    clips: tuple[int, ...]


@torch.no_grad()
def solver_lessons(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    config: LessonConfig,
    generator: np.random.Generator,
    one_clip: OneClipConfig | None = None,
) -> Lessons | None:
    """The poses of all clips that determine depth, solved one by one from the lifter's depths; None without any.

    A clip's reflection in depth is open: the one that agrees with the lifter's own depths is taken, so a lifter that
    has not seen the views yet should be taught one clip alone. `edges` in any order; everything on the CPU.
    """
    tree = root_tree(edges, num_keypoints=xy.shape[1]).edges
    good = seen_points(xy, score).sum(1) >= 2
    device, parts, taught = lifter.scale.device, [], []
    for name in clip[good].unique().tolist():
        rows = good & (clip == name)
        if int(rows.sum()) < config.least_clip_frames:
            continue
        shown = None if score is None else score[rows]
        guess = lifter(xy[rows].to(device), None if shown is None else shown.to(device)).cpu()[..., 2]
        found = solve_clip(xy[rows], tree, shown, one_clip, generator, guess)
        if not found.determined:
            continue
        prepared = prepare(xy[rows], shown, lifter.scale.cpu())
        depth = centred_depth(found.joints)[..., 2]
        depth = depth / prepared.scale[:, None] * (-1.0 if (depth * guess).sum() < 0 else 1.0)
        trust = trust_of_keypoints(found.confidence, tree, xy.shape[1])
        parts.append((prepared.points, prepared.weight, depth.to(xy), trust.to(xy)))
        taught.append(int(name))
    if not parts:
        return None
    points, weight, depth, trust = (torch.cat(column) for column in zip(*parts, strict=True))
    return Lessons(points, weight, depth, trust, tuple(taught))


def trust_of_keypoints(
    confidence: Float[Tensor, "N L"], edges: Int[Tensor, "L 2"], num_keypoints: int
) -> Float[Tensor, "N K"]:
    """Mean of 2 P - 1, at least 0, over the bones that end in each keypoint; 0 where none does."""
    ends = torch.zeros(len(edges), num_keypoints).to(confidence)
    ends.scatter_(1, edges.to(ends.device), 1.0)
    return (2 * confidence - 1).clamp_min(0) @ ends / ends.sum(0).clamp_min(1)


def teach(lifter: ViewLifter, lessons: Lessons, config: LessonConfig, generator: torch.Generator) -> list[float]:
    """Train the lifter's network on the lessons, in place; the loss of every step.

    Squared distance to the solver's depths, weighted by trust, of the frames as seen and of the solver's poses turned
    at random about the vertical, which no frame has shown. Some points are hidden, as in the lifter's own training.
    """
    device, was_training, losses = lifter.scale.device, lifter.training, []
    optimiser = torch.optim.Adam(lifter.network.parameters(), config.learning_rate)
    lifter.train()
    for step in range(config.steps):
        index = torch.randint(len(lessons.points), (config.batch_size,), generator=generator)
        loss = lesson_loss(
            lifter, *(x[index].to(device) for x in (lessons.points, lessons.weight, lessons.depth, lessons.trust))
        )
        if not torch.isfinite(loss):
            raise TrainingError(f"view lifter: the solver's lesson is not finite at step {step}")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lifter.network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    lifter.train(was_training)
    return losses


def lesson_loss(
    lifter: ViewLifter,
    points: Float[Tensor, "N K 2"],
    weight: Float[Tensor, "N K"],
    depth: Float[Tensor, "N K"],
    trust: Float[Tensor, "N K"],
) -> Float[Tensor, ""]:
    """Weighted squared error of depths, as seen and turned, and of the places of hidden points; subject sizes."""
    kept, hidden = lifter.hide(weight)
    shown = torch.where((kept > 0)[..., None], points, torch.zeros_like(points))
    _, z, guess = lifter.complete(shown, kept)
    missed = (hidden * (guess - points).square().sum(-1)).sum() / hidden.sum().clamp_min(1.0)
    joints = lift_with_camera(points, depth, lifter.rays)
    angle = random_angles(len(joints), lifter.noise, joints)
    turned = turn_about_vertical(joints, angle, lifter.elevation.detach())
    turned = turned - turned.mean(1, keepdim=True)
    image = see_with_camera(turned, lifter.rays)
    seen = torch.where((weight > 0)[..., None], image, torch.zeros_like(image))
    _, again, _ = lifter.complete(seen, weight)
    sure = weight * trust
    gap = (z - depth).square() + (again - turned[..., 2]).square()
    return (sure * gap).sum() / sure.sum().clamp_min(1e-6) + lifter.config.completion_weight * missed
