"""Other readings of the same views: heading models of steep cameras, which the usual fit never tries."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.from_views import PoseConfig, lift_from_views
from articulate.lifting.heading_fit import Frames, HeadingFit, annealed, first_model, run
from articulate.lifting.heading_model import HeadingModel
from articulate.lifting.inputs import Prepared
from articulate.lifting.views import ViewLifter


def other_readings(
    model: HeadingModel,
    prepared: Prepared,
    clip: Int[Tensor, " N"],
    edges: Int[Tensor, "L 2"],
    lifter: ViewLifter,
    elevations: Sequence[float],
) -> Iterator[tuple[Float[Tensor, "N K 3"], HeadingModel]]:
    """Most probable poses (subject sizes, origin at the seen points) and their heading model, for every elevation.

    Each is the likeliest of the usual starts, fitted with its elevation fixed.
    """
    config, frames = lifter.config.heading, Frames(prepared.points, prepared.weight)
    for elevation in elevations:
        starts = [first_model(frames.points, elevation, direction, config) for direction in config.directions]
        tried = [run(one, frames, annealed(config.start_rounds), config.start_prior) for one in starts]
        found = max(tried, key=lambda one: one[0])[1]
        found = replace(found, headings=model.headings, noise=max(config.final_noise, model.noise))
        found = replace(run(found, frames, [1.0] * config.rounds, config.prior)[1], noise=model.noise)
        reader, scale = copy.deepcopy(lifter), lifter.scale.cpu()
        reader.learn_from(HeadingFit(found, 0.0, lifter.teacher.track_noise))
        joints, _ = lift_from_views(
            prepared.points * scale, prepared.weight, clip, edges, reader, PoseConfig.model_validate({})
        )
        yield joints.double() / scale.double(), found
