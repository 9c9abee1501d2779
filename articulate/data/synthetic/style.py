"""How limbs look: thickness, colours and texture, and the cue by which limbs can be told apart."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from articulate.data.synthetic.family import Family, distinct_colours

Cue = Literal["none", "widths", "colours"]
STICK_WIDTH = 0.034  # of the image side: a little over two pixels at 64
SKIN = (0.87, 0.64, 0.48)


class Rendered(NamedTuple):
    """Frames, soft foreground (255 = subject) and which keypoints are in view and not hidden by a nearer limb."""

    frames: UInt8[np.ndarray, "T S S 3"]
    mask: UInt8[np.ndarray, "T S S"]
    visible: Bool[np.ndarray, "T K"]


@dataclass(frozen=True)
class Style:
    """Look of L limbs: RGB in [0, 1], stick widths (share of the image side), capsule radii (units of the points).

    `texture` is the strength of the body-fixed pattern, `texture_scale` its grain in units of the points, and `seeds`
    its number per limb (equal seeds: the same pattern on each limb).
    """

    colours: Float[np.ndarray, "L 3"]
    widths: Float[np.ndarray, " L"]
    radii: Float[np.ndarray, "L 2"]
    seeds: Int[np.ndarray, " L"]
    texture: float = 0.0
    texture_scale: float = 1.0


def spread_factors(num: int, low: float, high: float) -> Float[np.ndarray, " num"]:
    """`num` different factors between `low` and `high`, neighbours far apart (golden-ratio steps, ranked)."""
    order = np.argsort(np.argsort((0.618033988749895 * np.arange(1, num + 1)) % 1.0))
    return low * (high / low) ** (order / max(num - 1, 1))


def make_style(family: Family, look: Literal["sticks", "capsules"], cue: Cue, texture: float = 0.35) -> Style:
    """The style of `family`: cue `none` gives all limbs one colour and, for sticks, one width.

    Cue `widths` makes every limb's thickness different, left from right too; `colours` gives each limb its own colour.
    """
    num = len(family.radii)
    plain = np.ones((num, 3)) if look == "sticks" else np.tile(np.array(SKIN), (num, 1))
    factors = spread_factors(num, 0.55, 2.0) if look == "sticks" else spread_factors(num, 0.72, 1.4)
    return Style(
        colours=distinct_colours(num, family.hue_start) if cue == "colours" else plain,
        widths=STICK_WIDTH * (factors if cue == "widths" else np.ones(num)),
        radii=family.radii * (factors[:, None] if cue == "widths" else 1.0),
        seeds=np.zeros(num, dtype=np.int64) if cue == "none" else np.arange(num, dtype=np.int64),
        texture=texture if look == "capsules" else 0.0,
        texture_scale=0.05 * family.reference_size,
    )
