"""Small pictures of what a stage sees and says, for TensorBoard and the run folder."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

TILE = 160


def colour_of(k: int, count: int) -> tuple[int, int, int]:
    """A colour for keypoint `k` of `count`, far from its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb((k * 0.618) % 1.0 if count > 12 else k / count, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def to_bytes(image: Float[Tensor, "C H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """An image in [0, 1] as bytes."""
    array = image.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def keypoint_picture(
    image: Float[Tensor, "3 H W"], xy: Float[Tensor, "K 2"], edges: Int[Tensor, "L 2"] | None = None
) -> UInt8[np.ndarray, "S S 3"]:
    """The frame, enlarged, with keypoints as dots and limbs as lines."""
    tile = Image.fromarray(to_bytes(image)).resize((TILE, TILE), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(tile)
    points = ((xy.detach().cpu().nan_to_num(-9.0) + 1) * TILE / 2).tolist()
    for parent, child in edges.tolist() if edges is not None else []:
        draw.line([*points[parent], *points[child]], fill=(255, 255, 255), width=2)
    for k, (x, y) in enumerate(points):
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour_of(k, len(points)), outline=(0, 0, 0))
    return np.asarray(tile).copy()


def matrix_picture(matrix: Float[Tensor, "K K"]) -> UInt8[np.ndarray, "S S 3"]:
    """A matrix of values in [0, 1] as grey squares."""
    values = matrix.detach().cpu().float().clamp(0, 1).mul(255).byte().numpy()
    factor = max(1, TILE // len(values))
    return np.repeat(np.kron(values, np.ones((factor, factor), np.uint8))[..., None], 3, axis=2)


def pose_picture(joints: Float[Tensor, "K 3"], edges: Int[Tensor, "L 2"], turn: float) -> UInt8[np.ndarray, "S S 3"]:
    """A 3D pose (camera frame) turned by `turn` radians about the vertical, drawn without perspective."""
    x, y, z = joints.detach().cpu().double().unbind(-1)
    across = x * math.cos(turn) + z * math.sin(turn)
    size = float((joints - joints.mean(0)).norm(dim=-1).max()) + 1e-9
    points = [
        ((float(a) / size + 1.1) * TILE / 2.2, (float(b) / size + 1.1) * TILE / 2.2)
        for a, b in zip(across, y, strict=True)
    ]
    tile = Image.new("RGB", (TILE, TILE), (250, 250, 250))
    draw = ImageDraw.Draw(tile)
    for parent, child in edges.tolist():
        draw.line([*points[parent], *points[child]], fill=colour_of(child, len(points)), width=3)
    return np.asarray(tile).copy()


def contact_sheet(tiles: Sequence[UInt8[np.ndarray, "_ _ 3"]], columns: int = 4) -> UInt8[np.ndarray, "_ _ 3"]:
    """Tiles of one size, row by row."""
    rows = [list(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    blank = np.zeros_like(tiles[0])
    width = min(columns, len(tiles))
    return np.concatenate([np.concatenate(row + [blank] * (width - len(row)), axis=1) for row in rows], axis=0)
