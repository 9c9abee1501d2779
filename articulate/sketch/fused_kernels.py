"""Triton kernels of the renderer of white limbs (see `fused`). Importing this module needs Triton.

The functions carry `no_type_check` because run-time shape checks cannot enter compiled code.
"""

from typing import no_type_check

import triton
import triton.language as tl

# Rows and columns of the pixels that one program holds in registers.
TILE = 16

LENGTH2_FLOOR = tl.constexpr(1e-8)
SPINE_ROUNDING = tl.constexpr(1e-4)
LEAST = tl.constexpr(5.960464477539063e-8)  # 2^-24: what a limb leaves uncovered is never less
LOG_2 = tl.constexpr(0.6931471805599453)


@triton.jit
@no_type_check
def stroke(distance2, r, softness, PROFILE: tl.constexpr):
    """Intensity at a squared distance, and its derivatives by squared distance and by half-width r."""
    inverse = 1.0 / r
    if PROFILE == 0:
        h = tl.exp2(-distance2 * inverse * inverse)
        slope = LOG_2 * h * inverse * inverse
        return h, -slope, 2.0 * slope * distance2 * inverse
    if PROFILE == 2:
        h = r * r / (r * r + distance2)
        slope = h * h * inverse * inverse
        return h, -slope, 2.0 * slope * distance2 * inverse
    root = tl.sqrt(distance2 + SPINE_ROUNDING * SPINE_ROUNDING)
    if PROFILE == 1:
        h = tl.exp2(-(root - SPINE_ROUNDING) * inverse)
        slope = LOG_2 * h * inverse
        return h, -0.5 * slope / root, slope * (root - SPINE_ROUNDING) * inverse
    k = (r + softness + SPINE_ROUNDING - root) / (2.0 * softness)
    k = tl.minimum(tl.maximum(k, 0.0), 1.0)
    slope = 3.0 * k * (1.0 - k) / softness
    return k * k * (3.0 - 2.0 * k), -0.5 * slope / root, slope


@triton.jit
@no_type_check
def place(index, count):
    """Pixel centre of a row or column in [-1, 1]."""
    return (2.0 * index + 1.0) / count - 1.0


@triton.jit
@no_type_check
def near_tile(ax, ay, ex, ey, reach, top, left, height, width, TILE: tl.constexpr):
    """Whether the limb may reach the tile whose first pixel is (top, left): boxes, then the strip around its line."""
    y0, y1 = place(top, height), place(top + TILE - 1, height)
    x0, x1 = place(left, width), place(left + TILE - 1, width)
    boxes = (tl.minimum(ax, ex) - reach <= x1) & (tl.maximum(ax, ex) + reach >= x0)
    boxes = boxes & (tl.minimum(ay, ey) - reach <= y1) & (tl.maximum(ay, ey) + reach >= y0)
    dx, dy = ex - ax, ey - ay
    cross = tl.abs((0.5 * (x0 + x1) - ax) * dy - (0.5 * (y0 + y1) - ay) * dx)
    half = 0.5 * tl.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
    return boxes & (cross <= (reach + half) * tl.sqrt(dx * dx + dy * dy) + 1e-6)


@triton.jit
@no_type_check
def draw_tile(
    limbs, weights, image, state, num_limbs, height, width, cut, softness, PROFILE: tl.constexpr, TILE: tl.constexpr
):
    """Coverage and state of one tile of one image."""
    b, tile = tl.program_id(0), tl.program_id(1)
    across = tl.cdiv(width, TILE)
    top, left = (tile // across) * TILE, (tile % across) * TILE
    rows, columns = top + tl.arange(0, TILE)[:, None], left + tl.arange(0, TILE)[None, :]
    y, x = place(rows, height), place(columns, width)
    uncovered = tl.full([TILE, TILE], 1.0, tl.float32)
    for n in range(num_limbs):
        p = limbs + (b * num_limbs + n) * 6
        ax, ay, ex, ey = tl.load(p), tl.load(p + 1), tl.load(p + 2), tl.load(p + 3)
        w0, w1, weight = tl.load(p + 4), tl.load(p + 5), tl.load(weights + b * num_limbs + n)
        reach = cut * tl.maximum(w0, w1) + softness + SPINE_ROUNDING
        if near_tile(ax, ay, ex, ey, reach, top, left, height, width, TILE):
            dx, dy = ex - ax, ey - ay
            t = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + LENGTH2_FLOOR)
            t = tl.minimum(tl.maximum(t, 0.0), 1.0)
            qx, qy = x - ax - t * dx, y - ay - t * dy
            h, _, _ = stroke(qx * qx + qy * qy, w0 + (w1 - w0) * t, softness, PROFILE)
            uncovered *= tl.maximum(1.0 - weight * h, LEAST)
    inside = (rows < height) & (columns < width)
    where = (b * height + rows) * width + columns
    tl.store(image + where, 1.0 - uncovered, mask=inside)
    tl.store(state + where, uncovered, mask=inside)


