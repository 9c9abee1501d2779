"""The last fit of a puppet, to the soft mask: every pixel belongs to the limb that is nearest, radii are learned."""

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, fit_figure
from articulate.seeding.parts.colour import OUTSIDE
from articulate.seeding.puppet.model import Puppet

STEPS = (20, 40)  # of the two fits; pixels are shared out anew before each


def share_out(figure: Figure, mask: Float[np.ndarray, "T S S"]) -> Int[np.ndarray, "T S S"]:
    """The limb whose outline is nearest to each pixel of the body, `OUTSIDE` elsewhere."""
    labels = np.full(mask.shape, OUTSIDE, np.int64)
    radii = figure.radii.mean(1)
    for t, pose in enumerate(figure.points):
        row, column = np.nonzero(mask[t] > 0.5)
        pixels = np.stack([column, row], 1).astype(np.float64)
        a, b = pose[figure.edges[:, 0]], pose[figure.edges[:, 1]]
        along = b - a
        squared = np.maximum((along**2).sum(-1), 1e-9)  # a limb seen end on is a dot
        foot = np.clip(((pixels[:, None] - a) * along).sum(-1) / squared, 0.0, 1.0)
        apart = np.linalg.norm(pixels[:, None] - a - foot[..., None] * along, axis=-1) - radii
        labels[t, row, column] = apart.argmin(1)
    return labels


def polish(
    puppet: Puppet, poses: Float[np.ndarray, "T K 2"], mask: Float[np.ndarray, "T S S"], clip: Int[np.ndarray, " T"]
) -> Float[np.ndarray, "T K 2"]:
    """Poses to a fraction of a pixel, in the pixels of `mask` (0 to 1)."""
    figure = Figure(poses, puppet.edges, np.repeat(puppet.radii[:, None], 2, axis=1), np.arange(len(puppet.edges)))
    for steps in STEPS:
        evidence = Evidence(share_out(figure, mask), mask, clip)
        figure = fit_figure(figure, evidence, FitSettings(steps=steps, rate=0.25, softness=(0.8, 0.6)))
    return figure.points
