"""The options of built-in data, all flat, checked before anything is drawn."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from articulate.data.synthetic.families import FAMILIES


class SyntheticOptions(BaseModel):
    """What to draw, how it moves, how it is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str = Field("person", description=f"Kind of figure: {', '.join(FAMILIES)}. Not used with `motion`.")
    activities: tuple[str, ...] = Field((), description="Activities, by turns over the clips; empty: all.")
    motion: tuple[str, ...] = Field(
        (), description="Recorded motion instead of a family: .npz files, patterns or folders (xyz, parents, up_axis)."
    )
    follow: bool = Field(True, description="With `motion`: the camera follows the (smoothed) root.")
    look: Literal["sticks", "capsules"] = Field("capsules", description="Anti-aliased sticks, or shaded capsules.")
    cue: Literal["none", "widths", "colours"] = Field("colours", description="By what limbs can be told apart.")
    size: int = Field(64, ge=16, le=1024, description="Side of the square frames in pixels.")
    num_clips: int = Field(8, ge=1, description="Number of clips. Clip i does not depend on it.")
    num_frames: int = Field(200, ge=1, description="Frames per clip.")
    fps: float = Field(30.0, gt=0, description="Frames per second.")
    speed: float = Field(1.0, gt=0, description="Tempo of the motion.")
    yaw_coverage: float = Field(180.0, ge=0, description="Degrees that the figure turns in a clip.")
    yaw_start: float | None = Field(None, description="First yaw in degrees, 0: facing the camera; none: spread.")
    elevation: float | None = Field(
        None, ge=-90, le=90, description="Degrees from which the camera looks down; none: the family's own."
    )
    elevation_spread: float = Field(0.0, ge=0, description="Standard deviation of the elevation over clips, degrees.")
    scale: float = Field(0.84, gt=0, description="Size of the figure as a share of the frame.")
    scale_spread: float = Field(0.0, ge=0, description="Standard deviation of log scale over clips.")
    wander: float = Field(0.08, ge=0, description="How far the figure drifts, as a share of its size.")
    body_spread: float = Field(0.0, ge=0, description="Standard deviation of log bone lengths over clips; 0: one body.")
    camera: Literal["orthographic", "perspective"] = Field("orthographic", description="How depth shows.")
    distance: float = Field(4.0, ge=1.5, description="Perspective only: distance in figure sizes.")
    occlusion: bool = Field(True, description="Sticks: the nearer covers the farther (false: light adds up).")
    blur: float = Field(0.0, ge=0, description="Sticks: sigma of a Gaussian blur, pixels.")
    background: Literal["auto", "black", "plain", "clutter"] = Field(
        "auto", description="Static scene behind; auto: black for sticks, plain for capsules."
    )
    texture: float = Field(0.35, ge=0, le=1, description="Capsules: strength of the pattern fixed to the body.")
    noise: float = Field(
        0.0,
        ge=0,
        description="Jitter of each drawn keypoint and frame, per cent of the frame side; the truth stays.",
    )
    pixel_noise: float = Field(0.0, ge=0, le=1, description="Standard deviation of noise on pixel values (white = 1).")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Everything random follows from it.")

    @field_validator("activities", "motion", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known_names(self) -> "SyntheticOptions":
        if self.family not in FAMILIES:
            raise ValueError(f"family {self.family!r} is unknown, allowed are {', '.join(FAMILIES)}")
        known = FAMILIES[self.family]().activities
        for activity in self.activities:
            if activity not in known:
                raise ValueError(f"activity {activity!r} is unknown for {self.family}, allowed are {', '.join(known)}")
        return self
