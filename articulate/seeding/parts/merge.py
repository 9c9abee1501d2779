"""Two colours, one limb: where strong light bleaches, a limb shows its colour and a paler one side by side.

Chromaticity takes out the strength of the light only while no channel is saturated and nothing shines.
"""

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.parts.contacts import Contacts, contact_share, shown
from articulate.seeding.parts.ends import Moments

SAME_HUE = np.radians(30)
TOGETHER = 0.85  # share of frames in which they touch
BESIDE = 0.5  # distance of their middles over their mean length: limbs in a row have 1, folded ones less
SEAM = 1.4  # touching pairs of pixels for each pixel of the smaller: a joint has few


def shades_of_one(centres: Float[np.ndarray, "P 2"], contacts: Contacts, moments: Moments) -> Int[np.ndarray, " P"]:
    """New number of every part when parts of like hue that lie beside each other all along are one."""
    hue, share, visible = np.arctan2(centres[:, 1], centres[:, 0]), contact_share(contacts), shown(contacts)
    group = np.arange(len(centres))
    for p in range(len(centres)):
        for q in range(p + 1, len(centres)):
            apart = abs((hue[p] - hue[q] + np.pi) % (2 * np.pi) - np.pi)
            if share[p, q] < TOGETHER or apart > SAME_HUE:
                continue
            both = visible[:, p] & visible[:, q]
            distance = np.linalg.norm(moments.centre[both, p] - moments.centre[both, q], axis=-1)
            length = (moments.length[both, p] + moments.length[both, q]) / 2
            seam = contacts.count[both, p, q] / np.minimum(contacts.pixels[both, p], contacts.pixels[both, q])
            if np.median(distance / length) < BESIDE and np.median(seam) > SEAM:
                group[group == group[q]] = group[p]
    return np.unique(group, return_inverse=True)[1]
