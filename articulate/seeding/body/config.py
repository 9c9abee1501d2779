"""Settings of the body-axis strategy."""

from pydantic import BaseModel, ConfigDict, Field


class BodyAxisConfig(BaseModel):
    """What counts as a body, how its limb ends are found, and how freely they move."""

    model_config = ConfigDict(extra="forbid")

    max_frames: int = Field(6000, ge=100, description="most frames that are looked at; others get no keypoints")
    opening: float = Field(0.5, gt=0, lt=1, description="limbs thinner than this share of the body are opened away")
    stiffness: float = Field(3.0, ge=0, description="weight of time against appearance in telling head from tail")
    least_elongation: float = Field(1.25, ge=1, description="length over width below which there is no axis")
    least_coverage: float = Field(0.1, ge=0, le=1, description="least spread of headings (0 one way, 1 full circle)")
    least_prominence: float = Field(0.1, gt=0, lt=1, description="how far a limb sticks out, in units of the reach")
    most_occupied: float = Field(0.6, gt=0, le=1, description="limb ends lie where the mask is this seldom")
    least_seen: float = Field(0.35, ge=0, le=1, description="share of frames in which a limb must be found")
    network_steps: int = Field(
        400, ge=0, description="batches for the network that corrects the seeds by what they have in common; 0: none"
    )
