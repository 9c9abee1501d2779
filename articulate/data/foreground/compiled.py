"""Compiled inner loops of the foreground step: one pass over the pixels where NumPy and SciPy need dozens.

The functions carry `no_type_check` because run-time shape checks cannot enter compiled code. They release the
interpreter, so that frames can be prepared while a network works on earlier ones.
"""

from typing import no_type_check

import numpy as np
from numba import njit

FLICKER_LIMIT = 1.5
DARK = 8  # grey levels below which a ratio of two pictures tells nothing
GREY_SPREAD = 6.0  # mean range of the channels below which a picture counts as grey
SHADOW_LOW, SHADOW_HIGH, SHADOW_EVEN = np.float32(0.5), np.float32(0.97), np.float32(0.08)
STEPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@no_type_check
@njit(cache=True, nogil=True)
def flicker_gain(image, scene):
    """Factor per channel from the scene to the light of this frame: median ratio over every second bright pixel."""
    height, width = image.shape[:2]
    ratios = np.empty(((height + 1) // 2) * ((width + 1) // 2), np.float32)
    gains = np.ones(3, np.float32)
    for channel in range(3):
        count = 0
        for y in range(0, height, 2):
            for x in range(0, width, 2):
                if scene[y, x, channel] > DARK:
                    ratios[count] = np.float32(image[y, x, channel]) / np.float32(scene[y, x, channel])
                    count += 1
        if count > 0.2 * len(ratios):
            gains[channel] = min(max(np.median(ratios[:count]), 1 / FLICKER_LIMIT), FLICKER_LIMIT)
    return gains


@no_type_check
@njit(cache=True, nogil=True)
def is_coloured(scene):
    """Whether the channels of a picture differ by more than 6 grey levels in the mean."""
    total = 0
    for y in range(scene.shape[0]):
        for x in range(scene.shape[1]):
            r, g, b = np.int64(scene[y, x, 0]), np.int64(scene[y, x, 1]), np.int64(scene[y, x, 2])
            total += max(r, g, b) - min(r, g, b)
    return total > GREY_SPREAD * scene.shape[0] * scene.shape[1]


@no_type_check
@njit(cache=True, nogil=True)
def scene_offset(image, scene, gains, shadows):
    """Largest difference over the channels from the scene under this frame's light; a quarter where a shadow is."""
    height, width = image.shape[:2]
    offset = np.empty((height, width), np.float32)
    one, quarter = np.float32(1), np.float32(0.25)
    for y in range(height):
        for x in range(width):
            largest, low, high, total = np.float32(0), np.float32(1e9), np.float32(-1e9), np.float32(0)
            for channel in range(3):
                value = np.float32(image[y, x, channel])
                ground = np.float32(scene[y, x, channel]) * gains[channel]
                largest = max(largest, abs(value - ground))
                ratio = value / max(ground, one)
                low, high, total = min(low, ratio), max(high, ratio), total + ratio
            middle = total / np.float32(3)
            if shadows and high - low < SHADOW_EVEN and SHADOW_LOW < middle < SHADOW_HIGH:
                largest *= quarter
            offset[y, x] = largest
    return offset


@no_type_check
@njit(cache=True, nogil=True)
def colour_offset(image, colour, polarity):
    """Largest difference over the channels from one colour; with a polarity only on that side of it."""
    height, width = image.shape[:2]
    offset = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            largest = np.float32(0)
            for channel in range(3):
                value = np.float32(image[y, x, channel]) - colour[channel]
                largest = max(largest, abs(value) if polarity == 0 else polarity * value)
            offset[y, x] = largest
    return offset


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
