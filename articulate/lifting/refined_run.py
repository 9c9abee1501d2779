"""A lifted run refined as one body: the camera's elevation by energy, confidence from what the refinements agree on."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.body_refinement import Body, Refined, RefinementConfig, refine_body
from articulate.lifting.depth_evidence import depth_evidence
from articulate.lifting.inputs import prepare
from articulate.lifting.run import LiftedRun
from articulate.lifting.views import ViewLifter
from articulate.records import DepthOrder

LEAST_ENTRIES = 0.5  # per frame; fewer do not tell a pose from its mirror image
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
) -> LiftedRun:
    """The run with joints refined by the order of depth, which decides the reflection; `lifted` where there is none.

    Needs the lifter's heading model, and entries for every second frame. Refined softly and stiffly, then at two more
    elevations, then at the one where a parabola through the energies is lowest. The sign of a bone's dz is as sure as
    the five refinements agree on it and as its depth is large, at most `SURE`.
    """
    model, keep = lifter.teacher.model, lifted.joints.isfinite().all(-1).all(-1)
    if model is None or order is None or len(order.frame) < LEAST_ENTRIES * int(keep.sum()):
        return lifted
    prepared = prepare(xy[keep], score[keep], lifter.scale.cpu())
    scale, centre = lifter.scale.item(), prepared.centre.double()
    evidence = depth_evidence(order, keep, scale)
    body = Body(prepared.points.double(), (prepared.weight > 0).double(), clip[keep], edges, evidence)
    start = lifted.joints[keep].double()
    start = torch.cat([start[..., :2] - centre, start[..., 2:]], -1) / scale
    mean, middle, step = model.mean.double(), model.elevation, config.elevation_step
    # Soft first rounds mend many wrong signs, stiff ones keep right ones: the lower energy tells which was called for.
    soft, stiff = (refine_body(start, body, mean, middle, one) for one in (config, config.stiff()))
    chosen = config if soft.energy <= stiff.energy else config.stiff()
    low, high = (refine_body(start, body, mean, middle + shift, chosen) for shift in (-step, step))
    elevation = middle + lowest([low, min(soft, stiff, key=lambda one: one.energy), high], step)
    tried = [soft, stiff, low, high, refine_body(start, body, mean, elevation, chosen)]
    best = min(tried, key=lambda one: one.energy)
    joints = torch.cat([best.joints[..., :2] * scale + centre, best.joints[..., 2:] * scale], -1)
    joints = torch.cat([joints[..., :2], joints[..., 2:] - joints[..., 2:].mean(1, keepdim=True)], -1)
    whole, confidence = lifted.joints.clone(), lifted.confidence.clone()
    whole[keep], confidence[keep] = joints.to(whole), agreement(best, tried, edges).to(confidence)
    often, wrong = len(order.frame) / int(keep.sum()), 100 * evidence.violated(best.joints[..., 2])
    words = (
        f"{lifted.statement} Limbs cover others {often:.1f} times a frame; the joints, refined as one body with that, "
        f"contradict {wrong:.0f} % of it."
    )
    return replace(lifted, joints=whole, confidence=confidence, statement=words)


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
