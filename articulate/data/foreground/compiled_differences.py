"""Compiled differences of a picture to its scene or to a colour, with flicker and shadows allowed for: one pass each.

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
