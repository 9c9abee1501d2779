"""The frame of a body seen from above: origin at its centre, u forward, v to its right; warps into and out of it.

Body coordinates are in units of `reach`, so that the whole animal lies within [-1, 1]; image coordinates are pixels of
the stored frame (integer = pixel centre).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class BodyPose:
    """Where the body is in every frame; `reach` is one length for the whole store."""

    centre: Float[np.ndarray, "T 2"]
    angle: Float[np.ndarray, " T"]
    reach: float

    def turned(self, flip: np.ndarray) -> "BodyPose":
        """The same with the axis reversed in the frames `flip`."""
        return BodyPose(self.centre, self.angle + np.pi * flip, self.reach)


def rotations(angle: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 2 2"]:
    """Matrices whose columns are the forward and the right direction in the image."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def image_from_body(points: Float[np.ndarray, "T K 2"], pose: BodyPose) -> Float[np.ndarray, "T K 2"]:
    """Body coordinates as pixels."""
    return pose.centre[:, None] + pose.reach * np.einsum("tij,tkj->tki", rotations(pose.angle), points)


def body_from_image(points: Float[np.ndarray, "T K 2"], pose: BodyPose) -> Float[np.ndarray, "T K 2"]:
    """Pixels as body coordinates."""
    return np.einsum("tji,tkj->tki", rotations(pose.angle), points - pose.centre[:, None]) / pose.reach


def body_grid(size: int) -> Float[Tensor, "H W 2"]:
    """Body coordinates (u, v) of the pixels of a body picture; u runs along the columns."""
    axis = (2 * torch.arange(size, dtype=torch.float32) + 1) / size - 1
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([u, v], -1)


def sampling_grid(
    centre: Float[Tensor, "B 2"], angle: Float[Tensor, " B"], reach: float, size: int, source_size: int
) -> Float[Tensor, "B H W 2"]:
    """Where `grid_sample` reads a picture of `source_size` to make body pictures of `size`."""
    grid = body_grid(size)
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    x = centre[:, 0, None, None] + reach * (cosine * grid[..., 0] - sine * grid[..., 1])
    y = centre[:, 1, None, None] + reach * (sine * grid[..., 0] + cosine * grid[..., 1])
    return (2 * torch.stack([x, y], -1) + 1) / source_size - 1


def body_pictures(
    pictures: UInt8[np.ndarray, "T S S"], pose: BodyPose, size: int, outside: int = 0, chunk: int = 256
) -> Float[np.ndarray, "T H W"]:
    """Every picture in the body's frame, float32 in grey levels less `outside` (the level of what is not there)."""
    result = np.empty((len(pictures), size, size), np.float32)
    for start in range(0, len(pictures), chunk):
        part = slice(start, start + chunk)
        source = torch.from_numpy(pictures[part].astype(np.float32) - outside)[:, None]
        centre, angle = torch.from_numpy(pose.centre[part]).float(), torch.from_numpy(pose.angle[part]).float()
        grid = sampling_grid(centre, angle, pose.reach, size, pictures.shape[1])
        result[part] = torch.nn.functional.grid_sample(source, grid, align_corners=False)[:, 0].numpy()
    return result
