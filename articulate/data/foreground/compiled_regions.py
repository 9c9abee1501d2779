"""Compiled measures of regions: depth, connected parts, bounds, what surrounds them.

The functions carry `no_type_check` because run-time shape checks cannot enter compiled code. They release the
interpreter, so that frames can be prepared while a network works on earlier ones.
"""

from typing import no_type_check

import numpy as np
from numba import njit

STEPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@no_type_check
@njit(cache=True, nogil=True)
def squared_depth(sure):
    """Squared distance in pixels of every marked pixel to the nearest unmarked one inside the picture; 0 elsewhere."""
    height, width = sure.shape
    far = np.int64(height + width) ** 2
    column = np.empty((height, width), np.int64)
    for x in range(width):
        run = np.int64(height + width)
        for y in range(height):
            run = run + 1 if sure[y, x] else 0
            column[y, x] = run
        run = np.int64(height + width)
        for y in range(height - 1, -1, -1):
            run = run + 1 if sure[y, x] else 0
            column[y, x] = min(column[y, x], run)
    depth = np.zeros((height, width), np.int64)
    for y in range(height):
        for x in range(width):
            if not sure[y, x]:
                continue
            best = column[y, x] * column[y, x]
            reach = 1
            # Farther columns than the best distance so far cannot be nearer.
            while reach * reach < best and reach < width:
                for other in (x - reach, x + reach):
                    if 0 <= other < width:
                        best = min(best, reach * reach + column[y, other] * column[y, other])
                reach += 1
            depth[y, x] = min(best, far)
    return depth


@no_type_check
@njit(cache=True, nogil=True)
def label(marked):
    """Numbers (1, 2, ... in reading order) of the 8-connected parts, and how many there are."""
    height, width = marked.shape
    labels = np.zeros((height, width), np.int32)
    stack = np.empty(height * width, np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            if not marked[y, x] or labels[y, x]:
                continue
            count += 1
            labels[y, x] = count
            stack[0], top = y * width + x, 1
            while top:
                top -= 1
                place = stack[top]
                for dy, dx in STEPS:
                    v, u = place // width + dy, place % width + dx
                    if 0 <= v < height and 0 <= u < width and marked[v, u] and not labels[v, u]:
                        labels[v, u] = count
                        stack[top] = v * width + u
                        top += 1
    return labels, count


@no_type_check
@njit(cache=True, nogil=True)
def bounds(marked):
    """First row, one past the last row, first column and one past the last column that hold a marked pixel."""
    height, width = marked.shape
    top, bottom, left, right = height, 0, width, 0
    for y in range(height):
        for x in range(width):
            if marked[y, x]:
                top, bottom = min(top, y), y + 1
                left, right = min(left, x), max(right, x + 1)
    return top, max(bottom, top), left, max(right, left)


@no_type_check
@njit(cache=True, nogil=True)
def outside_of(region):
    """Pixels that a 4-connected walk from the border of the picture reaches without entering the region."""
    height, width = region.shape
    outside = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)
    top = 0
    for y in range(height):
        for x in range(width):
            if (y == 0 or x == 0 or y == height - 1 or x == width - 1) and not region[y, x]:
                outside[y, x] = True
                stack[top] = y * width + x
                top += 1
    while top:
        top -= 1
        place = stack[top]
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            v, u = place // width + dy, place % width + dx
            if 0 <= v < height and 0 <= u < width and not region[v, u] and not outside[v, u]:
                outside[v, u] = True
                stack[top] = v * width + u
                top += 1
    return outside


@no_type_check
@njit(cache=True, nogil=True)
def extent(mask):
    """Middle (x, y) of the 1 to 99 % extent of the marked pixels, and the 99th percentile of their distance to it."""
    count = 0
    for value in mask.ravel():
        count += value > 0
    xs, ys = np.empty(count), np.empty(count)
    place = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x] > 0:
                xs[place], ys[place] = x, y
                place += 1
    edges = np.array([1.0, 99.0])
    middle_x, middle_y = np.percentile(xs, edges).mean(), np.percentile(ys, edges).mean()
    return middle_x, middle_y, np.percentile(np.hypot(xs - middle_x, ys - middle_y), 99.0)
