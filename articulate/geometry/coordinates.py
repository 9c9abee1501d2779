"""Changes between pixel frames and the image frame [-1, 1] (pixel centres, `align_corners=False`)."""

import torch
from jaxtyping import Float
from torch import Tensor


def normalised_from_pixels(pixels: Float[Tensor, "... 2"], size: tuple[int, int]) -> Float[Tensor, "... 2"]:
    """Image coordinates of positions given in pixels (integer = pixel centre) of an image of `size` = (width, height).

    x = (2 i + 1) / W - 1, so the outer borders of the first and last pixel are -1 and 1.
    """
    return (2 * pixels + 1) / pixels.new_tensor(size) - 1


def pixels_from_normalised(xy: Float[Tensor, "... 2"], size: tuple[int, int]) -> Float[Tensor, "... 2"]:
    """Positions in pixels (integer = pixel centre) of image coordinates; inverse of `normalised_from_pixels`."""
    return ((xy + 1) * xy.new_tensor(size) - 1) / 2


def source_from_store(
    pixels: Float[Tensor, "*T K 2"], scale_and_shift: Float[Tensor, "*T 3"]
) -> Float[Tensor, "*T K 2"]:
    """Pixels of the source video for pixels of the stored frame, both with integer centres.

    source = s (store + 0.5) - 0.5 + shift, with `scale_and_shift` (s, x0, y0) of each frame as the clip store keeps it.
    """
    scale, shift = scale_and_shift[..., :1], scale_and_shift[..., 1:]
    return scale[..., None] * (pixels + 0.5) - 0.5 + shift[..., None, :]


def store_from_source(
    pixels: Float[Tensor, "*T K 2"], scale_and_shift: Float[Tensor, "*T 3"]
) -> Float[Tensor, "*T K 2"]:
    """Pixels of the stored frame for pixels of the source video; inverse of `source_from_store`. s must not be 0."""
    scale, shift = scale_and_shift[..., :1], scale_and_shift[..., 1:]
    return (pixels + 0.5 - shift[..., None, :]) / scale[..., None] - 0.5


def source_from_normalised(
    xy: Float[Tensor, "*T K 2"], size: int, scale_and_shift: Float[Tensor, "*T 3"]
) -> Float[Tensor, "*T K 2"]:
    """Pixels of the source video for image coordinates of a stored square frame of side `size`."""
    return source_from_store(pixels_from_normalised(xy, (size, size)), scale_and_shift)


def pixel_grid(size: tuple[int, int], like: Tensor) -> Float[Tensor, "H W 2"]:
    """Image coordinates (x, y) of every pixel centre of an image of `size` = (width, height), typed as `like`."""
    width, height = size
    x = (2 * torch.arange(width, dtype=like.dtype, device=like.device) + 1) / width - 1
    y = (2 * torch.arange(height, dtype=like.dtype, device=like.device) + 1) / height - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)
