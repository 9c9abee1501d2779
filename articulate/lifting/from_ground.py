"""Refinements that start from a body lying flat on the ground: snakes, crawlers, what bends in a horizontal plane.

The usual starts of the heading model spread a body over width, height and depth, and so miss flat bodies: below
a camera that looks down at them, they find poses that stand upright in the picture's plane. A body in one horizontal
plane has its depths in closed form, z = y / tan(elevation). What these refinements are worth is told by how likely the
views are, all depths summed over: the energy of single poses falls as a camera gets steeper, because depths shrink.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.geometry.rotations import rotation_about
from articulate.lifting.body_energy import Body
from articulate.lifting.body_refinement import Refined, refine_body
from articulate.lifting.heading_model import HeadingModel, filled_points
from articulate.lifting.inputs import Prepared
from articulate.lifting.parabola import vertex
from articulate.lifting.refinement_config import RefinementConfig
from articulate.lifting.rereading import model_of_poses, read_again
from articulate.lifting.views import ViewLifter

READINGS = 6  # what stands up from the ground is found limb by limb, a little more in every reading
READING_ROUNDS = 5
# Nats per frame that the views may be unlikelier than under other refinements, for the readings to go on: they gain
# about a third of that on snakes; a quadruped, which stands, lacks ten.
NEAR = 1.0


def flat_on_ground(
    points: Float[Tensor, "N K 2"], elevation: float
) -> tuple[Float[Tensor, "N K 3"], Float[Tensor, "K 3"]]:
    """Joints of bodies in a horizontal plane below a camera at `elevation` (rad, positive), and the widest one.

    The latter is turned upright and stands for the mean pose.
    """
    centred = points - points.mean(1, keepdim=True)
    tilt = rotation_about(0, torch.tensor(elevation, dtype=points.dtype, device=points.device))
    # A point of the plane Y = 0 at (X, 0, Z) is seen at y = tilt[1, 2] Z and has the depth tilt[2, 2] Z.
    depth = centred[..., 1:] * (tilt[2, 2] / tilt[1, 2])
    joints = torch.cat([points, depth], -1)
    upright = torch.cat([centred, depth], -1) @ tilt
    return joints, upright[upright.square().sum((1, 2)).argmax()]


def refined_from_ground(
    model: HeadingModel,
    body: Body,
    prepared: Prepared,
    lifter: ViewLifter,
    config: RefinementConfig,
    rival: Refined,
) -> list[Refined]:
    """Refinements of bodies that are flat at first, the likeliest views first; none where `rival` has likelier ones.

    All of `config.elevations` are tried, then the one where a parabola through their likelihoods is highest; its poses
    are read again `READINGS` times.
    """

    def refined(joints: Tensor, mean: Tensor, elevation: float) -> tuple[float, Refined]:
        read = model_of_poses(joints, body.clip, mean, elevation, config.reading_ridge, model)
        joints, read = read_again(read, prepared, body.clip, body.edges, lifter, READING_ROUNDS)
        return judged(refine_body(joints, body, read.mean, read.elevation, config.stiff()))

    def judged(one: Refined) -> tuple[float, Refined]:
        return likelihood_of_views(one, model, body, prepared, config.reading_ridge), one

    tried, known = [refined(*flat_on_ground(body.points, e), e) for e in config.elevations], judged(rival)[0]
    tried += [refined(*flat_on_ground(body.points, e), e) for e in between(config.elevations, [t[0] for t in tried])]
    value, one = max(tried, key=itemgetter(0))
    if value < known - NEAR:
        return []
    for _ in range(READINGS):
        tried.append(refined(one.joints, one.mean, one.elevation))
        one = tried[-1][1]
    tried = sorted(tried, key=itemgetter(0), reverse=True)
    return [one for _, one in tried] if tried[0][0] > known else []


def between(elevations: Sequence[float], likelihoods: list[float]) -> list[float]:
    """The elevation where a parabola through the best of equally spaced ones and its neighbours peaks, if it does."""
    if len(elevations) < 3:
        return []
    middle = max(1, min(len(elevations) - 2, likelihoods.index(max(likelihoods))))
    shift = vertex(*likelihoods[middle - 1 : middle + 2], highest=True)
    step = elevations[middle + 1] - elevations[middle]
    return [] if shift is None or abs(shift) > 1 else [elevations[middle] + shift * step]


def likelihood_of_views(one: Refined, model: HeadingModel, body: Body, prepared: Prepared, ridge: float) -> float:
    """Mean log-likelihood of the frames under the Gaussian that these poses make, summed over depths and headings."""
    made = model_of_poses(one.joints, body.clip, one.mean, one.elevation, ridge, model)
    made = replace(made, headings=2 * made.headings)  # the Gaussian is narrower than one that was fitted to views
    points = filled_points(made, prepared.points, prepared.weight)
    return made.log_likelihood(points).logsumexp(1).mean().item()
