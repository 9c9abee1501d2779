"""Shaded, textured, tapered capsules with exact occlusion: rays against round cones, one depth test per sample."""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numba import njit

from articulate.data.synthetic.cameras import SceneCamera
from articulate.data.synthetic.ray_capsule import ray_hit
from articulate.data.synthetic.style import Rendered, Style
from articulate.data.synthetic.texture import pattern

LIGHT = np.array([-0.42, -0.66, -0.62]) / np.linalg.norm([-0.42, -0.66, -0.62])  # towards the light, camera frame
AMBIENT = 0.42


def render_capsules(
    points_3d_cam: Float[np.ndarray, "T K 3"],
    camera: SceneCamera,
    edges: Int[np.ndarray, "L 2"],
    style: Style,
    size: int,
    background: UInt8[np.ndarray, "S S 3"] | None = None,
    frames: Float[np.ndarray, "T L 3 3"] | None = None,
    samples: int = 2,
) -> Rendered:
    """Frames of a figure whose limbs are capsules around the bones, Lambert shading, `samples`^2 rays a pixel.

    `frames[t, l]` turns limb l's own axes into camera axes and carries its texture; without it the texture is fixed to
    the camera's axes (right for `style.texture == 0`). Keypoints lie inside the body: one counts as visible when no
    surface stands in front of its own limbs by more than its own thickness.
    """
    points = np.ascontiguousarray(points_3d_cam, dtype=np.float64)
    if frames is None:
        frames = np.broadcast_to(np.eye(3), (len(points), len(edges), 3, 3))
    empty = np.zeros((size, size, 3), dtype=np.uint8) if background is None else background
    view = np.array([camera.perspective, camera.focal if camera.perspective else camera.scale, *camera.translation])
    images = np.empty((len(points), size, size, 3), dtype=np.uint8)
    mask = np.empty((len(points), size, size), dtype=np.uint8)
    pattern_facts = np.array([style.texture, 1.0 / style.texture_scale])
    radii = np.ascontiguousarray(style.radii, dtype=np.float64)
    for t in range(len(points)):
        limb, depth = trace(points[t], view, edges, radii, size * samples)
        turned = np.ascontiguousarray(frames[t], dtype=np.float64)
        _shade(
            points[t], turned, view, edges, radii, style.colours, style.seeds, pattern_facts, LIGHT, limb, depth,
            samples, empty, images[t], mask[t],
        )  # fmt: skip
    return Rendered(images, mask, visible_keypoints(points, camera, view, edges, radii))


def visible_keypoints(
    points: Float[np.ndarray, "T K 3"],
    camera: SceneCamera,
    view: Float[np.ndarray, " 4"],
    edges: Int[np.ndarray, "L 2"],
    radii: Float[np.ndarray, "L 2"],
) -> Bool[np.ndarray, "T K"]:
    """In the frame, and not behind another limb (see `render_capsules`)."""
    xy = camera.project(points)
    inside = (np.abs(xy) <= 1.0).all(-1)
    return inside & _unhidden(points, xy, view, edges, radii)


@no_type_check
@njit(cache=True, error_model="numpy")
def _ray(x, y, view):
    """Origin and direction (dz = 1) of the ray through image position (x, y)."""
    u, v = (x - view[2]) / view[1], (y - view[3]) / view[1]
    if view[0] > 0:
        return 0.0, 0.0, u, v
    return u, v, 0.0, 0.0


@no_type_check
@njit(cache=True, error_model="numpy")
def _bounds(point, radius, view):
    """Box (x low, x high, y low, y high) in the image around a sphere."""
    if view[0] > 0:
        z = max(point[2] - radius, 1e-9)
        x, y = view[1] * point[0] / point[2], view[1] * point[1] / point[2]
        grow_x = view[1] * radius * (point[2] + abs(point[0])) / (point[2] * z)
        grow_y = view[1] * radius * (point[2] + abs(point[1])) / (point[2] * z)
    else:
        x, y = view[1] * point[0], view[1] * point[1]
        grow_x = grow_y = view[1] * radius
    x, y = x + view[2], y + view[3]
    return x - grow_x, x + grow_x, y - grow_y, y + grow_y


