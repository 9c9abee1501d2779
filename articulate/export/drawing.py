"""Drawing skeletons with PIL: the tree over a picture, and a 3D view seen from any side."""

import colorsys
import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Edges = list[tuple[int, int]]
PAPER = (250, 250, 248)
OVERSAMPLING = 2  # PIL draws without anti-aliasing: draw large, then shrink


def palette(count: int) -> list[Colour]:
    """Distinct colours, the same for a keypoint in every picture."""
    colours = []
    for k in range(count):
        # Steps of the golden ratio keep neighbours apart for any count.
        rgb = colorsys.hsv_to_rgb((0.58 + 0.618034 * k) % 1.0, 0.75, 0.9)
        colours.append((round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])))
    return colours


def with_alpha(colour: Colour, alpha: float) -> tuple[int, int, int, int]:
    """RGBA with `alpha` in [0, 1]."""
    return (*colour, round(255 * min(max(alpha, 0.0), 1.0)))


def draw_tree(
    image: UInt8[np.ndarray, "H W 3"],
    xy: Float[np.ndarray, "K 2"],
    confidence: Float[np.ndarray, " K"],
    edges: Edges,
    size: int,
) -> UInt8[np.ndarray, "size_h size_w 3"]:
    """The picture, `size` pixels high, with the tree on it; confidence is opacity, lost points are absent."""
    height, width = image.shape[:2]
    scale = OVERSAMPLING * size / height
    columns = OVERSAMPLING * max(2, round(width * size / height))
    canvas = Image.fromarray(image).resize((columns, OVERSAMPLING * size), Image.Resampling.BILINEAR)
    pen, thick = ImageDraw.Draw(canvas, "RGBA"), max(3, size * OVERSAMPLING // 110)
    place = (xy + 0.5) * scale
    colours = palette(len(xy))
    known = np.isfinite(place).all(-1)
    for a, b in edges:
        if known[a] and known[b]:
            alpha = 0.25 + 0.75 * min(confidence[a], confidence[b])
            pen.line([tuple(place[a]), tuple(place[b])], fill=with_alpha(colours[b], alpha), width=thick)
    for k in np.flatnonzero(known):
        box = [*(place[k] - 1.3 * thick), *(place[k] + 1.3 * thick)]
        pen.ellipse(box, fill=with_alpha(colours[k], 0.25 + 0.75 * confidence[k]), outline=(255, 255, 255, 220))
    return np.asarray(canvas.reduce(OVERSAMPLING))


def turned(points: Float[np.ndarray, "K 3"], yaw: float, tilt: float = 0.25) -> Float[np.ndarray, "K 3"]:
    """Camera-frame points seen from a viewpoint turned by `yaw` about the vertical and raised by `tilt` (rad)."""
    c, s = math.cos(yaw), math.sin(yaw)
    x, z = c * points[:, 0] + s * points[:, 2], -s * points[:, 0] + c * points[:, 2]
    ct, st = math.cos(tilt), math.sin(tilt)
    return np.stack([x, ct * points[:, 1] - st * z, st * points[:, 1] + ct * z], -1)


def draw_ground(pen: ImageDraw.ImageDraw, ground: float, yaw: float, to_pixels: float, middle: float) -> None:
    """A grid under the figure, so that turning reads as turning."""
    steps = np.linspace(-1, 1, 5) / to_pixels * middle * 0.75
    for step in steps:
        for line in (
            [[step, ground, steps[0]], [step, ground, steps[-1]]],
            [[steps[0], ground, step], [steps[-1], ground, step]],
        ):
            ends = turned(np.array(line), yaw)[:, :2] * to_pixels + middle
            pen.line([tuple(ends[0]), tuple(ends[1])], fill=(222, 222, 216, 255), width=OVERSAMPLING)


def draw_pose(
    joints: Float[np.ndarray, "K 3"],
    confidence: Float[np.ndarray, " K"],
    edges: Edges,
    size: int,
    radius: float,
    ground: float,
    yaw: float,
) -> UInt8[np.ndarray, "size size 3"]:
    """A 3D pose, centred on its mean, seen from `yaw`; far limbs are drawn first and paler.

    `radius` (unit of the joints) fills the picture; `ground` is the height (y, downwards) of the grid.
    """
    side = size * OVERSAMPLING
    canvas = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(canvas, "RGBA")
    middle, to_pixels = side / 2, 0.46 * side / radius
    draw_ground(pen, ground, yaw, to_pixels, middle)
    if np.isfinite(joints).all():
        thick, colours = max(4, side // 90), palette(len(joints))
        seen = turned(joints - joints.mean(0), yaw)
        place = seen[:, :2] * to_pixels + middle
        for a, b in sorted(edges, key=lambda e: -(seen[e[0], 2] + seen[e[1], 2])):
            near = 0.5 - 0.25 * (seen[a, 2] + seen[b, 2]) / radius
            alpha = (0.45 + 0.55 * min(max(near, 0.0), 1.0)) * (0.3 + 0.7 * min(confidence[a], confidence[b]))
            pen.line([tuple(place[a]), tuple(place[b])], fill=with_alpha(colours[b], alpha), width=thick)
        for k in np.argsort(-seen[:, 2]):
            box = [*(place[k] - 0.9 * thick), *(place[k] + 0.9 * thick)]
            pen.ellipse(box, fill=with_alpha(colours[k], 0.3 + 0.7 * confidence[k]))
    return np.asarray(canvas.reduce(OVERSAMPLING))
