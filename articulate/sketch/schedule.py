"""Strokes that begin wide, so that they meet what they should cover, and end at their own width."""

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
