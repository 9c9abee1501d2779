"""Limbs that were seen in front of others as evidence about depth: linear in the depths of four keypoints."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from articulate.records import DepthOrder

MANY_PIXELS = 10.0  # from this overlap on an entry counts in full
# Limbs that meet lie at nearly one depth where they overlap: what is seen there says less, and needs more pixels.
MEETING_PIXELS = 8
MEETING_SLACK = 0.05
MEETING_SHARPNESS = 0.3


@dataclass(frozen=True)
class DepthEvidence:
    """Entry v holds where sum_i coefficients[v, i] z[frame[v], keypoints[v, i]] < gap[v]; lengths in subject sizes.

    Coefficients and gap of limbs that meet are made smaller together, which makes their logistic model wider.
    """

    frame: Int[Tensor, " V"]
    keypoints: Int[Tensor, "V 4"]
    coefficients: Float[Tensor, "V 4"]
    gap: Float[Tensor, " V"]
    weight: Float[Tensor, " V"]

    def behind(self, depth: Float[Tensor, "N K"]) -> Float[Tensor, " V"]:
        """How far each entry is violated (positive) or kept (negative)."""
        return (self.coefficients * depth[self.frame[:, None], self.keypoints]).sum(1) - self.gap

    def frames(self, depth: Float[Tensor, "N K"], softness: float) -> Float[Tensor, " N"]:
        """Negative log-likelihood of every frame under a logistic model of the order, `softness` (of depth) wide."""
        entries = self.weight * softplus(self.behind(depth) / softness)
        return torch.zeros_like(depth[:, 0]).index_add(0, self.frame, entries)

    def violated(self, depth: Float[Tensor, "N K"]) -> float:
        """Weighted share of entries that the depths contradict."""
        wrong = (self.behind(depth) > 0).to(self.weight)
        return ((wrong * self.weight).sum() / self.weight.sum().clamp_min(1e-9)).item()


def depth_evidence(order: DepthOrder, keep: Bool[Tensor, " N"], scale: float) -> DepthEvidence:
    """The entries of the frames in `keep`, numbered within them, with lengths divided by `scale`.

    Limbs that meet count with wide slack (`benchmarks/whole_lifting.py` prints how often either kind is right).
    """
    meet = (order.front[:, :, None] == order.behind[:, None, :]).flatten(1).any(1)
    place = torch.cumsum(keep.long(), 0) - 1
    used = keep[order.frame] & (~meet | (order.pixels >= MEETING_PIXELS))
    meet = meet[used].double()
    front, behind = order.share[used].double().unbind(1)
    sharp = 1 - meet * (1 - MEETING_SHARPNESS)
    return DepthEvidence(
        frame=place[order.frame[used]],
        keypoints=torch.cat([order.front[used], order.behind[used]], 1),
        coefficients=torch.stack([1 - front, front, behind - 1, -behind], 1) * sharp[:, None],
        gap=(order.gap[used].double() / scale + MEETING_SLACK * meet) * sharp,
        weight=(order.pixels[used].double() / MANY_PIXELS).clamp_max(1.0),
    )
