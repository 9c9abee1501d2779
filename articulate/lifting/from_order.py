"""Refinements that start from what covers what, for bodies whose views are read wrongly: chains, arms on a fixed base.

The heading of a body whose mean pose is a pole, or that bends as far to one side as to the other, cannot be told from
the mean pose, so that the views give poor signs and a poor elevation. The order of depth gives signs without either;
the elevation is then where the views are likeliest, walked to from a level camera. Bodies whose mean pose has a front
and a back keep their views: there the order's signs are worse, and the energy does not always say so. Robots have such
a mean pose, but move in too many ways for it to tell headings; they are known by their straight limbs.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.lifting.body_energy import Body
from articulate.lifting.body_refinement import Refined, better_reading, refine_body
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.order_signs import ordered_joints
from articulate.lifting.refinement_config import RefinementConfig

# Of a mean pose's horizontal extent: thinner across it, views from ahead and from behind are mirror images. Arms have
# 0.14, built-in persons, quadrupeds and hexapods 0.26 to 0.95.
THIN = 0.2
POLE = 0.1  # of the height
FIRST_STEP = 0.2  # rad
LAST_STEP = 0.05


def is_thin(mean: Float[Tensor, "K 3"]) -> bool:
    """Whether a mean pose lies nearly in one vertical plane or on one vertical line, so that headings say little."""
    centred = (mean - mean.mean(0)).double()
    across, along = torch.linalg.svdvals(centred[:, [0, 2]]).flip(0)
    return bool(across <= THIN * along or along <= POLE * centred[:, 1].norm())


def refined_from_order(
    start: Float[Tensor, "N K 3"],
    model: HeadingModel,
    body: Body,
    config: RefinementConfig,
    rival: Refined,
    elevations: Sequence[float] = (),
    cost: Callable[[Refined], float] = attrgetter("energy"),
) -> list[Refined]:
    """Refinements from the signs of the order of depth, below a level camera, those of `elevations` (rad) and on.

    The one of least `cost` comes first. `start` has the signs where no order is seen, `model` the mean pose from which
    headings are first read. Elevations are walked only where the order is contradicted less than by the `rival`; the
    one in the middle is refined once more with those aside, or what is refined oftenest would win. Needs `body.order`.
    """
    assert body.order is not None
    start, mean, _ = better_reading(start, model.mean, model.elevation, body.order)
    joints = ordered_joints(start, body, config.order_softness, config.acceleration[0])
    tried = [
        refine_body(joints, body, mean, elevation, numbers)
        for elevation in (0.0, *elevations)
        for numbers in (config, config.stiff())
    ]
    best, step = min(tried, key=cost), FIRST_STEP
    if body.order.violated(best.joints[..., 2]) < body.order.violated(rival.joints[..., 2]):
        while step >= LAST_STEP:
            shifts = (0.0, -step, step)
            near = [refine_body(best.joints, body, best.mean, best.elevation + s, config.stiff()) for s in shifts]
            tried += near
            best = min(near, key=cost)
            step = step / 2 if best is near[0] else step
    return [best, *(one for one in tried if one is not best)]
