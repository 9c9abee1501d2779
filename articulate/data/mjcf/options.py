"""The options of MuJoCo data, all flat, checked before anything is loaded."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Creature = Literal["dog", "rodent", "ant", "humanoid", "quadruped"]


class MujocoOptions(BaseModel):
    """Which body, how it moves, how it is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path | None = Field(None, description="MJCF file (.xml).")
    creature: Creature | None = Field(
        None, description=f"Instead of `model`, a body of dm_control: {', '.join(get_args(Creature))}."
    )
    size: int = Field(128, ge=16, le=512, description="Side of the square frames in pixels.")
    num_clips: int = Field(4, ge=1, description="Number of clips. Clip i does not depend on it.")
    num_frames: int = Field(120, ge=1, description="Frames per clip.")
    fps: float = Field(30.0, gt=0, description="Frames per second.")
    speed: float = Field(1.0, gt=0, description="Tempo: joints swing at 0.15 to 0.5 Hz times this.")
    reach: float = Field(0.7, gt=0, le=1, description="Share of every joint's range that the motion uses.")
    yaw_coverage: float = Field(180.0, ge=0, description="Degrees that the camera goes round in a clip; 0: it stands.")
    elevation: float = Field(15.0, ge=-90, le=90, description="Degrees from which the camera looks down.")
    camera: Literal["orthographic", "perspective"] = Field("orthographic", description="How depth shows.")
    distance: float = Field(4.0, ge=1.5, description="Perspective only: distance in body sizes.")
    scale: float = Field(0.9, gt=0, description="Size of the body as a share of the frame.")
    colours: Literal["model", "limbs"] = Field("model", description="The model's own, or one per limb.")
    background: float = Field(0.4, ge=0, le=1, description="Grey level of the plain background.")
    supersample: int = Field(2, ge=1, le=4, description="Rendered pixels per stored pixel, along each side.")
    max_keypoints: int = Field(
        64, ge=2, description="Most keypoints; where a body has more, its shortest bones are left out."
    )
    merge: float = Field(
        0.02, ge=0, lt=1, description="Joints that stay closer than this share of the body are one keypoint."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Everything random follows from it.")

    @model_validator(mode="after")
    def _one_body(self) -> "MujocoOptions":
        if (self.model is None) == (self.creature is None):
            names = ", ".join(get_args(Creature))
            raise ValueError(f"give `model` (an MJCF file) or `creature` ({names}), and not both")
        return self

    @property
    def body_name(self) -> str:
        """Name of the body for people."""
        return self.creature or (self.model.stem if self.model else "")