@no_type_check
@njit(cache=True, error_model="numpy")
def trace(points, view, edges, radii, side):
    """Nearest limb (-1: none) and its depth at the centres of `side` x `side` samples."""
    limb_at = np.full((side, side), -1, np.int32)
    depth = np.full((side, side), np.inf)
    for limb in range(len(edges)):
        a, b = points[edges[limb, 0]], points[edges[limb, 1]]
        la, ha, ta, ba = _bounds(a, radii[limb, 0], view)
        lb, hb, tb, bb = _bounds(b, radii[limb, 1], view)
        left = max(0, int(np.floor((min(la, lb) + 1) * side / 2 - 0.5)))
        right = min(side - 1, int(np.ceil((max(ha, hb) + 1) * side / 2 - 0.5)))
        top = max(0, int(np.floor((min(ta, tb) + 1) * side / 2 - 0.5)))
        bottom = min(side - 1, int(np.ceil((max(ba, bb) + 1) * side / 2 - 0.5)))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                ox, oy, dx, dy = _ray(2 * (column + 0.5) / side - 1, 2 * (row + 0.5) / side - 1, view)
                z, _ = ray_hit(ox, oy, dx, dy, a, b, radii[limb, 0], radii[limb, 1])
                if z < depth[row, column]:
                    depth[row, column], limb_at[row, column] = z, limb
    return limb_at, depth


@no_type_check
@njit(cache=True, error_model="numpy")
def _shade(points, turned, view, edges, radii, colours, seeds, facts, light, limb_at, depth, samples, empty, out, mask):
    """Colour every sample, average the samples of each pixel over the empty scene."""
    size, side = len(out), len(limb_at)
    total = np.empty(3)
    for row in range(size):
        for column in range(size):
            total[:] = 0.0
            count = 0
            for sub in range(samples * samples):
                i, j = row * samples + sub // samples, column * samples + sub % samples
                limb = limb_at[i, j]
                if limb < 0:
                    continue
                count += 1
                z = depth[i, j]
                ox, oy, dx, dy = _ray(2 * (j + 0.5) / side - 1, 2 * (i + 0.5) / side - 1, view)
                a, b = points[edges[limb, 0]], points[edges[limb, 1]]
                _, t = ray_hit(ox, oy, dx, dy, a, b, radii[limb, 0], radii[limb, 1])
                hit_x, hit_y = ox + z * dx, oy + z * dy
                nx = hit_x - a[0] - t * (b[0] - a[0])
                ny = hit_y - a[1] - t * (b[1] - a[1])
                nz = z - a[2] - t * (b[2] - a[2])
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-30  # a point-like limb has no normal
                lambert = (nx * light[0] + ny * light[1] + nz * light[2]) / length
                facing = -nz / length
                bright = AMBIENT + (1.0 - AMBIENT) * max(lambert, 0.0) - 0.16 * (1.0 - max(facing, 0.0)) ** 2
                if facts[0] > 0:
                    px, py, pz = hit_x - a[0], hit_y - a[1], z - a[2]
                    g = turned[limb]
                    value = pattern(
                        (g[0, 0] * px + g[1, 0] * py + g[2, 0] * pz) * facts[1],
                        (g[0, 1] * px + g[1, 1] * py + g[2, 1] * pz) * facts[1],
                        (g[0, 2] * px + g[1, 2] * py + g[2, 2] * pz) * facts[1],
                        seeds[limb],
                    )
                    bright *= 1.0 + facts[0] * value
                for channel in range(3):
                    total[channel] += min(1.0, colours[limb, channel] * bright)
            share = samples * samples
            mask[row, column] = np.uint8(round(255.0 * count / share))
            for channel in range(3):
                value = 255.0 * total[channel] + (share - count) * empty[row, column, channel]
                out[row, column, channel] = np.uint8(round(value / share))


@no_type_check
@njit(cache=True, error_model="numpy")
def _unhidden(points, xy, view, edges, radii):
    seen = np.ones(points.shape[:2], np.bool_)
    for frame in range(len(points)):
        for k in range(points.shape[1]):
            ox, oy, dx, dy = _ray(xy[frame, k, 0], xy[frame, k, 1], view)
            own, other, thick = np.inf, np.inf, 0.0
            for limb in range(len(edges)):
                p, c = edges[limb, 0], edges[limb, 1]
                z, _ = ray_hit(ox, oy, dx, dy, points[frame, p], points[frame, c], radii[limb, 0], radii[limb, 1])
                if k in (p, c):
                    own = min(own, z)
                    thick = max(thick, radii[limb, 0] if k == p else radii[limb, 1])
                else:
                    other = min(other, z)
            seen[frame, k] = other >= own - thick
    return seen
