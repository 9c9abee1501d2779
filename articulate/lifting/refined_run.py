"""A lifted run refined as one body: the camera's elevation by energy, confidence from what the refinements agree on."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.body_refinement import Body, Refined, RefinementConfig, mirrored_bones, refine_body
from articulate.lifting.depth_evidence import depth_evidence
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.in_plane import seen_from_above
from articulate.lifting.inputs import prepare
from articulate.lifting.rereading import model_of_poses, read_again
from articulate.lifting.run import LiftedRun
from articulate.lifting.views import ViewLifter
from articulate.records import DepthOrder

LEAST_ENTRIES = 0.5  # of the order of depth per frame; with fewer, views must vary, or a pose and its mirror are alike
LEAST_FRAMES = 100  # fewer make no Gaussian of poses; with the order of depth, any number will do
DOUBT = 0.12  # depth of a bone, in subject sizes, at which its sign is hardly better known than its neighbours'
SURE = 0.95  # what all refinements agree on can still be wrong: they share one start and one Gaussian of poses


def refined_run(
    lifted: LiftedRun,
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"],
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    order: DepthOrder | None,
    config: RefinementConfig,
    mirror: Int[Tensor, " K"] | None = None,
) -> tuple[LiftedRun, HeadingModel | None]:
    """The run with all joints refined together, and the heading model that they make, for frames to come.

    As it is, and None, without a heading model or where neither views nor the order of depth say enough. Refined softly
    and stiffly, then from poses read again under the Gaussian of the best ones, then at two more elevations and at the
    one where a parabola through the energies is lowest. Where the order is known it decides the reflection. The sign of
    a bone's dz is as sure as all refinements agree on it and as its depth is large, at most `SURE`. `mirror` is every
    keypoint's mirror image, for `config.symmetry`.
    """
    model, keep = lifter.teacher.model, lifted.joints.isfinite().all(-1).all(-1)
    ordered = order is not None and len(order.frame) >= LEAST_ENTRIES * int(keep.sum())
    varied = lifted.coverage.choice == "views" and int(keep.sum()) >= LEAST_FRAMES
    varied = varied and not seen_from_above(xy[keep].double().cpu().numpy())
    if model is None or not (ordered or varied):
        return lifted, None
    prepared = prepare(xy[keep], score[keep], lifter.scale.cpu())
    scale, centre = lifter.scale.item(), prepared.centre.double()
    evidence = None if order is None else depth_evidence(order, keep, scale)
    twins = mirrored_bones(edges, mirror)
    body = Body(prepared.points.double(), (prepared.weight > 0).double(), clip[keep], edges, evidence, twins)
    start = lifted.joints[keep].double()
    start = torch.cat([start[..., :2] - centre, start[..., 2:]], -1) / scale
    # Soft first rounds mend many wrong signs, stiff ones keep right ones: the lower energy tells which was called for.
    kinds, read, step = (config, config.stiff()), model, config.elevation_step
    tried = [refine_body(start, body, read.mean, read.elevation, one) for one in kinds]
    chosen = kinds[0] if tried[0].energy <= tried[1].energy else kinds[1]
    for _ in range(config.rereadings):
        best = likeliest(tried)
        again = model_of_poses(best.joints, body.clip, best.mean, best.elevation, config.reading_ridge, model)
        joints, again = read_again(again, prepared, body.clip, edges, lifter, config.reading_rounds)
        tried.append(refine_body(joints, body, again.mean, again.elevation, chosen))
        if tried[-1] is likeliest(tried):
            start, read = joints, again
    low, high = (refine_body(start, body, read.mean, read.elevation + shift, chosen) for shift in (-step, step))
    elevation = read.elevation + lowest([low, likeliest(tried), high], step)
    tried += [low, high, refine_body(start, body, read.mean, elevation, chosen)]
    best = likeliest(tried)
    joints = torch.cat([best.joints[..., :2] * scale + centre, best.joints[..., 2:] * scale], -1)
    joints = torch.cat([joints[..., :2], joints[..., 2:] - joints[..., 2:].mean(1, keepdim=True)], -1)
    whole, confidence = lifted.joints.clone(), lifted.confidence.clone()
    whole[keep], confidence[keep] = joints.to(whole), agreement(best, tried, edges).to(confidence)
    # What turns within the picture say nothing about, the order of depth does.
    words = f"{lifted.coverage.statement() if ordered else lifted.statement} All frames were refined as one body"
    if order is not None and evidence is not None:
        often, wrong = len(order.frame) / int(keep.sum()), 100 * evidence.violated(best.joints[..., 2])
        words += f": limbs cover others {often:.1f} times a frame, and the joints contradict {wrong:.0f} % of it"
    words += "."
    found = model_of_poses(best.joints, body.clip, best.mean, best.elevation, config.reading_ridge, model)
    return replace(lifted, joints=whole, confidence=confidence, statement=words), found


def likeliest(tried: list[Refined]) -> Refined:
    """The refinement with the least energy."""
    return min(tried, key=lambda one: one.energy)


def lowest(tried: list[Refined], step: float) -> float:
    """Where a parabola through three energies at -step, 0 and step is lowest, at most one and a half steps away."""
    low, middle, high = (one.energy for one in tried)
    bend = low - 2 * middle + high
    if bend <= 0:
        return step if high < low else -step
    return min(1.5 * step, max(-1.5 * step, 0.5 * step * (low - high) / bend))


def agreement(best: Refined, tried: list[Refined], edges: Int[Tensor, "L 2"]) -> Float[Tensor, "N L"]:
    """Mean over the refinements of the chance that their dz has the best one's sign, between 1 - SURE and SURE."""
    a, b = edges.unbind(1)
    own = (best.joints[:, b, 2] - best.joints[:, a, 2]).sign()
    steps = torch.stack([one.joints[:, b, 2] - one.joints[:, a, 2] for one in tried])
    return torch.special.ndtr(own * steps / DOUBT).mean(0).clamp(1 - SURE, SURE)
