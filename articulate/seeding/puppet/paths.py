"""Compiled search for middle lines: cheapest ways from a pixel to all others, where depth makes a way cheap."""

import heapq
from typing import no_type_check

import numpy as np
from numba import njit

from articulate.seeding.body.extremity_kernels import STEPS


@no_type_check
@njit(cache=True)
def middle_paths(inside, depth, source_row, source_column):
    """Flat number of the pixel before on the cheapest way from the source (Dijkstra 1959), -1 where there is none.

    A step costs its length over the square of the depth, so that ways keep to the middle and share it early.
    """
    height, width = inside.shape
    cost = np.full((height, width), np.inf)
    parent = np.full((height, width), -1, np.int64)
    cost[source_row, source_column] = 0.0
    queue = [(0.0, source_row * width + source_column)]
    while len(queue) > 0:
        value, number = heapq.heappop(queue)
        row, column = number // width, number % width
        if value > cost[row, column]:
            continue
        for dy, dx in STEPS:
            y, x = row + dy, column + dx
            if 0 <= y < height and 0 <= x < width and inside[y, x]:
                step = 1.4142135623730951 if dy != 0 and dx != 0 else 1.0
                new = value + step / (0.3 + depth[y, x]) ** 2
                if new < cost[y, x] - 1e-12:
                    cost[y, x] = new
                    parent[y, x] = number
                    heapq.heappush(queue, (new, y * width + x))
    return parent
