"""Numbers of the refinement of a run as one body."""

from dataclasses import dataclass

from pydantic import Field

from articulate.config import StrictModel


class RefinementConfig(StrictModel):
    """Rounds, and expected sizes of the residuals in subject sizes, from the first round to the last."""

    rounds: int = Field(14, ge=2)
    steps: int = Field(25, ge=1, description="of the quasi-Newton method, in every round")
    points: float = Field(0.015, gt=0, description="noise of the keypoints; larger errors count as outliers")
    bones: tuple[float, float] = (0.3, 0.02)
    acceleration: tuple[float, float] = (0.05, 0.02)
    ridge: tuple[float, float] = Field((0.3, 0.05), description="least spread of the Gaussian of poses")
    prior: float = Field(3.0, ge=0, description="weight of the Gaussian of poses")
    limits: float = Field(0.0, ge=0, description="weight of the Gaussians of joints, each bone seen from its parent")
    order: float = Field(5.0, ge=0, description="weight of the order of depth")
    order_softness: float = Field(0.03, gt=0)
    stiff_bones: float = Field(0.05, gt=0, description="first of `bones` in the attempt that trusts the first signs")
    stiff_ridge: float = Field(0.1, gt=0, description="first of `ridge` in that attempt")
    symmetry: float = Field(
        0.0, ge=0, description="expected difference of log lengths of mirrored bones, such as 0.03; 0: no such belief"
    )
    rereadings: int = Field(2, ge=0, description="times that poses are read again from the Gaussian of the best ones")
    reading_rounds: int = Field(15, ge=1, description="of expectation maximisation, each time")
    reading_ridge: float = Field(0.1, gt=0, description="least spread of the Gaussian that it starts from")
    elevations: tuple[float, ...] = Field(
        (0.5, 0.9, 1.3), description="rad; of steep cameras, tried where the body turns all around in the picture"
    )
    settled_prior: float = Field(0.3, gt=0, description="`prior` once most signs are found; it bends poses less")
    settled_limits: float = Field(1.0, ge=0, description="`limits` from then on")
    settled_rounds: int = Field(8, ge=2, description="`rounds` from then on, every time")
    flips: int = Field(3, ge=0, description="times that limbs are turned over where that is likelier, then")
    elevation_step: float = Field(0.05, gt=0, description="rad around the heading model's, where the best is sought")

    def stiff(self) -> "RefinementConfig":
        """Numbers of an attempt that starts stiff: it keeps signs of good first poses, which a soft one loses."""
        bones, ridge = (self.stiff_bones, self.bones[1]), (self.stiff_ridge, self.ridge[1])
        return self.model_copy(update={"bones": bones, "ridge": ridge})

    def settled(self) -> "RefinementConfig":
        """Numbers for poses most of whose signs are found: stiff, a lighter Gaussian of poses, Gaussians of joints."""
        weights = {"prior": self.settled_prior, "limits": self.settled_limits, "rounds": self.settled_rounds}
        return self.stiff().model_copy(update=weights)

    def last(self) -> "RefinementConfig":
        """Numbers of a few last rounds: the final sizes, and a third of both Gaussians, which bend right poses too."""
        sizes = {name: (getattr(self, name)[1],) * 2 for name in ("bones", "acceleration", "ridge")}
        return self.model_copy(update={**sizes, "rounds": 4, "prior": self.prior / 3, "limits": self.limits / 3})


@dataclass(frozen=True)
class Sizes:
    """Expected residuals of one round."""

    bones: float
    acceleration: float
    ridge: float


def sizes_of(progress: float, config: RefinementConfig) -> Sizes:
    """Sizes between the first (progress 0) and the last (1), in equal ratios."""

    def between(ends: tuple[float, float]) -> float:
        return ends[0] * (ends[1] / ends[0]) ** progress

    return Sizes(between(config.bones), between(config.acceleration), between(config.ridge))
