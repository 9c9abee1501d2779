"""Stage 3: draw the tree of limbs over the keypoints and compare with the image, so that keypoints sit on limb ends.

Each limb is a capsule with its own half-width and colour at either end (kept per pair of keypoints, so that they
survive a change of the tree). With lifted joints in the state nearer limbs hide farther ones.
"""

import math
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.config import StrictModel
from articulate.errors import ConfigError
from articulate.records import Clips, Motion, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun
from articulate.sketch import draw_tree
from articulate.state import State
from stages.keypoints import BACKGROUND
from stages.pictures import TILE, contact_sheet, to_bytes


class SketchConfig(StrictModel):
    """How limbs are drawn while they teach."""

    half_width: float = Field(0.04, gt=0, description="first half-width of every limb, image units")
    profile: str = "gaussian"
    widen: float = Field(3.0, ge=1, description="factor on all half-widths at the start")
    widen_until: float = Field(0.5, ge=0, le=1, description="share of the steps after which the factor is 1")
    levels: int = Field(3, ge=1, le=5, description="levels of the pyramid on which images are compared")
    depth_order: bool = Field(True, description="nearer limbs hide farther ones where joints are lifted")
    ground: Literal["auto", "black"] = Field(
        "auto", description="what lies behind the drawing: grey where masks are known and else the median; or black"
    )
    colour: float = Field(0.6, ge=0, le=1, description="first grey level of every limb")
    learn_appearance: bool = Field(True, description="learn widths and colours; false keeps the first ones")
    appearance_rate: float = Field(10.0, gt=0, description="learning rate of widths and colours, as a factor")


class SketchStage(Stage):
    """Consumes clips, tracks and the skeleton; its record is the loss itself."""

    name = "sketch"
    Config = SketchConfig
    consumes = (Clips, Tracks, Skeleton)
    produces = None
    background: Tensor

    def __init__(self, config: SketchConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.masked = context.store.has_masks and config.ground == "auto"
        size = context.store.image_size
        count = int(context.config["stages"]["keypoints"]["num_keypoints"])
        learn = config.learn_appearance
        self.log_width = nn.Parameter(torch.full((count, count), math.log(config.half_width)), requires_grad=learn)
        self.colour = nn.Parameter(torch.full((count, count, 3), config.colour), requires_grad=learn)
        self.register_buffer("background", torch.full((3, size, size), BACKGROUND if config.ground == "auto" else 0.0))
        self.loss_names = ("sketch", "silhouette") if self.masked else ("sketch",)

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        scale = self.config.appearance_rate
        return [{"params": list(self.parameters()), "lr": learning_rate * scale, "scale": scale}]

    def begin(self, run: WholeRun) -> None:
        """Without masks the background is the median of frames spread over the clips, unless it is told."""
        if self.masked or self.config.ground == "black":
            return
        store = run.context.store
        frames = [
            torch.from_numpy(store.frames(i)[:: max(1, store.clips[i].num_frames * len(store.clips) // 200)].copy())
            for i in range(len(store.clips))
        ]
        median = torch.cat(frames).float().div(255).median(dim=0).values
        self.background.copy_(median.permute(2, 0, 1))

    def target(self, clips: Clips) -> Float[Tensor, "N 3 S S"]:
        """What the sketch should look like: the frames, on the plain background where masks are known."""
        frames = rearrange(clips.frames, "b t c h w -> (b t) c h w")
        if not self.masked or clips.mask is None:
            return frames
        mask = rearrange(clips.mask, "b t c h w -> (b t) c h w")
        return frames * mask + self.background * (1 - mask)

    def draw(self, state: State, widen: float) -> tuple[Float[Tensor, "N 3 S S"], Float[Tensor, "N 1 S S"]]:
        """The coloured drawing on the background, and its coverage."""
        edges, weight = state[Skeleton].edges, None
        if state[Skeleton].connection.requires_grad and torch.is_grad_enabled():
            # A learned matrix also learns from the pairs that it did not choose: all are drawn, most with weight 0.
            count = len(self.log_width)
            edges = torch.triu_indices(count, count, offset=1, device=edges.device).T
            weight = state[Skeleton].connection[edges[:, 0], edges[:, 1]]
        if len(edges) == 0:
            raise ConfigError("sketch: the skeleton has no limbs yet; schedule connectivity before sketch")
        first, second = edges.unbind(1)
        xy = rearrange(state[Tracks].xy, "b t k d -> (b t) k d")
        width = widen * torch.stack([self.log_width[first, second], self.log_width[second, first]], 1).exp()
        colour = torch.stack([self.colour[first, second], self.colour[second, first]], 1)
        depth = None
        if self.config.depth_order and Motion in state:
            depth = rearrange(state[Motion].joints[..., 2], "b t k -> (b t) k")
        # A fourth channel of ones on zeros is the coverage, drawn in the same pass.
        painted = torch.cat([colour, torch.ones_like(colour[..., :1])], -1)
        ground = torch.cat([self.background, torch.zeros_like(self.background[:1])])[None]
        size = self.background.shape[-1]
        image = draw_tree(
            xy,
            edges,
            size=(size, size),
            width=width,
            depth=depth,
            weight=weight,
            colour=painted,
            profile=self.config.profile,
            composition="over" if depth is not None else "soft_or",
            background=ground.expand(len(xy), -1, -1, -1),
        )
        return image[:, :3], image[:, 3:]

    def training_step(self, state: State, moment: Moment) -> dict[str, Tensor]:
        c = self.config
        done = min(1.0, moment.share / c.widen_until) if c.widen_until > 0 else 1.0
        image, coverage = self.draw(state, c.widen ** (1 - done))
        target = self.target(state[Clips])
        scale = (target - self.background).square().mean().detach().clamp_min(1e-4)
        losses = {"sketch": pyramid_error(image, target, c.levels) / scale}
        mask = state[Clips].mask
        if self.masked and mask is not None:
            flat = rearrange(mask, "b t c h w -> (b t) c h w")
            losses["silhouette"] = pyramid_error(coverage, flat, c.levels) / flat.mean().detach().clamp_min(1e-3)
        return losses

    def finish(self, run: WholeRun) -> None:
        """A sketch leaves no record: what it taught is in the tracks."""

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        image, _ = self.draw(state, 1.0)
        target = self.target(state[Clips])
        pairs = [torch.cat([target[n], image[n]], dim=2) for n in range(min(8, len(image)))]
        large = [functional.interpolate(p[None], scale_factor=max(1, TILE // p.shape[1]))[0] for p in pairs]
        return {"input_and_sketch": contact_sheet([to_bytes(p) for p in large], columns=2)}


def pyramid_error(image: Float[Tensor, "N C S S"], target: Float[Tensor, "N C S S"], levels: int) -> Float[Tensor, ""]:
    """Mean squared difference, averaged over a pyramid of halved images: coarse levels reach across gaps."""
    total = image.new_zeros(())
    difference = image - target
    for level in range(levels):
        if level:
            difference = functional.avg_pool2d(difference, 2)
        total = total + difference.square().mean() * 2**level
    return total / levels
