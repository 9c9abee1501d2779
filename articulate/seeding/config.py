"""Numbers of the search for seeds."""

from typing import Literal

from pydantic import Field

from articulate.config import StrictModel


class SeedConfig(StrictModel):
    """How first guesses of keypoints and tree are looked for before anything is trained."""

    strategy: Literal["auto", "colour_parts", "none"] = Field("auto", description="where parts come from")
    least_share: float = Field(0.0007, gt=0, lt=0.5, description="smallest part, as a share of the body's clear pixels")
    least_parts: int = Field(3, ge=2, description="with fewer colours there is no articulation to find")
    least_explained: float = Field(0.5, ge=0, le=1, description="share of the body that must show one of its colours")
    sample_frames: int = Field(200, ge=8, description="frames on which colours and tree are decided")
    contact: float = Field(
        0.4, ge=0, le=1, description="parts that touch in fewer of their common frames are strangers"
    )
    hidden_limb: float = Field(
        0.3, ge=0, description="a limb is hidden between two parts when it saves this many pixels a frame (of 64 x 64)"
    )
    trial_frames: int = Field(50, ge=4, description="frames on which hidden limbs are tried")
    trial_steps: int = Field(20, ge=1, description="steps of such a trial")
    decide_steps: int = Field(60, ge=1, description="steps of the fits that decide")
    steps: int = Field(160, ge=1, description="steps of the last fit, over all frames")
    when_fewer: Literal["keep", "split"] = Field(
        "keep", description="fewer keypoints than asked for: return those, or halve the longest limbs"
    )
