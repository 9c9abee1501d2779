"""A start for the solver from views alone: a heading model of this clip, for bodies that turn about the vertical."""

import numpy as np
import torch
from jaxtyping import Float

from articulate.errors import TrainingError
from articulate.lifting.heading_chain import chained_headings
from articulate.lifting.heading_fit import HeadingFitConfig, fit_heading_model
from articulate.lifting.heading_settle import likely_poses
from articulate.lifting.inputs import prepare, subject_scale

# Fewer rounds than for a whole run: the signs are searched afterwards.
SHORT = HeadingFitConfig(
    elevation_starts=(0.1,), start_frames=300, frames=300, start_rounds=12, rounds=4, final_headings=24
)


def depth_from_headings(
    xy: Float[np.ndarray, "T K 2"], trust: Float[np.ndarray, "T K"], seed: int
) -> Float[np.ndarray, "T K"] | None:
    """Depth of every keypoint by a heading model fitted to this clip (unit of `xy`, mean 0); None where none fits.

    It finds the turns of the whole body where factorisation, which starts from parts of it, follows a limb. A clip
    without turns has no such model: the depth is then as arbitrary as any other start, and judged by its energy.
    """
    points = torch.from_numpy(xy).float()
    score = torch.from_numpy(trust).float()
    prepared = prepare(points, score, subject_scale(points, score))
    try:
        fit = fit_heading_model(prepared.points, prepared.weight, SHORT, torch.Generator().manual_seed(seed))
    except TrainingError:
        return None
    likely = fit.model.log_likelihood(prepared.points)
    heading = chained_headings(likely, torch.zeros(len(points), dtype=torch.int64)).argmax(1)
    depth = likely_poses(fit.model, prepared.points, heading)[..., 2] * prepared.scale[:, None]
    return depth.double().numpy() if depth.isfinite().all() else None
