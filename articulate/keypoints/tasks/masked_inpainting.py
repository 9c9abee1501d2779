"""Inpainting of a masked image with the help of a drawn edge map, after AutoLink (He et al. 2022), small networks."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from articulate.keypoints.detector import Detection
from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views, convolutions, widths
from articulate.keypoints.tasks.reconstruction import reconstruction_result


class MaskedInpaintingConfig(TaskConfig):
    """How much is hidden, and how thick edges are."""

    hidden: float = Field(default=0.8, gt=0, lt=1, description="share of the patches that is hidden")
    patch_px: int = Field(default=4, ge=1)
    thickness_px: float = Field(default=1.0, gt=0, description="half-width of the drawn edges")


class MaskedInpainting(Task[MaskedInpaintingConfig]):
    """Restore an image of which most patches are hidden, given one map of all edges between keypoints.

    Every pair of keypoints draws a segment times its learned weight (shared by all images, kept positive by
    softplus); the map is the largest of them. Metric: `masked_inpainting_mse`.
    """

    Config = MaskedInpaintingConfig
    pairs: Tensor

    def __init__(self, config: MaskedInpaintingConfig, frame: Frame) -> None:
        super().__init__(config, frame)
        pairs = torch.triu_indices(frame.num_keypoints, frame.num_keypoints, offset=1)
        self.register_buffer("pairs", pairs, persistent=False)
        self.edge_logits = nn.Parameter(torch.full((pairs.shape[1],), -1.0))
        leaky = nn.LeakyReLU(0.1, inplace=True)
        c = widths((24, 48, 48), config.width)
        self.encoder = convolutions([frame.channels + 2, c[0], c[1]], 3, leaky, activate_last=True)
        self.deep = convolutions([c[1], c[2], c[1]], 3, leaky, activate_last=True)
        self.decoder = convolutions([2 * c[1], c[0], frame.channels], 3, leaky)

    def forward(
        self,
        detection: Detection,
        images: Float[Tensor, "N C H W"],
        generator: torch.Generator,
        *,
        cleaned: Float[Tensor, "N K H W"],
        views: Views | None = None,
    ) -> TaskResult:
        """Hide patches, draw edges, restore."""
        number = self.played(len(images))
        images = images[:number]
        shown = random_patches(images, self.config.hidden, self.config.patch_px, generator)
        edges = self.edge_map(detection.xy[:number], (images.shape[-2], images.shape[-1]))
        full = self.encoder(torch.cat([images * shown, shown, edges], 1))
        deep = functional.interpolate(self.deep(functional.max_pool2d(full, 2)), scale_factor=2.0, mode="nearest")
        restored = torch.sigmoid(self.decoder(torch.cat([full, deep], 1)))
        return reconstruction_result("masked_inpainting", restored, images)

    def edge_map(self, xy: Float[Tensor, "N K 2"], size: tuple[int, int]) -> Float[Tensor, "N 1 H W"]:
        """max over pairs of weight * exp(-distance^2 / (2 thickness^2)), distances in pixels."""
        height, width = size
        place = (xy + 1) * xy.new_tensor([width, height]) / 2 - 0.5
        start, stop = place[:, self.pairs[0]], place[:, self.pairs[1]]
        along = stop - start
        x = torch.arange(width, dtype=xy.dtype, device=xy.device) - start[..., None, None, 0]
        y = torch.arange(height, dtype=xy.dtype, device=xy.device)[:, None] - start[..., None, None, 1]
        dx, dy = along[..., None, None, 0], along[..., None, None, 1]
        # The small number keeps an edge between coinciding keypoints a dot with finite gradient.
        t = ((x * dx + y * dy) / (dx * dx + dy * dy + 1.0e-4)).clamp(0, 1)
        squared = (x - t * dx).square() + (y - t * dy).square()
        strength = functional.softplus(self.edge_logits)[:, None, None]
        drawn = strength * torch.exp(-0.5 * squared / self.config.thickness_px**2)
        return drawn.amax(1, keepdim=True)


def random_patches(
    images: Float[Tensor, "N C H W"], hidden: float, patch: int, generator: torch.Generator
) -> Float[Tensor, "N 1 H W"]:
    """1 on shown patches, 0 on hidden ones, each patch on its own with probability `hidden`."""
    number, _, height, width = images.shape
    rows, columns = -(-height // patch), -(-width // patch)
    drawn = torch.rand(number, 1, rows, columns, generator=generator, device=generator.device).to(images)
    shown = (drawn >= hidden).to(images.dtype)
    return shown.repeat_interleave(patch, -2).repeat_interleave(patch, -1)[..., :height, :width]
