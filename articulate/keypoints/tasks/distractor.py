"""The distractor game: which of d images do these keypoints come from? (Harris 2024, section 4)"""

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, convolutions, widths


class DistractorConfig(TaskConfig):
    """Number of images to choose from."""

    num_images: int = Field(default=2, ge=2, description="the true image and its distractors")


class Distractor(Task[DistractorConfig]):
    """Multi-margin loss of a network that sees cleaned heatmaps and d images in random order.

    Convolutions (K + C d)->64->128->32->4 (3x3, ReLU), then linear 4hw->4096->256->d. Distractors are other images of
    the batch. Metric: `distractor_accuracy`, chance 1 / d.
    """

    Config = DistractorConfig

    def __init__(self, config: DistractorConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        inputs = frame.num_keypoints + frame.channels * config.num_images
        hidden = widths((64, 128, 32), config.width)
        self.features = convolutions([inputs, *hidden, 4], 3, nn.ReLU(inplace=True), activate_last=True)
        flat = 4 * frame.size[0] * frame.size[1]
        wide, narrow = widths((4096, 256), config.width)
        self.choice = nn.Sequential(
            nn.Linear(flat, wide), nn.ReLU(inplace=True), nn.Linear(wide, narrow), nn.ReLU(inplace=True),
            nn.Linear(narrow, config.num_images),
        )  # fmt: skip

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
        features = self.features(torch.cat([cleaned[:number], shown.flatten(1, 2)], 1))
        scores = self.choice(features.flatten(1))
        accuracy = (scores.argmax(-1) == answer).to(scores.dtype).mean()
        return TaskResult(
            {"distractor": functional.multi_margin_loss(scores, answer)}, {"distractor_accuracy": accuracy.detach()}
        )


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
