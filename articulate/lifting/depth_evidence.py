"""Limbs that were seen in front of others as evidence about depth: linear in the depths of four keypoints."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from articulate.records import DepthOrder

MANY_PIXELS = 10.0  # from this overlap on an entry counts in full


@dataclass(frozen=True)
class DepthEvidence:
    """Entry v holds where sum_i coefficients[v, i] z[frame[v], keypoints[v, i]] < gap[v]; lengths in subject sizes."""

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

    Limbs that meet at a joint count like others: their overlap lies beside the joint, and with the gap 85 to 100 % of
    what is seen there is right (`benchmarks/whole_lifting.py` prints how often either kind is).
    """
    place = torch.cumsum(keep.long(), 0) - 1
    used = keep[order.frame]
    front, behind = order.share[used].double().unbind(1)
    return DepthEvidence(
        frame=place[order.frame[used]],
        keypoints=torch.cat([order.front[used], order.behind[used]], 1),
        coefficients=torch.stack([1 - front, front, behind - 1, -behind], 1),
        gap=order.gap[used].double() / scale,
        weight=(order.pixels[used].double() / MANY_PIXELS).clamp_max(1.0),
    )
