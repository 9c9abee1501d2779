"""The distractor game: which of d images do these keypoints come from? (Harris 2024, section 4)"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, convolutions, widths


class DistractorConfig(TaskConfig):
    """Number of images to choose from, and how the judge looks at them."""

    num_images: int = Field(default=2, ge=2, description="the true image and its distractors")
    judge: Literal["each", "together"] = Field(
        default="each", description="one network scores every image by itself, or sees all at once (source)"
    )


class Distractor(Task[DistractorConfig]):
    """Multi-margin loss of a network that sees cleaned heatmaps and d images in random order.

    `together` (Harris 2024): convolutions (K + C d)->64->128->32->4 (3x3, ReLU), then linear 4hw->4096->256->d. It has
    to learn the same comparison once for every place that the true image may take, and stays at chance for thousands
    of images. `each`: the same layers with K + C inputs and one output give every image its score by itself, so the
    game is the same whatever the order, and every game teaches with d images. Its activations are LeakyReLU 0.1: once
    the last ReLUs are shut, all images score alike, no gradient is left, and nothing opens them again (seen in one of
    twelve trainings at an eighth of the width). Distractors are other images of the batch. Metric:
    `distractor_accuracy`, chance 1 / d.
    """

    Config = DistractorConfig

    def __init__(self, config: DistractorConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        seen = config.num_images if config.judge == "together" else 1
        inputs = frame.num_keypoints + frame.channels * seen
        hidden = widths((64, 128, 32), config.width)
        active = nn.ReLU(inplace=True) if config.judge == "together" else nn.LeakyReLU(0.1, inplace=True)
        self.features = convolutions([inputs, *hidden, 4], 3, active, activate_last=True)
        flat = 4 * frame.size[0] * frame.size[1]
        wide, narrow = widths((4096, 256), config.width)
        self.choice = nn.Sequential(
            nn.Linear(flat, wide), active, nn.Linear(wide, narrow), active, nn.Linear(narrow, seen)
        )

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Play the game once for the played part of the batch; a batch of one image has no distractor."""
        number = self.played(len(images))
        shown, answer = shuffle_with_distractors(images, number, self.config.num_images, generator)
        scores = self.scores(cleaned[:number], shown)
        accuracy = (scores.argmax(-1) == answer).to(scores.dtype).mean()
        return TaskResult(
            {"distractor": functional.multi_margin_loss(scores, answer)}, {"distractor_accuracy": accuracy.detach()}
        )

    def scores(self, cleaned: Float[Tensor, "n K H W"], shown: Float[Tensor, "n d C H W"]) -> Float[Tensor, "n d"]:
        """How well each of the images fits the keypoints."""
        if self.config.judge == "together":
            return self.choice(self.features(torch.cat([cleaned, shown.flatten(1, 2)], 1)).flatten(1))
        pairs = torch.cat([cleaned[:, None].expand(-1, shown.shape[1], -1, -1, -1), shown], 2).flatten(0, 1)
        return self.choice(self.features(pairs).flatten(1)).view(len(shown), -1)


def shuffle_with_distractors(
    images: Float[Tensor, "N C H W"], number: int, num_images: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n d C H W"], Int[Tensor, " n"]]:
    """For the first `number` images: themselves among d - 1 other images of the batch, and at which place."""
    total, device = len(images), images.device
    place = torch.rand(number, num_images, generator=generator, device=generator.device).argsort(-1).to(device)
    # Steps 1 .. total - 1 around the batch never lead back to the image itself; with few images they repeat.
    step = torch.rand(number, num_images, generator=generator, device=generator.device).to(device)
    step = 1 + (step * (total - 1)).long()
    own = torch.arange(number, device=device)[:, None]
    chosen = torch.where(place == 0, own, (own + step) % total)
    return images[chosen], (place == 0).long().argmax(-1)
