"""Reconstruction for textured data: a local descriptor at each keypoint and a global one (Harris 2024, section 4)."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, convolutions, mlp, widths
from articulate.keypoints.tasks.reconstruction import TwoFrequencyDecoder, reconstruction_result


class TexturedReconstructionConfig(TaskConfig):
    """Sizes of crops and descriptors."""

    diameter_px: int = Field(default=9, ge=3, description="diameter p of the circular crop")
    local_size: int = Field(default=4, ge=1, description="numbers v that may pass per keypoint")
    global_size: int = Field(default=8, ge=0, description="numbers that describe the whole image; 0 for none")


class TexturedReconstruction(Task[TexturedReconstructionConfig]):
    """As `reconstruction`, but each Gaussian is replaced by a patch drawn from v numbers seen at the keypoint.

    A circular crop of diameter p around the keypoint -> 3p^2->512->256->v->8v->16v->p^2 (ReLU, last sigmoid), pasted
    back where it came from. Cropping and pasting are bilinear, so both move the keypoint.
    """

    Config = TexturedReconstructionConfig
    offset: Tensor
    disc: Tensor

    def __init__(self, config: TexturedReconstructionConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        p, v = config.diameter_px, config.local_size
        self.local = mlp(
            [frame.channels * p * p, *widths((512, 256), config.width), v, 8 * v, 16 * v, p * p], nn.Sigmoid()
        )
        self.whole = GlobalDescriptor(frame.channels, config.global_size, config.width) if config.global_size else None
        self.decoder = TwoFrequencyDecoder(frame.num_keypoints + config.global_size, frame.channels, config.width)
        offset = (2 * torch.arange(p, dtype=torch.float32) + 1) / p - 1
        y, x = torch.meshgrid(offset, offset, indexing="ij")
        self.register_buffer("offset", torch.stack([x, y], -1), persistent=False)
        self.register_buffer("disc", (x * x + y * y <= 1).to(torch.float32), persistent=False)

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Reconstruct the played part of the batch."""
        number = self.played(len(images))
        images, xy = images[:number], detection.xy[:number]
        maps = self.paste(self.describe(images, xy), xy, (images.shape[-2], images.shape[-1]))
        if self.whole is not None:
            spread = self.whole(images)[..., None, None].expand(-1, -1, *images.shape[-2:])
            maps = torch.cat([maps, spread], 1)
        return reconstruction_result("textured_reconstruction", self.decoder(maps), images)

    def describe(self, images: Float[Tensor, "N C H W"], xy: Float[Tensor, "N K 2"]) -> Float[Tensor, "N K p p"]:
        """Patch drawn from the v numbers of each keypoint's circular crop."""
        n, k, p = len(images), xy.shape[1], self.config.diameter_px
        grid = xy[:, :, None, None] + self.offset * self.half_extent((images.shape[-2], images.shape[-1]), images)
        crops = functional.grid_sample(images, grid.flatten(1, 2), align_corners=False).unflatten(2, (k, p))
        crops = (crops * self.disc).transpose(1, 2).flatten(2)
        return self.local(crops).view(n, k, p, p) * self.disc

    def paste(
        self, patches: Float[Tensor, "N K p p"], xy: Float[Tensor, "N K 2"], size: tuple[int, int]
    ) -> Float[Tensor, "N K H W"]:
        """Each patch at its keypoint on an empty map."""
        height, width = size
        x = (2 * torch.arange(width, dtype=xy.dtype, device=xy.device) + 1) / width - 1
        y = (2 * torch.arange(height, dtype=xy.dtype, device=xy.device) + 1) / height - 1
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        pixels = torch.stack([columns, rows], -1)
        grid = (pixels - xy[:, :, None, None]) / self.half_extent(size, xy)
        pasted = functional.grid_sample(patches.flatten(0, 1)[:, None], grid.flatten(0, 1), align_corners=False)
        return pasted.view(*patches.shape[:2], height, width)

    def half_extent(self, size: tuple[int, int], like: Tensor) -> Float[Tensor, "2"]:
        """Half the crop's side in the image frame, (x, y)."""
        return like.new_tensor([self.config.diameter_px / size[1], self.config.diameter_px / size[0]])


class GlobalDescriptor(nn.Module):
    """A few numbers in [-1, 1] that describe the whole image: colour and lighting, too few to draw it."""

    def __init__(self, channels: int, numbers: int, width: float) -> None:
        super().__init__()
        self.body = convolutions([channels, *widths((16, 32, 32), width)], 3, nn.LeakyReLU(0.1), activate_last=True)
        self.head = nn.Linear(widths((32,), width)[0], numbers)

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N G"]:
        """Descriptor of each image, from a quarter of its resolution."""
        small = functional.avg_pool2d(images, 4)
        return torch.tanh(self.head(self.body(small).mean((-2, -1))))
