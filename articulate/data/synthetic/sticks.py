"""Anti-aliased stick figures: the nearer stick is painted over the farther one, pixel by pixel."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit
from scipy.ndimage import gaussian_filter

from articulate.data.synthetic.style import Rendered, Style


def render_sticks(
    points_2d: Float[np.ndarray, "T K 2"],
    depth: Float[np.ndarray, "T K"],
    edges: Int[np.ndarray, "L 2"],
    style: Style,
    size: int,
    blur: float | int = 0.0,
    occlusion: bool = True,
    background: UInt8[np.ndarray, "S S 3"] | None = None,
) -> Rendered:
    """Frames of sticks with round ends, `points_2d` in [-1, 1] at pixel centres, black behind unless given.

    Coverage of a pixel is clamp(w / 2 - d + 1 / 2, 0, 1) with d its distance (px) from the segment and w the width, the
    box-filtered half-plane. With `occlusion`, sticks are composed from far to near by the depth at the nearest point of
    each; without, light adds up as 1 - prod(1 - coverage). `blur` is the sigma (px) of a Gaussian on image and mask.
    """
    pixels = (np.asarray(points_2d, dtype=np.float64) + 1.0) * (size / 2.0) - 0.5
    half = style.widths * (size / 2.0)
    empty = np.zeros((size, size, 3)) if background is None else background.astype(np.float64) / 255.0
    frames = np.empty((len(pixels), size, size, 3))
    mask = np.empty((len(pixels), size, size))
    _paint(pixels, np.asarray(depth, dtype=np.float64), edges, style.colours, half, empty, occlusion, frames, mask)
    visible = _visible(pixels, np.asarray(depth, dtype=np.float64), edges, half, size, occlusion)
    if blur > 0:
        frames = gaussian_filter(frames, (0, blur, blur, 0), mode="nearest")
        mask = gaussian_filter(mask, (0, blur, blur), mode="nearest")
    return Rendered(_to_bytes(frames), _to_bytes(mask), visible)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values * 255.0), 0, 255).astype(np.uint8)


@no_type_check
@njit(cache=True, error_model="numpy")
def _nearest(px, py, ax, ay, bx, by):
    """Parameter in [0, 1] of the nearest point of segment a b, and the distance to it."""
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 1e-18:  # a limb seen end on is a dot
        t = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / squared))
    return t, np.hypot(px - ax - t * dx, py - ay - t * dy)


@no_type_check
@njit(cache=True, error_model="numpy")
def _gather(row, column, points, depth, edges, half, alphas, depths, order):
    """Sticks that cover a pixel, sorted from far to near; returns their number."""
    count = 0
    for limb in range(len(edges)):
        a, b = edges[limb, 0], edges[limb, 1]
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        reach = half[limb] + 0.5
        if row < min(ay, by) - reach or row > max(ay, by) + reach:
            continue
        if column < min(ax, bx) - reach or column > max(ax, bx) + reach:
            continue
        t, distance = _nearest(column, row, ax, ay, bx, by)
        alpha = min(1.0, reach - distance)
        if alpha <= 0.0:
            continue
        here = depth[a] + t * (depth[b] - depth[a])
        place = count
        while place > 0 and depths[place - 1] < here:
            alphas[place], depths[place], order[place] = alphas[place - 1], depths[place - 1], order[place - 1]
            place -= 1
        alphas[place], depths[place], order[place] = alpha, here, limb
        count += 1
    return count


@no_type_check
@njit(cache=True, error_model="numpy")
def _paint(points, depth, edges, colours, half, empty, occlusion, frames, mask):
    """Gather the sticks at every pixel and compose them over the empty scene."""
    num_limbs, size = len(edges), frames.shape[1]
    alphas, depths, order = np.empty(num_limbs), np.empty(num_limbs), np.empty(num_limbs, np.int64)
    for frame in range(len(points)):
        for row in range(size):
            for column in range(size):
                count = _gather(row, column, points[frame], depth[frame], edges, half, alphas, depths, order)
                clear = 1.0
                for i in range(count):
                    clear *= 1.0 - alphas[i]
                mask[frame, row, column] = 1.0 - clear
                for channel in range(3):
                    value = empty[row, column, channel]
                    dark = 1.0
                    for i in range(count):
                        colour = colours[order[i], channel]
                        if occlusion:
                            value += alphas[i] * (colour - value)
                        dark *= 1.0 - alphas[i] * colour
                    if not occlusion:
                        value = value * clear + 1.0 - dark
                    frames[frame, row, column, channel] = value


@no_type_check
@njit(cache=True, error_model="numpy")
def _visible(points, depth, edges, half, size, occlusion):
    num_keypoints = points.shape[1]
    visible = np.empty((len(points), num_keypoints), np.bool_)
    for frame in range(len(points)):
        for k in range(num_keypoints):
            x, y = points[frame, k, 0], points[frame, k, 1]
            seen = -0.5 <= x <= size - 0.5 and -0.5 <= y <= size - 0.5
            if occlusion and seen:
                for limb in range(len(edges)):
                    a, b = edges[limb, 0], edges[limb, 1]
                    if k in (a, b):
                        continue
                    t, distance = _nearest(
                        x, y, points[frame, a, 0], points[frame, a, 1], points[frame, b, 0], points[frame, b, 1]
                    )
                    nearer = depth[frame, a] + t * (depth[frame, b] - depth[frame, a]) < depth[frame, k]
                    if distance < half[limb] and nearer:
                        seen = False
            visible[frame, k] = seen
    return visible
