"""Stage 2: which keypoints are joined by a limb. Statistics of pairs of keypoints, an exact minimum spanning tree."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from articulate.config import StrictModel
from articulate.records import Clips, Motion, Moved, Seeds, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun
from articulate.seeds import torch_generator
from articulate.skeleton import ConnectivityConfig, discover_skeleton, root_tree, segment_support, spanning_edges
from articulate.skeleton.limb_prior import lengths_and_means
from articulate.skeleton.spanning import edges_to_mask
from articulate.skeleton.windows import window_trees
from articulate.state import State
from stages.pictures import matrix_picture


class ConnectivityStageConfig(StrictModel):
    """The cost of an edge over a whole run, and how the tree follows a training."""

    cost: ConnectivityConfig = ConnectivityConfig()
    use_depth: bool = Field(False, description="measure limbs on the lifted joints instead of the 2D keypoints")
    training_cost: Literal["support", "variance", "lengths", "learned"] = Field(
        "support",
        description="what decides the tree while training: limbs on the body, the variance of their lengths over the "
        "batch (`lengths`: and a little of their squared mean), or a matrix of weights that the sketch teaches",
    )
    final: Literal["all_frames", "as_trained"] = Field(
        "all_frames", description="the tree of a run: from the statistics of all frames, or the training's last one"
    )
    momentum: float = Field(0.98, ge=0, lt=1, description="of the running cost while a detector trains")
    seed_factor: float = Field(
        0.02, gt=0, le=1, description="on the cost of pairs that the seeds join, where there are seeds"
    )
    length_weight: float = Field(0.1, ge=0, description="cost of length beside missing support, while training")
    window: int = Field(0, ge=0, description="frames of the rolling windows whose own trees are kept; 0: one per clip")


class ConnectivityStage(Stage):
    """Consumes tracks (and the lifted motion where asked), produces the skeleton."""

    name = "connectivity"
    Config = ConnectivityStageConfig
    consumes = (Clips, Tracks)
    produces = Skeleton
    running: Tensor
    seen: Tensor

    def __init__(self, config: ConnectivityStageConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        count = int(context.config["stages"]["keypoints"]["num_keypoints"])
        self.register_buffer("running", torch.zeros(count, count, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        if config.training_cost == "learned":
            # Unequal from the start, so that the first tree is not an accident of the order of keypoints.
            noise = torch.randn(count, count, generator=torch_generator(context.seed, "connection"))
            self.weights = nn.Parameter(0.01 * noise)

    def forward(self, state: State) -> Skeleton:
        """The tree of the running cost; without one yet, keypoints joined to themselves."""
        count = len(self.running)
        if self.config.training_cost == "learned":
            return self.learned()
        if int(self.seen) == 0:
            self.update(state)
        tree = root_tree(spanning_edges(self.running))
        mask = edges_to_mask(tree.edges, count, torch.float32)
        return Skeleton(edges=tree.edges, connection=mask, cost=self.running.to(torch.float32))

    def learned(self) -> Skeleton:
        """The exact maximum spanning tree of the weights; its gradient passes to them unchanged (straight-through)."""
        weights = 0.5 * (self.weights + self.weights.T)
        tree = root_tree(spanning_edges(-weights.detach().double()))
        mask = edges_to_mask(tree.edges, len(weights), torch.float32)
        return Skeleton(edges=tree.edges, connection=mask + (weights - weights.detach()), cost=-weights.detach())

    @torch.no_grad()
    def update(self, state: State) -> None:
        """Running cost of every pair: what part of the segment lies off the body, and a little for its length."""
        tracks, clips = state[Tracks], state[Clips]
        if self.config.training_cost == "learned":
            return
        xy = rearrange(tracks.xy, "b t k d -> (b t) k d")
        if self.config.training_cost in ("variance", "lengths"):
            # The derivative of the minimum tree's weight is its mask, so the tree itself needs no gradient.
            points = self.lifted(state) if self.config.use_depth and Motion in state else xy
            self.blend(lengths_and_means(points, mean_weight=0.01 if self.config.training_cost == "lengths" else 0.0))
            return
        cost = self.config.length_weight * torch.cdist(xy, xy).mean(0).double()
        if clips.mask is not None:
            cost += 1 - segment_support(xy, rearrange(clips.mask, "b t c h w -> (b t) c h w")).double()
        if Seeds in state:
            cost *= self.prior(state[Seeds])
        self.blend(cost)

    def lifted(self, state: State) -> Float[Tensor, "N K 3"]:
        """Joints in units of the image, which do not change with the tree."""
        motion = state[Motion]
        return rearrange(motion.joints * motion.camera.scale[..., None, None], "b t k d -> (b t) k d")

    def blend(self, cost: Float[Tensor, "K K"]) -> None:
        """Move the running cost towards that of a batch."""
        share = self.config.momentum if int(self.seen) else 0.0
        self.running.mul_(share).add_(cost, alpha=1 - share)
        self.seen += 1

    def after_step(self, state: State, moment: Moment) -> dict[str, float]:
        before = state[Skeleton].connection
        if Moved in state:
            self.seen.zero_()  # what a moved keypoint did before says nothing about its limbs now
        self.update(state)
        after = self(state).connection
        return {"edges_changed": float((after != before).sum() / 2)}

    def finish(self, run: WholeRun) -> Skeleton:
        """The tree of all frames, with the evidence for every edge; or the last tree of the training."""
        if self.config.final == "as_trained" and (self.config.training_cost == "learned" or int(self.seen)):
            return self(State()).detach().to("cpu")
        tracks = run.records[Tracks]
        points = run.records[Motion].joints[0] if self.config.use_depth else tracks.xy[0]
        covariance = None if self.config.use_depth else tracks.covariance[0]
        prior = self.prior(run.records[Seeds]) if Seeds in run.records else None
        skeleton, found = discover_skeleton(
            points, tracks.score[0], covariance, self.config.cost, self.support(run), prior
        )
        lengths = [clip.num_frames for clip in run.context.store.clips]
        windows, edges = window_trees(points, lengths, self.config.window, self.config.cost, prior, mirror=found.mirror)
        return replace(skeleton, windows=windows, window_edges=edges)

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
