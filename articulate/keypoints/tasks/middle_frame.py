"""The middle-frame game: which of three warps of an image lies between the others? (Harris 2024, section 4)"""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, WarpConfig, mlp, widths


class MiddleFrameConfig(TaskConfig):
    """How strong the full warp is, in which form the judge sees the poses, and how it is asked."""

    inputs: Literal["normalised", "relative", "absolute"] = Field(
        default="normalised", description="poses minus their mean over each game's or the batch's size, or as they are"
    )
    judge: Literal["each", "together"] = Field(
        default="each", description="one network scores every frame against the others, or names the frame (source)"
    )
    copies: int = Field(default=1, ge=1, description="each game also in so many turned and mirrored copies, less one")
    warp: WarpConfig = Field(default_factory=WarpConfig)


class MiddleFrame(Task[MiddleFrameConfig]):
    """Cross-entropy of an MLP 6K->512->1024->2048->512->3 that sees the shuffled keypoints of three frames.

    The frames are the image, the image under half a thin-plate warp, and under the whole warp; both warps sample the
    original once. The game is solvable only where keypoints follow the image. With `inputs="relative"` the judge sees
    each pose minus the mean of the three, over the batch's root mean square: a linear change of the same 6K numbers
    with which it learns in tens of steps what takes it thousands from absolute positions (`absolute`, the source);
    with `normalised` over each game's own, so that weak and strong warps look alike. With `judge="each"` the MLP has
    one output and scores each frame in turn, listed before the other two, so that every game teaches three times.
    `copies`: in training the three poses of a game are also shown turned by a random angle and mirrored, which leaves
    the middle in the middle and costs no detection. Metric: `middle_frame_accuracy`, chance 1 / 3.
    """

    Config = MiddleFrameConfig

    def __init__(self, config: MiddleFrameConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        outputs = 3 if config.judge == "together" else 1
        self.judge = mlp([6 * frame.num_keypoints, *widths((512, 1024, 2048, 512), config.width), outputs])

    def views(
        self,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        partner: Float[Tensor, "N C H W"] | None = None,
    ) -> Views:
        """The half and the whole warp of the played images, one after the other."""
        images = images[: self.played(len(images))]
        warp = self.config.warp.sample(images, generator)
        return Views(torch.cat([warp.scaled(0.5).warp(images), warp.warp(images)]), warp)

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Shuffle the three poses of each image and ask for the middle one."""
        assert views is not None and views.detection is not None, "middle_frame needs its views detected"
        number = len(views.images) // 2
        half, whole = views.detection.xy.split(number)
        poses = torch.stack([detection.xy[:number], half, whole], 1)
        if self.training and self.config.copies > 1:
            poses = turned_copies(poses, self.config.copies, generator)
        poses = poses.flatten(2)
        order = torch.rand(len(poses), 3, generator=generator, device=generator.device).argsort(-1).to(poses.device)
        shuffled = poses.gather(1, order[..., None].expand_as(poses))
        scores = self.scores(self.prepared(shuffled))
        answer = (order == 1).long().argmax(-1)
        accuracy = (scores.argmax(-1) == answer).to(scores.dtype).mean()
        return TaskResult(
            {"middle_frame": functional.cross_entropy(scores, answer)}, {"middle_frame_accuracy": accuracy.detach()}
        )

    def scores(self, poses: Float[Tensor, "n 3 D"]) -> Float[Tensor, "n 3"]:
        """How much each frame looks like the middle one."""
        if self.config.judge == "together":
            return self.judge(poses.flatten(1))
        turned = torch.stack([poses.roll(-place, 1) for place in range(3)], 1)
        return self.judge(turned.flatten(0, 1).flatten(1)).view(-1, 3)

    def prepared(self, poses: Float[Tensor, "n 3 D"]) -> Float[Tensor, "n 3 D"]:
        """The poses as the judge sees them."""
        if self.config.inputs == "absolute":
            return poses
        moved = poses - poses.mean(1, keepdim=True)
        squared = moved.detach().square()
        size = squared.mean() if self.config.inputs == "relative" else squared.mean((1, 2), keepdim=True)
        # The floor (a thousandth of half the image) keeps keypoints that do not move at all finite.
        return moved / size.sqrt().clamp_min(1.0e-3)


def turned_copies(poses: Float[Tensor, "n 3 K 2"], copies: int, generator: torch.Generator) -> Float[Tensor, "m 3 K 2"]:
    """The games as they are, then `copies` - 1 times with all three poses turned alike about the centre or mirrored."""
    number, device = (copies - 1) * len(poses), generator.device
    angle = 2 * torch.pi * torch.rand(number, generator=generator, device=device)
    mirror = 2.0 * torch.randint(2, (number,), generator=generator, device=device) - 1
    sine, cosine = angle.sin(), angle.cos()
    turn = torch.stack([cosine, -mirror * sine, sine, mirror * cosine], -1).view(number, 1, 2, 2).to(poses)
    return torch.cat([poses, poses.repeat(copies - 1, 1, 1, 1) @ turn])
