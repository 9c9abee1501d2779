"""Numbers of the search for a puppet in silhouettes."""

from pydantic import Field

from articulate.config import StrictModel


class PuppetConfig(StrictModel):
    """How a tree of limbs of bounded length is found in silhouettes and followed through the clips."""

    work_size: int = Field(72, ge=24, description="larger silhouettes are reduced to at most this side, in pixels")
    prominence: float = Field(
        0.07, gt=0, lt=0.5, description="how far a limb must stick out, as a share of the diagonal of its frame's body"
    )
    least_ends: int = Field(2, ge=2, description="with fewer ends there is nothing to follow")
    templates: int = Field(4, ge=1, description="frames whose middle lines are tried as the puppet")
    surplus: float = Field(1.5, ge=1, description="joints to begin with, per keypoint; those that bend least go")
    hypotheses: int = Field(6, ge=1, description="poses kept per frame while a clip is followed")
    prediction: float = Field(0.02, ge=0, description="weight of the squared distance (pixels) to the predicted pose")
    even: float = Field(0.5, ge=0, description="weight on limbs in a line being foreshortened alike")
    alike: int = Field(3, ge=0, description="poses of like silhouettes that are tried in every frame")
    rounds: int = Field(2, ge=0, description="how often all clips are followed again, with lengths from all of them")
    least_explained: float = Field(0.6, ge=0, le=1, description="share of the body that the puppet must cover")
