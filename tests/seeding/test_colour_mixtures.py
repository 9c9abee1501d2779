"""A seam whose mixed colour is that of a third limb is unsure; the third limb itself, and other small pieces, stay."""

import numpy as np
import pytest

from articulate.seeding.parts.colour import UNSURE, ColourParts
from articulate.seeding.parts.mixtures import drop_mixtures

RED, VIOLET, BLUE, GREEN = (0.5, 0.2), (0.2, -0.2), (-0.1, -0.6), (-0.4, 0.2)  # violet lies between red and blue
PARTS = ColourParts(np.array([RED, VIOLET, BLUE, GREEN]), np.full(4, 0.03), np.full(4, 0.25))


def picture(seam: int, width: int):
    """Red on the left, blue on the right, and between them some columns of the part `seam` (labels and colours)."""
    labels = np.full((1, 16, 16), 0)
    labels[:, :, 8:] = 2
    labels[:, :, 8 : 8 + width] = seam
    return labels, PARTS.centres[labels]


@pytest.mark.parametrize(("seam", "width", "kept"), [(1, 1, False), (1, 3, True), (3, 1, True)])
def test_thin_seam_of_a_colour_between_its_sides_is_not_believed(seam, width, kept):
    labels, chroma = picture(seam, width)
    before = labels.copy()
    drop_mixtures(labels, chroma, PARTS)
    assert ((labels[0, 3:13, 8 : 8 + width] == seam).all()) == kept
    assert np.isin(labels[labels != before], [UNSURE]).all()
    assert np.array_equal(labels == 0, before == 0) and np.array_equal(labels == 2, before == 2)
