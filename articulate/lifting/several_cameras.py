"""Training of the lifters that learn from several synchronised cameras; one camera suffices afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.errors import DataError, TrainingError
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.multiview import ConsistentFactorisation, TransformReprojection
from articulate.lifting.registry import build_lifter


@dataclass(frozen=True)
class CameraView:
    """What one camera saw of instants that all cameras share, and where it stands: X_camera = R (X_world - c).

    Points are normalised image coordinates (x / z, focal length 1) where places are known, else any unit of parallel
    rays. Places are needed by `transform_reprojection`, and only there.
    """

    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"] | None = None
    rotation: Float[Tensor, "3 3"] | None = None
    centre: Float[Tensor, " 3"] | None = None


def train_several_cameras(
    views: Sequence[CameraView], config: LifterConfig, generator: torch.Generator, steps: int = 1000
) -> Lifter:
    """A lifter of the kind `config` names (`ReprojectionConfig`, `ConsistentConfig`), trained on pairs of cameras.

    Every step takes two cameras and `config.batch_size` instants at random. Call the result as any other lifter, on
    the points of one camera. Raises DataError with fewer than two cameras, unequal counts, or unknown places where
    they are needed.
    """
    calibrated = config.kind == "transform_reprojection"
    check_views(views, calibrated)
    num, count = views[0].xy.shape[:2]
    lifter = build_lifter(count, config, generator)
    if not isinstance(lifter, TransformReprojection | ConsistentFactorisation):
        raise DataError(f"several cameras: `{config.kind}` learns from one camera; use its own training")
    scores = [torch.ones_like(v.xy[..., 0]) if v.score is None else v.score for v in views]
    lifter.calibrate(torch.cat([v.xy for v in views]), torch.cat(scores))
    optimiser = torch.optim.Adam(lifter.parameter_groups())
    for step in range(steps):
        i, j = torch.randperm(len(views), generator=generator)[:2].tolist()
        index = torch.randint(num, (config.batch_size,), generator=generator)
        first, second = views[i], views[j]
        shown = (scores[i][index], scores[j][index])
        if isinstance(lifter, TransformReprojection):
            assert first.rotation is not None and second.rotation is not None
            assert first.centre is not None and second.centre is not None
            rotations, centres = (first.rotation, second.rotation), (first.centre, second.centre)
            terms = lifter.losses_of_pair(first.xy[index], second.xy[index], rotations, centres, shown)
        else:
            terms = lifter.losses_of_pair(first.xy[index], second.xy[index], shown)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise TrainingError(f"several cameras: the loss is not finite at step {step}: {terms}")
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    return lifter.eval()


def check_views(views: Sequence[CameraView], calibrated: bool) -> None:
    """Raise DataError where the cameras cannot train a lifter together."""
    if len(views) < 2:
        raise DataError(f"several cameras: {len(views)} given; two or more are needed")
    counts = [tuple(v.xy.shape[:2]) for v in views]
    if len(set(counts)) > 1:
        raise DataError(
            f"several cameras: instants and keypoints differ, {counts}; give every camera the same instants"
        )
    lost = [n for n, v in enumerate(views) if v.rotation is None or v.centre is None]
    if calibrated and lost:
        raise DataError(
            f"several cameras: `transform_reprojection` needs rotation and centre of cameras {lost}; "
            "use `consistent_factorisation` where they are unknown"
        )
