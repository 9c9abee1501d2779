"""Compiled search for the cheapest ways within a mask from one pixel to all others."""

import heapq
from typing import no_type_check

import numpy as np
from numba import njit

STEPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@no_type_check
@njit(cache=True)
def cheapest_ways(inside, ease, source_row, source_column):
    """Cost of every pixel along the cheapest way from the source in the mask, and the way back (Dijkstra 1959).

    A step to one of 8 neighbours costs its length over the `ease` of the pixel it leads to. Infinite where no way
    leads; the way back is the flat number of the pixel before, -1 where there is none.
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
                new = value + (1.4142135623730951 if dy != 0 and dx != 0 else 1.0) / ease[y, x]
                if new < cost[y, x] - 1e-12:
                    cost[y, x] = new
                    parent[y, x] = number
                    heapq.heappush(queue, (new, y * width + x))
    return cost, parent
