"""A lifted run refined as one body: the camera's elevation by energy, confidence from what the refinements agree on."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.body_energy import Body, mirrored_bones, own_pace
from articulate.lifting.body_prior import body_prior
from articulate.lifting.body_refinement import Refined, likeliest, refine_body
from articulate.lifting.depth_evidence import DepthEvidence, depth_evidence
from articulate.lifting.elevations import other_readings
from articulate.lifting.from_ground import likelihood_of_views, refined_from_ground
from articulate.lifting.from_order import is_thin, refined_from_order
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.in_plane import STATEMENT, seen_from_above
from articulate.lifting.inputs import Prepared, prepare, trusted
from articulate.lifting.joint_prior import chain_of
from articulate.lifting.limb_flips import flip_limbs
from articulate.lifting.parabola import vertex
from articulate.lifting.refinement_config import RefinementConfig, sizes_of
from articulate.lifting.rereading import model_of_poses, read_again
from articulate.lifting.run import LiftedRun
from articulate.lifting.settle import centred_depth
from articulate.lifting.views import ViewLifter
from articulate.records import DepthOrder

LEAST_ENTRIES = 0.5  # of the order of depth per frame; with fewer, views must vary, or a pose and its mirror are alike
LEAST_FRAMES = 100  # fewer make no Gaussian of poses; with the order of depth, any number will do
# Elevation (rad) from which a body that turns within the picture is seen from above. What its limbs look like changes
# with the cosine of the elevation: at 70 degrees by a third, of which noise leaves little.
STEEP = 1.2
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

    As it is, and None, without a heading model or where neither views nor the order of depth say enough. A body that
    turns all around within the picture is also read as one below a steep camera; where that camera looks straight down
    and no order is known, depths are flat and no sign is trusted. The sign of a bone's dz is as sure as all refinements
    agree on it and as its depth is large, at most `SURE`. `mirror` is every keypoint's mirror image, for
    `config.symmetry`.
    """
    model, keep = lifter.teacher.model, lifted.joints.isfinite().all(-1).all(-1)
    ordered = order is not None and len(order.frame) >= LEAST_ENTRIES * int(keep.sum())
    varied = lifted.coverage.choice == "views" and int(keep.sum()) >= LEAST_FRAMES
    if model is None or not (ordered or varied):
        return lifted, None
    prepared = prepare(xy[keep], trusted(score[keep]), lifter.scale.cpu())
    scale, centre = lifter.scale.item(), prepared.centre.double()
    evidence = None if order is None else depth_evidence(order, keep, scale)
    body = prepared_body(prepared, clip[keep], edges, evidence, mirror)
    joints = lifted.joints[keep].double()
    joints = torch.cat([joints[..., :2] - centre, joints[..., 2:]], -1) / scale
    turns = seen_from_above(xy[keep].double().cpu().numpy())
    steep = config.elevations if turns else ()
    tried = all_refinements(joints, model, body, prepared, lifter, config, steep)
    best = likeliest(tried)
    if ordered and (is_thin(model.mean) or body.is_straight):

        def unlikely(one: Refined) -> float:
            return -likelihood_of_views(one, model, body, prepared, config.reading_ridge)

        other = refined_from_order(joints, model, body, config, best, steep, unlikely)
        if other[0].energy < best.energy:
            tried, best = other, other[0]
    if turns and not ordered and (ground := refined_from_ground(model, body, prepared, lifter, config, best)):
        tried, best = ground, ground[0]
    if turns and not ordered and abs(best.elevation) > STEEP:
        return flat_run(lifted), None
    best = settled(best, replace(body, known=body.known * score[keep].clamp(0, 1)), config.settled())
    whole, confidence = lifted.joints.clone(), lifted.confidence.clone()
    placed = torch.cat([best.joints[..., :2] * scale + centre, best.joints[..., 2:] * scale], -1)
    whole[keep] = centred_depth(placed).to(whole)
    confidence[keep] = agreement(best, tried, edges).to(confidence)
    words = words_of(lifted.coverage.statement(), best, body)
    found = model_of_poses(best.joints, body.clip, best.mean, best.elevation, config.reading_ridge, model)
    return replace(lifted, joints=whole, confidence=confidence, statement=words), found


def prepared_body(
    prepared: Prepared,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    order: DepthEvidence | None,
    mirror: Int[Tensor, " K"] | None,
) -> Body:
    """The body of the prepared points: each counts in full where it is seen at all, all joints move at one pace."""
    known, twins = (prepared.weight > 0).double(), mirrored_bones(edges, mirror)
    return Body(prepared.points.double(), known, clip, edges, order, twins, chain_of(edges), torch.ones_like(known))


