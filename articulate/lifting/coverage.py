"""Does the subject turn enough for the view lifter? Chooses it, the solver for one clip, or a blend of both."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.geometry.rotations import rotation_about


class CoverageConfig(StrictModel):
    """Thresholds on the turn that is seen; angles in radians."""

    enough: float = Field(0.6, gt=0, le=1, description="share of the full circle above which views suffice alone")
    too_little: float = Field(0.2, ge=0, le=1, description="share below which only the one-clip solver is used")
    bins: int = Field(24, gt=3)
    core: float = Field(0.5, gt=0, le=1, description="share of the keypoints, the most rigid, that define the body")


@dataclass(frozen=True)
class Coverage:
    """`share` of the circle of headings that is seen, and what follows: `views`, `one_clip` or `blend`.

    `weight_of_views` goes from 0 (`too_little`) to 1 (`enough`).
    """

    share: float
    weight_of_views: float
    choice: Literal["views", "one_clip", "blend"]

    def statement(self) -> str:
        """One plain sentence for the log and the report."""
        degrees = round(360 * self.share)
        words = {
            "views": "enough to learn depth from the variety of views",
            "one_clip": "too little to learn depth from views; each clip is solved on its own, with its confidence",
            "blend": "so the view lifter and the one-clip solver are blended",
        }
        return f"The body is seen from about {degrees} of 360 degrees: {words[self.choice]}."


def width_coverage(
    xy: Float[Tensor, "N K 2"], score: Float[Tensor, "N K"] | None = None, config: CoverageConfig | None = None
) -> Coverage:
    """Coverage from 2D alone, before anything is lifted, for choosing how to lift.

    A rigid pair at azimuth a has the horizontal offset x = r sin(a + heading), so over a full turn every pair's x runs
    through +-r, and the extent of signed x over the extent of the vertical-free length tells the arc: for each of the
    widest pairs the arc is the range of asin(x / r), doubled because front and back look alike. The median over the
    widest pairs of the core. It over-counts when limbs swing instead of the body turning, and cannot tell a full turn
    from a half one that is repeated; `heading_coverage` on lifted poses is the second opinion.
    """
    config = config or CoverageConfig.model_validate({})
    x = xy[..., 0]
    seen = torch.isfinite(x) if score is None else torch.isfinite(x) & (score > 0)
    offset = (x[:, :, None] - x[:, None, :]).masked_fill(~(seen[:, :, None] & seen[:, None, :]), torch.nan)
    low, high = torch.nanquantile(offset, 0.02, dim=0), torch.nanquantile(offset, 0.98, dim=0)
    tall = torch.nanquantile((xy[:, :, None, 1] - xy[:, None, :, 1]).abs(), 0.5, dim=0)
    reach = torch.maximum(high, -low).clamp_min(1e-9)
    # Pairs that stand side by side (wide for their height) belong to the body's width: hips, shoulders, feet.
    upper = torch.ones_like(reach).triu(1).bool() & torch.isfinite(reach)
    wide = torch.where(upper, reach / (reach + tall + 1e-9), torch.zeros_like(reach)).flatten()
    chosen = wide.topk(max(1, round(config.core * xy.shape[1]))).indices
    arcs = torch.asin((high / reach).clamp(-1, 1)) - torch.asin((low / reach).clamp(-1, 1))
    return decided(arcs.flatten()[chosen].nanmedian().item() / math.pi, config)


def heading_coverage(
    joints: Float[Tensor, "N K 3"], elevation: float = 0.0, config: CoverageConfig | None = None
) -> Coverage:
    """Share of the circle of headings in lifted poses: occupied bins of the yaw that best aligns each pose to the mean.

    The body is the `core` share of keypoints whose mutual distances vary least. Yaw by the closed-form planar
    Procrustes angle against a reference frame in the upright frame. Relies on the poses: use `width_coverage` first.
    """
    config = config or CoverageConfig.model_validate({})
    upright = joints @ rotation_about(0, torch.tensor(elevation, dtype=joints.dtype, device=joints.device))
    core = rigid_core(upright, config.core)
    ground = upright[:, core][..., [0, 2]]
    ground = ground - ground.mean(1, keepdim=True)
    reference = ground[ground.square().sum((1, 2)).argmax()]
    along = (ground * reference).sum((1, 2))
    across = (ground[..., 0] * reference[:, 1] - ground[..., 1] * reference[:, 0]).sum(1)
    heading = torch.atan2(across, along)
    cell = ((heading + math.pi) / (2 * math.pi) * config.bins).long().clamp(0, config.bins - 1)
    counts = torch.bincount(cell, minlength=config.bins)
    # A bin that holds next to nothing is noise; an even spread would put N / bins frames into each.
    return decided((counts > 0.1 * len(joints) / config.bins).double().mean().item(), config)


def rigid_core(joints: Float[Tensor, "N K 3"], share: float) -> Int[Tensor, " C"]:
    """Keypoints whose distances to the others vary least (lowest median spread), three or more."""
    distance = torch.cdist(joints, joints)
    spread = distance.std(0) / distance.mean().clamp_min(1e-9)
    order = spread.median(1).values.argsort()
    return order[: max(3, round(share * joints.shape[1]))].sort().values


def decided(share: float, config: CoverageConfig) -> Coverage:
    """The choice that follows from the share of the circle."""
    share = 0.0 if math.isnan(share) else min(1.0, max(0.0, share))
    span = max(config.enough - config.too_little, 1e-9)
    weight = min(1.0, max(0.0, (share - config.too_little) / span))
    choice: Literal["views", "one_clip", "blend"] = "views" if weight == 1 else "one_clip" if weight == 0 else "blend"
    return Coverage(share, weight, choice)


def blended(
    from_views: Float[Tensor, "T K 3"],
    from_clip: Float[Tensor, "T K 3"],
    confidence: Float[Tensor, "T L"],
    edges: Int[Tensor, "L 2"],
    coverage: Coverage,
) -> Float[Tensor, "T K 3"]:
    """One pose per frame from both lifters: bone by bone the weighted mean of dz, joined along the tree.

    The clip's solution is first reflected in depth when it then agrees better with the views' (one sign for the whole
    clip). A bone's weight for the solver is (1 - weight_of_views) + weight_of_views * confidence^2, halved, so that an
    unsure flip never overrules the views. `edges` must list parents before children.
    """
    a, b = (p[..., 2] - p[..., 2].mean(1, keepdim=True) for p in (from_views, from_clip))
    b = b * (-1.0 if (a * b).sum() < 0 else 1.0)
    share = ((1 - coverage.weight_of_views) + coverage.weight_of_views * 0.5 * confidence.square()).clamp(0, 1)
    depth = torch.zeros_like(a)
    for column, (parent, child) in enumerate(edges.tolist()):
        w = share[:, column]
        step = (1 - w) * (a[:, child] - a[:, parent]) + w * (b[:, child] - b[:, parent])
        depth[:, child] = depth[:, parent] + step
    depth = depth - depth.mean(1, keepdim=True)
    return torch.cat([from_views[..., :2], depth[..., None]], -1)
