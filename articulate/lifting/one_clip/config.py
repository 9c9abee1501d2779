"""Settings and result of lifting one clip."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from articulate.errors import ConfigError


@dataclass(frozen=True)
class OneClipConfig:
    """Settings of `solve_clip`. Lengths are in per cent of the median image diagonal of the pose (%d)."""

    method: str = "body_frame"  # or "distances": the search over signs by compact pairwise distances
    heading_start: bool = True  # one more start, from a heading model of the clip
    hedge: bool = True  # where depth is not determined: every bone's dz times 2 P(sign right) - 1, towards flat
    num_starts: int = 4  # factorisations around different cores, or random signs for `distances`
    sweeps: int = 8  # annealed sweeps over all moves
    polish_sweeps: int = 3  # sweeps at temperature zero
    temperature: float = 1.0  # of the first annealed sweep; the last has a tenth of it
    pose_weight: float = 0.3  # of one frame's pose cost: neighbouring frames are not independent
    smooth_weight: float = 3.0  # of the bounded depth acceleration, per bone and frame
    floor: float = 0.55  # %d, spread that no coordinate of the pose distribution falls below
    shrinkage: float = 0.1  # of the pose covariance towards its diagonal
    max_frames: int = 600  # the search runs on at most this many frames; the rest follow by one exact pass
    min_score: float = 0.2  # keypoints below this are bridged in time and carry no confidence
    length_quantile: float = 0.99  # of a bone's image length: where its 3D length starts
    refine_lengths: bool = False  # compiled search only
    max_hops: int = 6  # `distances` only: pairs of keypoints up to this many bones apart
    device: str | None = None  # where all starts are searched together, as tensors; None: compiled, one after another
    perspective_distance: float | None = None  # camera to root, unit of xy; None: orthographic

    def __post_init__(self) -> None:
        if self.refine_lengths and self.device is not None:
            raise ConfigError("refine_lengths belongs to the compiled search: leave `device` out")


@dataclass(frozen=True)
class ClipSolution:
    """What `solve_clip` found. Unit: that of `xy`; camera frame (x right, y down, z forward), z = 0 at the root.

    `flip_gap` [T, L] is what flipping one bone in one frame costs, its other frames following; `agreement` the share of
    starts that chose the same sign; `confidence` the probability that the sign of a bone's depth is right, given the
    best reflection of the whole clip; `determined` says whether the clip shows enough views to know depth at all. Where
    it does not, `joints` are hedged towards flat depth (`OneClipConfig.hedge`), so their bones are too short.
    """

    joints: Float[Tensor, "T K 3"]
    bone_lengths: Float[Tensor, " L"]
    confidence: Float[Tensor, "T L"]
    flip_gap: Float[Tensor, "T L"]
    agreement: Float[Tensor, "T L"]
    energy: float
    view_coverage: float
    determined: bool
    statement: str
    diagnostics: dict[str, float] = field(default_factory=dict)
