"""What limbs look like while they teach: painted, each with its widths and colours, or all white and of one width."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from articulate.sketch.draw import draw_tree
from articulate.sketch.schedule import Drawing


class WhiteStrokes(nn.Module):
    """White limbs of one learned half-width (image units) on black."""

    def __init__(self, half_width: float, learn: bool = True) -> None:
        super().__init__()
        self.log_width = nn.Parameter(torch.tensor(math.log(half_width)), requires_grad=learn)

    def forward(
        self,
        points: Float[Tensor, "N K 2"],
        edges: Int[Tensor, "L 2"],
        drawing: Drawing,
        size: tuple[int, int],
        weight: Float[Tensor, " L"] | None = None,
    ) -> Float[Tensor, "N 1 H W"]:
        """The limbs `edges`, drawn as `drawing` says."""
        return draw_tree(
            points,
            edges,
            size=size,
            width=self.log_width.exp() * drawing.widen,
            weight=weight,
            profile=drawing.profile,
            threshold=drawing.threshold,
        )


class PaintedStrokes(nn.Module):
    """Half-width and colour at either end of every pair of keypoints, so that they survive a change of the tree."""

    def __init__(self, num_keypoints: int, half_width: float, colour: float, learn: bool = True) -> None:
        super().__init__()
        shape = (num_keypoints, num_keypoints)
        self.log_width = nn.Parameter(torch.full(shape, math.log(half_width)), requires_grad=learn)
        self.colour = nn.Parameter(torch.full((*shape, 3), colour), requires_grad=learn)

    def forward(
        self,
        points: Float[Tensor, "N K 2"],
        edges: Int[Tensor, "L 2"],
        drawing: Drawing,
        background: Float[Tensor, "3 H W"],
        weight: Float[Tensor, " L"] | None = None,
        depth: Float[Tensor, "N K"] | None = None,
    ) -> tuple[Float[Tensor, "N 3 H W"], Float[Tensor, "N 1 H W"]]:
        """The coloured drawing on the background, and its coverage; with `depth` nearer limbs hide farther ones."""
        first, second = edges.unbind(1)
        width = drawing.widen * torch.stack([self.log_width[first, second], self.log_width[second, first]], 1).exp()
        colour = torch.stack([self.colour[first, second], self.colour[second, first]], 1)
        # A fourth channel of ones on zeros is the coverage, drawn in the same pass.
        painted = torch.cat([colour, torch.ones_like(colour[..., :1])], -1)
        ground = torch.cat([background, torch.zeros_like(background[:1])])[None]
        image = draw_tree(
            points,
            edges,
            size=(background.shape[-2], background.shape[-1]),
            width=width,
            depth=depth,
            weight=weight,
            colour=painted,
            profile=drawing.profile,
            threshold=drawing.threshold,
            composition="over" if depth is not None else "soft_or",
            background=ground.expand(len(points), -1, -1, -1),
        )
        return image[:, :3], image[:, 3:]
