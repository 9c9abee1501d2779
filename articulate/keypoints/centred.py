"""A small detector for figures on an empty ground: a linear network reads the picture around its ink."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


def ink_centre(ink: Float[Tensor, "N H W"]) -> Int[Tensor, "N 2"]:
    """Column and row nearest to the centre of mass of each picture; its middle where there is no ink."""
    mass = ink.sum(dim=(1, 2))
    places = []
    for axis, other in ((2, 1), (1, 2)):
        place = torch.arange(ink.shape[axis], dtype=ink.dtype, device=ink.device)
        centre = (ink.sum(dim=other) * place).sum(dim=1) / mass.clamp_min(1e-12)
        places.append(torch.where(mass > 0, centre, (ink.shape[axis] - 1) / 2).round().long())
    return torch.stack(places, dim=1)


class CentredLinear(nn.Module):
    """Keypoints of one-channel images in [0, 1], dark ground: fully connected layers around the centre of the ink.

    The layers are those of Harris 2024 (section 5.5: 512, 256, 512, ReLU). Here they see a crop that follows the
    figure, reduced to `side` pixels across the frame, and answer relative to the crop, so that where the figure stands
    cannot decide which keypoint is which. The crop covers `reach` of the frame; ink beyond it is not seen.
    """

    def __init__(
        self,
        num_keypoints: int,
        generator: torch.Generator | None = None,
        side: int = 32,
        reach: float = 0.875,
        spread: float = 0.5,
    ) -> None:
        super().__init__()
        self.side, self.radius = side, max(1, round(side * reach / 2))
        sizes = ((2 * self.radius) ** 2, 512, 256, 512)
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], 2 * num_keypoints)
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    bound = layer.in_features**-0.5
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    layer.bias.uniform_(-bound, bound, generator=generator)
            # Keypoints begin apart from each other and nearly the same in all images.
            self.head.weight.mul_(0.3)
            self.head.bias.uniform_(-spread, spread, generator=generator)

    def forward(self, images: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N K 2"]:
        """Points in image units; sides are multiples of the module's `side`."""
        ink = functional.avg_pool2d(images, images.shape[-1] // self.side)[:, 0]
        centre = ink_centre(ink)
        around = torch.arange(2 * self.radius, device=ink.device)
        padded = functional.pad(ink, (self.radius,) * 4)
        rows, columns = (centre[:, 1:] + around)[:, :, None], (centre[:, :1] + around)[:, None]
        # Gathered axis by axis, which exporters understand for any number of images.
        band = padded.gather(1, rows.expand(-1, -1, padded.shape[2]))
        crops = band.gather(2, columns.expand(-1, 2 * self.radius, -1))
        # Thin strokes reduced to few pixels are faint: brought to the order of 1.
        offset = self.head(self.body(4.0 * crops.flatten(1)))
        middle = (2.0 * centre.to(ink.dtype) + 1.0) / self.side - 1.0
        return middle[:, None] + offset.unflatten(1, (-1, 2))
