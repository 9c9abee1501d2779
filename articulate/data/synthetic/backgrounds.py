"""What stands behind a figure: a plain soft gradient, or static clutter of boxes, discs and grain."""

from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter, zoom

Background = Literal["black", "plain", "clutter"]


def make_background(kind: Background, size: int, generator: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """One static empty scene of `size` x `size` pixels."""
    if kind == "black":
        return np.zeros((size, size, 3), dtype=np.uint8)
    image = _gradient(size, generator)
    if kind == "clutter":
        image = _clutter(image, generator)
    return np.clip(np.rint(image * 255.0), 0, 255).astype(np.uint8)


def _gradient(size: int, generator: np.random.Generator) -> np.ndarray:
    """Cool grey, lighter above than below, faint grain."""
    height = np.linspace(0.0, 1.0, size)[:, None, None]
    tint = np.array([0.90, 0.92, 0.95]) + generator.uniform(-0.02, 0.02, 3)
    return tint * (0.80 - 0.22 * height) + 0.004 * generator.standard_normal((size, size, 1))


def _clutter(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Muted boxes and discs at random places, then grain of several sizes: nothing of it moves."""
    size = len(image)
    rows, columns = np.mgrid[0:size, 0:size] / size
    for _ in range(28):
        x, y = generator.uniform(-0.05, 1.05, 2)
        across, along = generator.uniform(0.03, 0.22, 2)
        angle, grey = generator.uniform(0, np.pi), generator.uniform(0.18, 0.85)
        u = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        v = -(columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
        if generator.random() < 0.6:
            signed = np.minimum(across - np.abs(u), along - np.abs(v))
        else:
            signed = across - np.hypot(u, v)
        alpha = np.clip(signed * size + 0.5, 0.0, 1.0)[..., None] * generator.uniform(0.6, 1.0)
        colour = grey + generator.uniform(-0.13, 0.13, 3)
        image = image + alpha * (colour - image)
    return np.clip(image + _grain(size, generator)[..., None], 0.02, 0.98)


def _grain(size: int, generator: np.random.Generator) -> Float[np.ndarray, "S S"]:
    grain = np.zeros((size, size))
    for cells, strength in ((6, 0.05), (16, 0.03), (size, 0.012)):
        coarse = generator.standard_normal((cells + 2, cells + 2))
        grain += strength * zoom(coarse, size / cells, order=1)[:size, :size]
    return gaussian_filter(grain, 0.4)
