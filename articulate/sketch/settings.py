"""How to draw, apart from what: what every backend of the renderer takes."""

from typing import NamedTuple


class Settings(NamedTuple):
    """See `draw_limbs`."""

    size: tuple[int, int]
    profile: str
    composition: str
    softness: float
    temperature: float
    threshold: float
