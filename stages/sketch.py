"""Stage 3: draw the tree of limbs over the keypoints and compare with the image, so that keypoints sit on limb ends.

Painted strokes have widths and colours of their own, and with lifted joints in the state nearer limbs hide farther
ones. White strokes have one width; they are compared with the silhouette, and with the brightness where there is none.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from articulate.config import StrictModel
from articulate.errors import ConfigError
from articulate.records import Clips, Motion, Moved, Skeleton, Tracks
from articulate.schedule import Context, Moment, Stage, WholeRun
from articulate.skeleton.limb_prior import limb_variance
from articulate.sketch import CoarseToFine, Reseeder, ReseedingConfig, WidthSchedule, pyramid_error, refine_points
from articulate.sketch.schedule import Drawing
from articulate.sketch.strokes import PaintedStrokes, WhiteStrokes
from articulate.state import State
from stages.keypoints import BACKGROUND
from stages.pictures import TILE, contact_sheet, to_bytes

# A drawing that misses a limb stays above this share of the ink; complete ones end near 0.01.
MISSING = 0.1


class SketchConfig(StrictModel):
    """How limbs are drawn while they teach."""

    strokes: Literal["painted", "white"] = Field("painted", description="coloured limbs, or white ones of one width")
    half_width: float = Field(0.04, gt=0, description="first half-width of every limb, image units")
    profile: str = "gaussian"
    widen: float = Field(3.0, ge=1, description="factor on all half-widths at the start")
    widen_until: float = Field(0.5, ge=0, le=1, description="share of the steps after which the factor is 1")
    levels: int = Field(3, ge=1, le=5, description="levels of the pyramid on which images are compared")
    coarse_to_fine: CoarseToFine | None = Field(
        None, description="small pictures and soft wide strokes first, instead of `profile`, `widen` and `levels`"
    )
    depth_order: bool = Field(True, description="nearer limbs hide farther ones where joints are lifted")
    ground: Literal["auto", "black"] = Field(
        "auto", description="what lies behind the drawing: grey where masks are known and else the median; or black"
    )
    colour: float = Field(0.6, ge=0, le=1, description="first grey level of every limb")
    learn_appearance: bool = Field(True, description="learn widths and colours; false keeps the first ones")
    appearance_rate: float = Field(10.0, gt=0, description="learning rate of widths and colours, as a factor")
    limb_lengths: bool = Field(False, description="loss `limb_lengths`: limbs of the tree keep their length")
    reseeding: ReseedingConfig | None = Field(
        None, description="loss `reseeding`: the least useful keypoint is called to what the drawing leaves out"
    )
    refine: int = Field(0, ge=0, description="steps by which the final points are brought onto their own frames")

    @model_validator(mode="after")
    def _white_only(self) -> "SketchConfig":
        asked = [n for n in ("coarse_to_fine", "reseeding", "refine") if getattr(self, n) not in (None, 0)]
        if asked and self.strokes != "white":
            raise ValueError(f"{', '.join(asked)}: for white strokes alone; set strokes: white")
        return self


class SketchStage(Stage):
    """Consumes clips, tracks and the skeleton; its record is the loss itself, or with `refine` better tracks."""

    name = "sketch"
    Config = SketchConfig
    consumes = (Clips, Tracks, Skeleton)
    produces = None
    background: Tensor

    def __init__(self, config: SketchConfig, context: Context) -> None:
        super().__init__()
        self.config, self.white = config, config.strokes == "white"
        self.masked = context.store.has_masks and config.ground == "auto" and not self.white
        size = context.store.image_size
        count = int(context.config["stages"]["keypoints"]["num_keypoints"])
        learn, width = config.learn_appearance, config.half_width
        self.strokes = WhiteStrokes(width, learn) if self.white else PaintedStrokes(count, width, config.colour, learn)
        self.reseeder = None if config.reseeding is None else Reseeder(config.reseeding)
        self.plain = WidthSchedule(start=config.widen, until=config.widen_until)
        grey = BACKGROUND if config.ground == "auto" and not self.white else 0.0
        self.register_buffer("background", torch.full((3, size, size), grey))
        extra = {"silhouette": self.masked, "limb_lengths": config.limb_lengths, "reseeding": self.reseeder is not None}
        self.loss_names = ("sketch", *(name for name, used in extra.items() if used))
        if config.refine:
            self.produces = Tracks  # type: ignore[misc]

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        scale = self.config.appearance_rate
        return [{"params": list(self.parameters()), "lr": learning_rate * scale, "scale": scale}]

    def begin(self, run: WholeRun) -> None:
        """Without masks the background is the median of frames spread over the clips, unless it is told."""
        if self.masked or self.white or self.config.ground == "black":
            return
        store = run.context.store
        frames = [
            torch.from_numpy(store.frames(i)[:: max(1, store.clips[i].num_frames * len(store.clips) // 200)].copy())
            for i in range(len(store.clips))
        ]
        median = torch.cat(frames).float().div(255).median(dim=0).values
        self.background.copy_(median.permute(2, 0, 1))

    def target(self, clips: Clips) -> Float[Tensor, "N C S S"]:
        """What the sketch should look like: silhouette or brightness, or the frames on the plain background."""
        frames = rearrange(clips.frames, "b t c h w -> (b t) c h w")
        mask = None if clips.mask is None else rearrange(clips.mask, "b t c h w -> (b t) c h w")
        if self.white:
            return frames.mean(1, keepdim=True) if mask is None else mask
        return frames if not self.masked or mask is None else frames * mask + self.background * (1 - mask)

    def plan(self, share: float) -> Drawing:
        """How to draw when this share of the steps is done."""
        if self.config.coarse_to_fine is not None:
            return self.config.coarse_to_fine.at(share)
        return Drawing(self.plain.factor(share), 1, self.config.profile, self.config.levels)

    def limbs(self, state: State) -> tuple[Int[Tensor, "L 2"], Float[Tensor, " L"] | None]:
        """The limbs to draw, and their weights where a matrix of connections is learned."""
        edges, connection = state[Skeleton].edges, state[Skeleton].connection
        if len(edges) == 0:
            raise ConfigError("sketch: the skeleton has no limbs yet; schedule connectivity before sketch")
        if not (connection.requires_grad and torch.is_grad_enabled()):
            return edges, None
        # A learned matrix also learns from the pairs that it did not choose: all are drawn, most with weight 0.
        pairs = torch.triu_indices(len(connection), len(connection), offset=1, device=edges.device).T
        return pairs, connection[pairs[:, 0], pairs[:, 1]]

    def draw(self, state: State, drawing: Drawing) -> tuple[Float[Tensor, "N C H W"], Float[Tensor, "N 1 H W"]]:
        """The drawing on the background, and its coverage (white strokes: the same)."""
        edges, weight = self.limbs(state)
        xy, size = rearrange(state[Tracks].xy, "b t k d -> (b t) k d"), self.background.shape[-1]
        if isinstance(self.strokes, WhiteStrokes):
            small = size // drawing.reduce
            image = self.strokes(xy, edges, drawing, (small, small), weight)
            return image, image
        depth = None
        if self.config.depth_order and Motion in state:
            depth = rearrange(state[Motion].joints[..., 2], "b t k -> (b t) k")
        return self.strokes(xy, edges, drawing, self.background, weight, depth)

    def training_step(self, state: State, moment: Moment) -> dict[str, Tensor]:
        drawing = self.plan(moment.share)
        image, coverage = self.draw(state, drawing)
        target = self.target(state[Clips])
        target = functional.avg_pool2d(target, drawing.reduce) if drawing.reduce > 1 else target
        ground = 0.0 if self.white else self.background
        scale = (target - ground).square().mean().detach().clamp_min(1e-4)
        losses = {"sketch": pyramid_error(image, target, drawing.levels) / scale}
        mask = state[Clips].mask
        if self.masked and mask is not None:
            flat = rearrange(mask, "b t c h w -> (b t) c h w")
            losses["silhouette"] = pyramid_error(coverage, flat, drawing.levels) / flat.mean().detach().clamp_min(1e-3)
        points, edges = rearrange(state[Tracks].xy, "b t k d -> (b t) k d"), state[Skeleton].edges
        if self.config.limb_lengths:
            losses["limb_lengths"] = limb_variance(points, edges)
        if self.reseeder is not None:
            losses["reseeding"] = self.reseed(state, moment, points, target)
        return losses

    def reseed(self, state: State, moment: Moment, points: Tensor, target: Tensor) -> Float[Tensor, ""]:
        """Distance of a called keypoint from what the drawing leaves out; `Moved` tells other stages of a new call."""
        assert self.reseeder is not None
        if not self.reseeder.due(moment.share):
            return 0.0 * points.sum()  # a zero that has a gradient, as every loss must
        edges, width = state[Skeleton].edges, self.config.half_width
        if self.reseeder.plan(moment.step, points, edges, target, width):
            state.add(Moved(self.reseeder.called[:1].clone()))
        return self.reseeder.loss(moment.step, points, edges, target, width)

    def finish(self, run: WholeRun) -> Tracks | None:
        """With `refine`, the tracks with their points brought onto the frames; otherwise what it taught is in them."""
        if not isinstance(self.strokes, WhiteStrokes) or self.config.refine == 0:
            return None
        parts, errors = [], []
        final, width = self.plan(1.0), float(self.strokes.log_width.detach().exp())
        for state, valid in run.states():
            picture, tracks, edges = self.target(state[Clips]), state[Tracks], state[Skeleton].edges
            with torch.no_grad():
                image, _ = self.draw(state, final)
            missed = (image - picture).square().flatten(1).mean(1) / picture.square().mean()
            errors.append(missed[valid])
            xy = refine_points(tracks.xy[0], edges, width, picture, steps=self.config.refine)
            parts.append(replace(tracks, xy=xy[None]).detach().to("cpu").blank(valid))
        left = float(torch.cat(errors).mean())
        run.context.say(f"sketch: the drawing leaves {100 * left:.1f} % of the ink unexplained before refinement")
        if left > MISSING:
            run.context.say("sketch: that is a missing limb; another seed, or more steps, may find it")
        return Tracks.join(parts)

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        image, _ = self.draw(state, self.plan(1.0))
        target = self.target(state[Clips])
        pairs = [torch.cat([target[n], image[n]], dim=2) for n in range(min(8, len(image)))]
        large = [functional.interpolate(p[None], scale_factor=max(1, TILE // p.shape[1]))[0] for p in pairs]
        return {"input_and_sketch": contact_sheet([to_bytes(p.expand(3, -1, -1)) for p in large], columns=2)}
