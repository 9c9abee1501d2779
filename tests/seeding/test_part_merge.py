"""Bleached shades of a limb are one part; two limbs of like colour in a row are two."""

import numpy as np
import pytest

from articulate.seeding.appearance import measure
from articulate.seeding.capsule_fit import Evidence
from articulate.seeding.parts.merge import shades_of_one


def measured(draw):
    """Contacts and moments of three parts over ten frames that are drawn by `draw(labels, frame)`."""
    labels = np.full((10, 40, 40), -1)
    for t, picture in enumerate(labels):
        draw(picture, t)
    evidence = Evidence(labels, (labels >= 0).astype(float), np.zeros(10, int))
    return measure(np.arange(10), evidence, 3, 1.0)


def bleached(picture, t):
    """A limb whose upper side is paler all along, and another below it."""
    picture[10:13, 5 + t : 25 + t] = 0
    picture[13:16, 5 + t : 25 + t] = 1
    picture[16:34, 5 + t : 10 + t] = 2


def in_a_row(picture, t):
    """Three limbs end to end."""
    picture[10:15, 1 + t : 11 + t] = 0
    picture[10:15, 11 + t : 21 + t] = 1
    picture[10:15, 21 + t : 31 + t] = 2


RED, PALE, ORANGE, BLUE = (0.45, 0.26), (0.30, 0.20), (0.3, 0.3), (-0.1, -0.3)


@pytest.mark.parametrize(
    ("draw", "colours", "groups"),
    [
        (bleached, (RED, PALE, BLUE), [0, 0, 1]),
        (bleached, (RED, BLUE, PALE), [0, 1, 2]),  # side by side, but of another hue
        (in_a_row, (RED, PALE, ORANGE), [0, 1, 2]),
    ],
)
def test_shades_of_one_limb(draw, colours, groups):
    found = measured(draw)
    assert shades_of_one(np.array(colours), found.contacts, found.moments).tolist() == groups
