"""Compiled midline of a mask: the longest way within it, and the middle of what is equally far along that way."""

from typing import no_type_check

import numpy as np
from numba import njit

from articulate.seeding.body.extremity_kernels import distance_within


@no_type_check
@njit(cache=True)
def midlines(inside, grey, points, profile, length):
    """Fills points [T, K, 2] (x, y), profile [T, K, 2] (pixels and mean grey level across) and length [T] (pixels).

    The ends are the pixel farthest, within the mask, from its middle, and the one farthest from that. Parts that are
    not connected to the middle are ignored. Empty masks leave NaN.
    """
    frames, count = points.shape[:2]
    for t in range(frames):
        rows, columns = np.nonzero(inside[t])
        if len(rows) == 0:
            points[t], profile[t], length[t] = np.nan, np.nan, np.nan
            continue
        nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        distance, _ = distance_within(inside[t], rows[nearest], columns[nearest])
        first = np.argmax(distance)
        width = inside.shape[2]
        distance, _ = distance_within(inside[t], first // width, first % width)
        length[t] = max(distance.max(), 1.0)
        half = max(1.5, length[t] / (2 * (count - 1)))
        sums = np.zeros((count, 4))
        for i in range(len(rows)):
            way = distance[rows[i], columns[i]]
            if way < 0:
                continue
            for k in range(count):
                if abs(way - length[t] * k / (count - 1)) <= half:
                    sums[k, 0] += 1
                    sums[k, 1] += columns[i]
                    sums[k, 2] += rows[i]
                    sums[k, 3] += grey[t, rows[i], columns[i]]
        for k in range(count):
            total = max(sums[k, 0], 1.0)
            points[t, k, 0], points[t, k, 1] = sums[k, 1] / total, sums[k, 2] / total
            profile[t, k, 0], profile[t, k, 1] = sums[k, 0], sums[k, 3] / total
