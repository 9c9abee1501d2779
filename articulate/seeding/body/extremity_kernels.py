"""Compiled search for the extremities of a mask: peaks of the distance within it, ranked by how far they stick out."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.seeding.ways import STEPS, cheapest_ways


@no_type_check
@njit(cache=True)
def distance_within(inside, source_row, source_column):
    """Distance of every pixel from the source along paths in the mask, -1 where there is none, and the way back."""
    distance, parent = cheapest_ways(inside, np.ones(inside.shape), source_row, source_column)
    for row in range(distance.shape[0]):
        for column in range(distance.shape[1]):
            if distance[row, column] == np.inf:
                distance[row, column] = -1.0
    return distance, parent


@no_type_check
@njit(cache=True)
def peaks(distance, least):
    """Peaks of the distance with a prominence of at least `least`: flat numbers and prominences.

    Superlevel sets grow from the farthest pixel inwards (union-find); where two meet, the lower peak's prominence is
    its height above the meeting point (persistence, Edelsbrunner et al. 2002). The highest peak's is its whole height.
    """
    height, width = distance.shape
    order = np.argsort(-distance.ravel())
    root = np.full(height * width, -1, np.int64)
    numbers, heights = [np.int64(0)], [0.0]
    numbers.clear()
    heights.clear()
    flat = distance.ravel()
    for number in order:
        if flat[number] < 0:
            break
        root[number] = number
        row, column = number // width, number % width
        own = number
        for dy, dx in STEPS:
            y, x = row + dy, column + dx
            if y < 0 or y >= height or x < 0 or x >= width or root[y * width + x] < 0:
                continue
            other = y * width + x
            while root[other] != other:
                root[other] = root[root[other]]
                other = root[other]
            if other == own:
                continue
            lower, upper = (other, own) if flat[other] < flat[own] else (own, other)
            if flat[lower] - flat[number] >= least:
                numbers.append(lower)
                heights.append(flat[lower] - flat[number])
            root[lower] = upper
            own = upper
    top = order[0]
    numbers.append(top)
    heights.append(flat[top])
    return numbers, heights


@no_type_check
@njit(cache=True)
def in_body(solid, x, y, centre, angle, reach):
    """Whether a pixel lies in a shape given as a body picture."""
    size = solid.shape[0]
    dx, dy = (x - centre[0]) / reach, (y - centre[1]) / reach
    u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    column, row = int((u + 1) * size / 2), int((v + 1) * size / 2)
    return 0 <= row < size and 0 <= column < size and solid[row, column]


@no_type_check
@njit(cache=True)
def extremities_of_masks(inside, centre, angle, reach, solid, least, most, found):
    """Fills found [T, most, 8]: tip x, y, middle x, y, root x, y, prominence, distance (pixels); NaN: no such peak.

    The root is where the way back from the tip enters the `solid` shape (a body picture), or, should it not, has come
    down by the prominence; the middle is half way.
    """
    for t in range(inside.shape[0]):
        rows, columns = np.nonzero(inside[t])
        if len(rows) == 0:
            continue
        nearest = np.argmin((rows - centre[t, 1]) ** 2 + (columns - centre[t, 0]) ** 2)
        distance, parent = distance_within(inside[t], rows[nearest], columns[nearest])
        numbers, heights = peaks(distance, least)
        ranked = np.argsort(-np.array(heights))
        width = inside.shape[2]
        for place in range(min(most, len(ranked))):
            number, prominence = numbers[ranked[place]], heights[ranked[place]]
            tip = distance[number // width, number % width]
            found[t, place, 0], found[t, place, 1] = number % width, number // width
            found[t, place, 6], found[t, place, 7] = prominence, tip
            step = number
            low = tip - prominence
            while parent[step // width, step % width] >= 0:
                row, column = step // width, step % width
                if in_body(solid, column, row, centre[t], angle[t], reach):
                    low = distance[row, column]
                    break
                step = parent[row, column]
            step, middle, root = number, number, number
            while parent[step // width, step % width] >= 0 and distance[step // width, step % width] >= low:
                root = step
                if distance[step // width, step % width] >= (tip + low) / 2:
                    middle = step
                step = parent[step // width, step % width]
            found[t, place, 2], found[t, place, 3] = middle % width, middle // width
            found[t, place, 4], found[t, place, 5] = root % width, root // width
