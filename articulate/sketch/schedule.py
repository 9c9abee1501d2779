"""How a drawing changes over a training: strokes that begin wide, pictures that begin small."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class WidthSchedule(BaseModel):
    """Factor on all half-widths: `start` at first, falling geometrically to 1 after the share `until` of training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float = Field(default=3.0, ge=1.0)
    until: float = Field(default=0.5, ge=0.0, le=1.0)

    def factor(self, share: float) -> float:
        """The factor when `share` of the training, in [0, 1], is done."""
        if self.until == 0.0 or share >= self.until:
            return 1.0
        return self.start ** (1.0 - share / self.until)


class Drawing(NamedTuple):
    """How to draw now: factor on half-widths, reduction of the picture, profile, levels of the pyramid, cut-off."""

    widen: float
    reduce: int
    profile: str
    levels: int
    threshold: float = 1e-6


class CoarseToFine(BaseModel):
    """Small pictures, wide soft strokes and many levels first; at last the full picture and sharp strokes.

    The defaults are those of table T2 (2D stickmen).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: WidthSchedule = WidthSchedule(start=4.0, until=0.3)
    reduce: int = Field(default=2, ge=1, description="factor by which pictures are smaller while coarse")
    levels: int = Field(default=4, ge=1, description="levels of the pyramid at first; half as many in the middle")
    middle: float = Field(default=0.4, ge=0, le=1, description="share of training after which half the levels count")
    sharp: float = Field(default=0.5, ge=0, le=1, description="share after which strokes have edges (smooth step)")
    full: float = Field(default=0.85, ge=0, le=1, description="share after which the full picture is compared, alone")

    def at(self, share: float) -> Drawing:
        """The drawing when `share` of the training is done. Coarse drawings are cut at an intensity of 1e-4."""
        levels = self.levels if share < self.middle else max(1, self.levels // 2) if share < self.full else 1
        reduce = 1 if share > self.full else self.reduce
        profile = "gaussian" if share < self.sharp else "smooth_step"
        return Drawing(self.widths.factor(share), reduce, profile, levels, 1e-4)
