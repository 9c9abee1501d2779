"""Compiled search for the subject among moving regions: cores, what hangs on them, where two touch, their holes.

The functions carry `no_type_check` because run-time shape checks cannot enter compiled code. They release the
interpreter, so that frames can be prepared while a network works on earlier ones.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.data.foreground.compiled_regions import STEPS, bounds, label, outside_of, squared_depth


@no_type_check
@njit(cache=True, nogil=True)
def cores_of(difference, high, least):
    """Numbered solid parts above `high` that are at least `least` of the largest, and their number.

    Only the rectangle around what is above `high` is worked on, with a frame of one pixel inside the picture: no pixel
    beyond it is the nearest unmarked one, and none is part of anything.
    """
    height, width = difference.shape
    everywhere = np.zeros((height, width), np.int32)
    top, bottom, left, right = bounds(difference > high)
    if bottom == top:
        return everywhere, 0
    top, bottom, left, right = max(top - 1, 0), min(bottom + 1, height), max(left - 1, 0), min(right + 1, width)
    sure = difference[top:bottom, left:right] > high
    depth = squared_depth(sure)
    limit = max(1.0, depth.max() / 9)
    labels, count = label(depth > limit)
    if count == 0:
        labels, count = label(sure)
    sizes = np.zeros(count + 1, np.int64)
    for number in labels.ravel():
        sizes[number] += 1
    sizes[0] = 0
    renumber = np.zeros(count + 1, np.int32)
    kept = 0
    for number in range(1, count + 1):
        if sizes[number] >= least * sizes.max():
            kept += 1
            renumber[number] = kept
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            everywhere[top + y, left + x] = renumber[labels[y, x]]
    return everywhere, kept


@no_type_check
@njit(cache=True, nogil=True)
def without_appendages(difference, low, cores, count, part):
    """Cores renumbered without the spread wings, heads and tails that a thin bridge parts from their body.

    Such a core lies inside the picture, hangs on a larger core above `low`, and is smaller than `part` of it; a second
    animal is larger, or reaches over the edge of the picture.
    """
    height, width = cores.shape
    linked, islands = label(difference > low)
    sizes, island, at_edge = np.zeros(count + 1), np.zeros(count + 1, np.int64), np.zeros(count + 1, np.bool_)
    for y in range(height):
        for x in range(width):
            number = cores[y, x]
            if number > 0:
                sizes[number] += 1
                island[number] = linked[y, x]
                at_edge[number] |= y == 0 or x == 0 or y == height - 1 or x == width - 1
    largest = np.zeros(islands + 1)
    for number in range(1, count + 1):
        largest[island[number]] = max(largest[island[number]], sizes[number])
    renumber, kept = np.zeros(count + 1, np.int32), 0
    for number in range(1, count + 1):
        if at_edge[number] or sizes[number] >= part * largest[island[number]]:
            kept += 1
            renumber[number] = kept
    for y in range(height):
        for x in range(width):
            cores[y, x] = renumber[cores[y, x]]
    return kept


@no_type_check
@njit(cache=True, nogil=True)
def hanging_on(difference, low, cores):
    """Pixels above `low` that are 8-connected to a core."""
    height, width = difference.shape
    reached = cores > 0
    stack = np.empty(height * width, np.int64)
    top = 0
    for y in range(height):
        for x in range(width):
            if reached[y, x]:
                stack[top] = y * width + x
                top += 1
    while top:
        top -= 1
        place = stack[top]
        for dy, dx in STEPS:
            v, u = place // width + dy, place % width + dx
            if 0 <= v < height and 0 <= u < width and not reached[v, u] and difference[v, u] > low:
                reached[v, u] = True
                stack[top] = v * width + u
                top += 1
    return reached


@no_type_check
@njit(cache=True, nogil=True)
def territories(difference, low, cores):
    """Number of the body on which each pixel above `low` hangs: that with the path of smallest steps to it.

    Image foresting transform (Falcao et al. 2004): the cost of a path is its largest step between neighbouring grey
    levels (of 255), so that a faint contact line between two animals becomes the border.
    """
    height, width = difference.shape
    owner = cores.copy()
    scale = 254 / max(difference.max(), 1e-6)
    cost = np.where(cores.ravel() > 0, 0, 256)
    done = np.zeros(height * width, np.bool_)
    # Lists of entries (a pixel may wait at several costs), one per cost, first in first out.
    head, tail = np.full(256, -1, np.int64), np.full(256, -1, np.int64)
    capacity = 9 * int((difference > low).sum() + 1)
    waiting, following = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    used = 0
    for place in np.flatnonzero(cost == 0):
        waiting[used], following[used] = place, used + 1
        used += 1
    head[0], tail[0] = 0, used - 1
    following[used - 1] = -1
    level = 0
    while level < 256:
        entry = head[level]
        if entry < 0:
            level += 1
            continue
        head[level] = following[entry]
        place = waiting[entry]
        y, x = place // width, place % width
        if done[place]:
            continue
        done[place] = True
        here = int(min(max(difference[y, x] * scale, 0), 254))
        for dy, dx in STEPS:
            v, u = y + dy, x + dx
            if not (0 <= v < height and 0 <= u < width) or done[v * width + u] or not difference[v, u] > low:
                continue
            target = v * width + u
            step = max(level, abs(here - int(min(max(difference[v, u] * scale, 0), 254))))
            if step < cost[target]:
                cost[target] = step
                owner[v, u] = owner[y, x]
                waiting[used], following[used] = target, -1
                if head[step] < 0:
                    head[step] = used
                else:
                    following[tail[step]] = used
                tail[step] = used
                used += 1
    return owner


@no_type_check
@njit(cache=True, nogil=True)
def own_holes(region, difference, high):
    """Pixels of holes of the region that are the subject's own: at least half of their rim is above `high`.

    A pale patch lies amid the body. What legs, or faint lines of the ground that touch them, close in is ground.
    """
    height, width = region.shape
    outside = outside_of(region)
    seen, own = outside | region, np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)
    for y in range(height):
        for x in range(width):
            if seen[y, x]:
                continue
            seen[y, x] = True
            stack[0], count, done, rim, sure = y * width + x, 1, 0, 0, 0
            while done < count:  # a hole touches no edge of the picture, so all neighbours exist
                place = stack[done]
                done += 1
                for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                    v, u = place // width + dy, place % width + dx
                    if region[v, u]:
                        rim += 1
                        sure += difference[v, u] > high
                    elif not seen[v, u]:
                        seen[v, u] = True
                        stack[count] = v * width + u
                        count += 1
            if 2 * sure >= rim:
                for place in stack[:count]:
                    own[place // width, place % width] = True
    return own


@no_type_check
@njit(cache=True, nogil=True)
def nearest_core(cores, count, expected_x, expected_y):
    """Number and centre (x, y) of the body nearest to what is expected, less its own half width; NaN: the largest."""
    sums = np.zeros((count + 1, 3))
    for y in range(cores.shape[0]):
        for x in range(cores.shape[1]):
            number = cores[y, x]
            sums[number, 0] += x
            sums[number, 1] += y
            sums[number, 2] += 1
    best, lowest = 1, np.inf
    for number in range(1, count + 1):
        size = sums[number, 2]
        cost = -size
        if not np.isnan(expected_x):
            offset = np.hypot(sums[number, 0] / size - expected_x, sums[number, 1] / size - expected_y)
            cost = offset - np.sqrt(size / np.pi)
        if cost < lowest:
            best, lowest = number, cost
    return best, sums[best, 0] / sums[best, 2], sums[best, 1] / sums[best, 2]


@no_type_check
@njit(cache=True, nogil=True)
def find_subject(difference, low, high, expected_x, expected_y, least, part):
    """Soft mask of one subject, its centre x and y (NaN without one) and the number of bodies in view."""
    mask = np.zeros(difference.shape, np.uint8)
    cores, count = cores_of(difference, high, least)
    if count == 0:
        return mask, np.nan, np.nan, 0
    if count > 1:
        count = without_appendages(difference, low, cores, count, part)
    number, x, y = nearest_core(cores, count, expected_x, expected_y)
    # Most frames show one body, for which hanging on it is all there is to ask.
    region = hanging_on(difference, low, cores) if count == 1 else territories(difference, low, cores) == number
    top, bottom, left, right = bounds(region)
    holes = own_holes(region[top:bottom, left:right], difference[top:bottom, left:right], high)
    span = max(high - low, 1e-6)
    for v in range(top, bottom):
        for u in range(left, right):
            if region[v, u]:
                mask[v, u] = int(128 + 127 * min(max((difference[v, u] - low) / span, 0.0), 1.0))
            elif holes[v - top, u - left]:
                mask[v, u] = 255
    return mask, x, y, count
