"""Stage 2: which keypoints are joined by a limb. Statistics of pairs of keypoints, an exact minimum spanning tree."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from articulate.config import StrictModel
from articulate.records import Clips, Motion, Seeds, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun
from articulate.skeleton import ConnectivityConfig, discover_skeleton, root_tree, segment_support, spanning_edges
from articulate.skeleton.spanning import edges_to_mask
from articulate.state import State
from stages.pictures import matrix_picture


class ConnectivityStageConfig(StrictModel):
    """The cost of an edge over a whole run, and how the tree follows a training."""

    cost: ConnectivityConfig = ConnectivityConfig()
    use_depth: bool = Field(False, description="measure limbs on the lifted joints instead of the 2D keypoints")
    momentum: float = Field(0.98, ge=0, lt=1, description="of the running cost while a detector trains")
    seed_factor: float = Field(
        0.1, gt=0, le=1, description="on the cost of pairs that the seeds join, where there are seeds"
    )
    length_weight: float = Field(0.1, ge=0, description="cost of length beside missing support, while training")


class ConnectivityStage(Stage):
    """Consumes tracks (and the lifted motion where asked), produces the skeleton."""

    name = "connectivity"
    Config = ConnectivityStageConfig
    consumes = (Tracks,)
    produces = Skeleton
    running: Tensor
    seen: Tensor

    def __init__(self, config: ConnectivityStageConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        count = int(context.config["stages"]["keypoints"]["num_keypoints"])
        self.register_buffer("running", torch.zeros(count, count, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, state: State) -> Skeleton:
        """The tree of the running cost; without one yet, keypoints joined to themselves."""
        count = len(self.running)
        if int(self.seen) == 0:
            self.update(state)
        tree = root_tree(spanning_edges(self.running))
        mask = edges_to_mask(tree.edges, count, torch.float32)
        return Skeleton(edges=tree.edges, connection=mask, cost=self.running.to(torch.float32))

    @torch.no_grad()
    def update(self, state: State) -> None:
        """Running cost of every pair: what part of the segment lies off the body, and a little for its length."""
        tracks, clips = state[Tracks], state[Clips]
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        cost = self.config.length_weight * torch.cdist(xy, xy).mean(0).double()
        if clips.mask is not None:
            cost += 1 - segment_support(xy, rearrange(clips.mask, "b t c h w -> (b t) c h w")).double()
        if Seeds in state:
            cost *= self.prior(state[Seeds])
        share = self.config.momentum if int(self.seen) else 0.0
        self.running.mul_(share).add_(cost, alpha=1 - share)
        self.seen += 1

    def after_step(self, state: State, moment: Moment) -> dict[str, float]:
        before = state[Skeleton].connection
        self.update(state)
        after = self(state).connection
        return {"edges_changed": float((after != before).sum() / 2)}

    def finish(self, run: WholeRun) -> Skeleton:
        """The tree of all frames, with the evidence for every edge."""
        tracks = run.records[Tracks]
        points = run.records[Motion].joints[0] if self.config.use_depth else tracks.xy[0]
        covariance = None if self.config.use_depth else tracks.covariance[0]
        prior = self.prior(run.records[Seeds]) if Seeds in run.records else None
        skeleton, self.diagnostics = discover_skeleton(
            points, tracks.score[0], covariance, self.config.cost, self.support(run), prior
        )
        return skeleton

    def prior(self, seeds: Seeds) -> Float[Tensor, "K K"]:
        """Factor on the cost of every pair."""
        factor = torch.ones_like(self.running)
        first, second = seeds.edges.to(factor.device).unbind(1)
        factor[first, second] = factor[second, first] = self.config.seed_factor
        return factor

    def support(self, run: WholeRun) -> Float[Tensor, "K K"] | None:
        """Share of the segment between two keypoints that lies on the mask, mean over all frames."""
        if not run.context.store.has_masks:
            return None
        total, count = torch.zeros_like(self.running), 0
        for state, valid in run.states():
            mask = state[Clips].mask
            assert mask is not None
            good = valid.to(mask.device)
            if good.any():
                total += segment_support(state[Tracks].xy[0, good], mask[0, good]).double() * int(good.sum())
                count += int(good.sum())
        return total / max(count, 1)

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        return {"connection": matrix_picture(state[Skeleton].connection)}
