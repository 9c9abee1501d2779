"""Crops without Pillow against Pillow."""

import numpy as np
import pytest
from PIL import Image

from articulate.data.foreground.resampling import crop


@pytest.mark.parametrize(("side", "size"), [(64, 32), (50, 64), (97, 40), (40, 128), (33, 33)])
def test_crops_equal_those_of_pillow_bit_for_bit(side, size):
    image = np.random.default_rng(side).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    for x0, y0 in ((5, 3), (-12, -7), (60, 40)):
        square = np.tile(np.array([9, 99, 199], np.uint8), (side, side, 1))
        for y in range(side):
            for x in range(side):
                if 0 <= y + y0 < 70 and 0 <= x + x0 < 90:
                    square[y, x] = image[y + y0, x + x0]
        expected = np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BILINEAR))
        found = crop(image, (x0, y0), side, size, (9, 99, 199))
        assert np.abs(found.astype(int) - expected.astype(int)).max() == 0