@triton.jit
@no_type_check
def pull_limb(
    limbs, weights, state, g_image, g_limbs, g_weights, num_limbs, height, width, cut, softness,
    PROFILE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Gradient of one limb of one image by its ends, half-widths and weight.

    Chain rule through d2 = |p - a - t d|^2, r = w0 + t (w1 - w0) and t = (p - a).d / (|d|^2 + floor) where t is inside;
    there the offset times d is t * floor.
    """
    b, n = tl.program_id(0), tl.program_id(1)
    p = limbs + (b * num_limbs + n) * 6
    ax, ay, ex, ey = tl.load(p), tl.load(p + 1), tl.load(p + 2), tl.load(p + 3)
    w0, w1, weight = tl.load(p + 4), tl.load(p + 5), tl.load(weights + b * num_limbs + n)
    dx, dy, taper = ex - ax, ey - ay, w1 - w0
    inverse = 1.0 / (dx * dx + dy * dy + LENGTH2_FLOOR)
    reach = cut * tl.maximum(w0, w1) + softness + SPINE_ROUNDING
    zero = tl.zeros([TILE, TILE], tl.float32)
    sx, sy, stx, sty, r0, r1 = zero, zero, zero, zero, zero, zero
    sux, suy, st, s_all, by_weight = zero, zero, zero, zero, zero
    for tile_row in range(tl.cdiv(height, TILE)):
        for tile_column in range(tl.cdiv(width, TILE)):
            top, left = tile_row * TILE, tile_column * TILE
            if near_tile(ax, ay, ex, ey, reach, top, left, height, width, TILE):
                rows, columns = top + tl.arange(0, TILE)[:, None], left + tl.arange(0, TILE)[None, :]
                ux, uy = place(columns, width) - ax, place(rows, height) - ay
                t = tl.minimum(tl.maximum((ux * dx + uy * dy) * inverse, 0.0), 1.0)
                qx, qy = ux - t * dx, uy - t * dy
                h, by_distance2, by_width = stroke(qx * qx + qy * qy, w0 + taper * t, softness, PROFILE)
                inside = (rows < height) & (columns < width)
                where = (b * height + rows) * width + columns
                pull = tl.load(g_image + where, mask=inside, other=0.0) * tl.load(state + where, mask=inside, other=0.0)
                g = pull / tl.maximum(1.0 - weight * h, LEAST)
                by_weight += g * h
                gr = weight * g * by_width
                g = 2.0 * weight * g * by_distance2
                gt = tl.where((t > 0.0) & (t < 1.0), gr * taper - g * t * LENGTH2_FLOOR, 0.0)
                sx += g * qx
                sy += g * qy
                stx += g * qx * t
                sty += g * qy * t
                r0 += gr
                r1 += gr * t
                sux += gt * ux
                suy += gt * uy
                st += gt * t
                s_all += gt
    x_all, y_all, x_end, y_end = tl.sum(sx), tl.sum(sy), tl.sum(stx), tl.sum(sty)
    from_x, from_y, along, whole = tl.sum(sux), tl.sum(suy), tl.sum(st), tl.sum(s_all)
    out = g_limbs + (b * num_limbs + n) * 6
    tl.store(out, x_end - x_all + inverse * (2.0 * along * dx - whole * dx - from_x))
    tl.store(out + 1, y_end - y_all + inverse * (2.0 * along * dy - whole * dy - from_y))
    tl.store(out + 2, inverse * (from_x - 2.0 * along * dx) - x_end)
    tl.store(out + 3, inverse * (from_y - 2.0 * along * dy) - y_end)
    tl.store(out + 4, tl.sum(r0) - tl.sum(r1))
    tl.store(out + 5, tl.sum(r1))
    tl.store(g_weights + b * num_limbs + n, tl.sum(by_weight))
