"""Following first guesses: cross-entropy of the heatmaps to Gaussians at the seeds."""

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.keypoints.detector import KeypointDetectorConfig
from articulate.keypoints.soft_argmax import draw_gaussians


def seed_cross_entropy(
    heatmaps: Float[Tensor, "N K H W"],
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"],
    config: KeypointDetectorConfig,
) -> Float[Tensor, ""]:
    """Mean cross-entropy (nats over log H*W, so that a flat map counts 1) of softmax(h / temperature) to the seeds.

    Each seed is a Gaussian of `sigma_px` cells, weighted by its score; unknown seeds (NaN) weigh nothing, and without
    any seed the loss is 0. A cross-entropy moves a mode from anywhere, which a loss on a windowed mean cannot.
    """
    height, width = heatmaps.shape[-2:]
    weight = score * xy.isfinite().all(-1)
    inner = xy.nan_to_num() * ((width - 2 * config.padding) / width)
    target = draw_gaussians(inner, (height, width), config.sigma_px).flatten(2)
    # The floor serves seeds beyond the border, whose Gaussian is all but empty.
    target = target / target.sum(-1, keepdim=True).clamp_min(1e-6)
    log_mass = (heatmaps.flatten(2) / config.temperature).log_softmax(-1)
    cross = -(target * log_mass).sum(-1) / torch.tensor(float(height * width)).log()
    return (weight * cross).sum() / weight.sum().clamp_min(1.0)