def flat_run(lifted: LiftedRun) -> LiftedRun:
    """The run without depth, where no sign is better than a coin: expected depths are zero, and nearer to the truth."""
    joints = lifted.joints * lifted.joints.new_tensor([1.0, 1.0, 0.0])
    words = f"{STATEMENT} Depths are drawn flat."
    return replace(lifted, joints=joints, confidence=lifted.confidence.clamp(max=0.5), statement=words)


def all_refinements(
    start: Float[Tensor, "N K 3"],
    model: HeadingModel,
    body: Body,
    prepared: Prepared,
    lifter: ViewLifter,
    config: RefinementConfig,
    elevations: Sequence[float] = (),
) -> list[Refined]:
    """Refinements softly and stiffly, from poses read again under the best ones' Gaussian, and at elevations around.

    `elevations` (rad) are of steep cameras that are tried beside the model's.
    Soft first rounds mend many wrong signs, stiff ones keep right ones: the lower energy tells which was called for.
    """
    soft = refine_body(start, body, model.mean, model.elevation, config)
    for joints, other in other_readings(model, prepared, body.clip, body.edges, lifter, elevations):
        found = refine_body(joints, body, other.mean, other.elevation, config)
        if found.energy < soft.energy:
            soft, start, model = found, joints, other
    stiff = refine_body(start, body, model.mean, model.elevation, config.stiff())
    tried, chosen = [soft, stiff], config if soft.energy <= stiff.energy else config.stiff()
    for _ in range(config.rereadings):
        best = likeliest(tried)
        again = model_of_poses(best.joints, body.clip, best.mean, best.elevation, config.reading_ridge, model)
        joints, again = read_again(again, prepared, body.clip, body.edges, lifter, config.reading_rounds)
        tried.append(refine_body(joints, body, again.mean, again.elevation, chosen))
        if tried[-1] is likeliest(tried):
            start, model = joints, again
    return tried + at_elevations(start, model, likeliest(tried), body, chosen)


def at_elevations(
    start: Float[Tensor, "N K 3"], model: HeadingModel, middle: Refined, body: Body, config: RefinementConfig
) -> list[Refined]:
    """Refinements at two more elevations and at the one where a parabola through the energies is lowest."""
    step = config.elevation_step
    low, high = (refine_body(start, body, model.mean, model.elevation + shift, config) for shift in (-step, step))
    shift = vertex(low.energy, middle.energy, high.energy)
    # Where no valley lies between the three, one step towards the lower side.
    shift = (1.0 if high.energy < low.energy else -1.0) if shift is None else min(1.5, max(-1.5, shift))
    return [low, high, refine_body(start, body, model.mean, model.elevation + shift * step, config)]


def settled(best: Refined, body: Body, config: RefinementConfig) -> Refined:
    """The refinement with every joint at its own pace, and limbs turned over as long as that lowers the energy."""
    sizes = sizes_of(1.0, config)
    body = replace(body, pace=own_pace(best.joints, body.clip, sizes.acceleration))
    best = refine_body(best.joints, body, best.mean, best.elevation, config)
    for _ in range(config.flips):
        # As wide as in stiff first rounds: spells that are wrong must not look impossible when they are right.
        prior = body_prior(best.joints, best.mean, best.elevation, body.clip, config.ridge[0])
        flipped = flip_limbs(best.joints, body, prior, config, replace(sizes, ridge=config.ridge[0]))
        again = refine_body(flipped, body, best.mean, best.elevation, config)
        if again.energy >= best.energy:
            break
        best = again
    return refine_body(best.joints, body, best.mean, best.elevation, config.last())


def agreement(best: Refined, tried: list[Refined], edges: Int[Tensor, "L 2"]) -> Float[Tensor, "N L"]:
    """Mean over the refinements of the chance that their dz has the best one's sign, between 1 - SURE and SURE."""
    a, b = edges.unbind(1)
    own = (best.joints[:, b, 2] - best.joints[:, a, 2]).sign()
    steps = torch.stack([one.joints[:, b, 2] - one.joints[:, a, 2] for one in tried])
    return torch.special.ndtr(own * steps / DOUBT).mean(0).clamp(1 - SURE, SURE)


def words_of(statement: str, best: Refined, body: Body) -> str:
    """What the report says about a refined run."""
    words = f"{statement} All frames were refined as one body"
    if body.order is not None:
        often, wrong = len(body.order.frame) / len(body.points), 100 * body.order.violated(best.joints[..., 2])
        words += f": limbs cover others {often:.1f} times a frame, and the joints contradict {wrong:.0f} % of it"
    return words + "."
