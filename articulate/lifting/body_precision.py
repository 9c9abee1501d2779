"""Keypoints between where a picture shows them and where the body of the whole run has them, weighed by precision."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.lifting.body_energy import accelerations

SHOWN = 0.5  # score from which a keypoint tells how far the body is off
LEAST_SHOWN = 30  # keypoints in three frames in a row, from which noise can be measured
# Variance of the second difference of independent noise over its own: 1 + 4 + 1.
SECOND_DIFFERENCE = 6.0
# Of how far the body and the picture lie apart, the body is expected to cause this much at least.
LEAST_SHARE = 0.05


def precision_of_body(
    found: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"],
    placed: Float[Tensor, "N K 2"],
    clip: Int[Tensor, " N"],
) -> float:
    """Precision of the body's places over that of keypoints that show in full, at most 1; 1 where too few show.

    What differs from frame to frame is the noise of the picture, because the body moves smoothly: second differences
    of `found - placed` have six times its variance. The rest of `found - placed` is the body's error. Medians, so that
    single wrong keypoints do not count. A body can follow wrong keypoints, so that it never counts more than they do.
    """
    apart = found - placed
    shown = (score > SHOWN) & apart.isfinite().all(-1)
    jump, inner = accelerations(apart, clip)
    together = shown[2:] & shown[1:-1] & shown[:-2] & inner[:, None]
    if int(together.sum()) < LEAST_SHOWN:
        return 1.0
    noise = median_square(jump, together) / SECOND_DIFFERENCE
    whole = median_square(apart, shown)
    return min(1.0, float(noise / (whole - noise).clamp_min(LEAST_SHARE * whole).clamp_min(1e-12)))


def median_square(difference: Float[Tensor, "N K 2"], use: Bool[Tensor, "N K"]) -> Float[Tensor, ""]:
    """Median of the squared lengths of the differences in use."""
    return difference[use].double().square().sum(-1).median()


def weighed_by_precision(
    found: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"], placed: Float[Tensor, "N K 2"], body: float
) -> Float[Tensor, "N K 2"]:
    """The mean of both, `body` the precision of the body's places; keypoints without such a place stay where they are.

    The end of a limb of which only a share shows is where a line through that share leads. With pixels spread evenly
    over a share s, the variance of least squares at the end grows like s^-3 (as s^-1 for the fewer pixels, and as s^-2
    for the longer lever), so that a keypoint counts the third power of its score.
    """
    share = body / (body + score**3).clamp_min(1e-6)
    share = torch.where(placed.isfinite().all(-1), share, 0.0)[..., None]
    return torch.lerp(found, placed.nan_to_num(), share)
