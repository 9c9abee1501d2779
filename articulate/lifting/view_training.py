"""Training of the view lifter alone: several starts of elevation and distance, the best goes on to the end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import DataError, TrainingError
from articulate.lifting.inputs import clip_scales, prepare, seen_points, subject_scale
from articulate.lifting.view_tree import tree_from_views
from articulate.lifting.views import ViewLifter, ViewsConfig
from articulate.lifting.views_losses import (
    lift_with_camera,
    random_angles,
    random_directions,
    see_with_camera,
    sliced_wasserstein,
    turn_about_vertical,
)

Report = Callable[[int, dict[str, float]], None]


@dataclass
class ViewDiagnostics:
    """What the training found, without any label; distances are squared sliced Wasserstein in subject sizes."""

    elevation: float
    distance_of_views: float
    start_distances: dict[str, float]
    edges: Int[Tensor, "L 2"]
    tree_was_given: bool
    history: list[dict[str, float]] = field(default_factory=list)


def train_view_lifter(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    edges: Int[Tensor, "L 2"] | None,
    config: ViewsConfig,
    generator: torch.Generator,
    progress: Report | None = None,
    clip: Int[Tensor, " N"] | None = None,
) -> tuple[ViewLifter, ViewDiagnostics]:
    """A trained lifter for these frames, and how the training went; use its `eval()` form on new frames.

    Without `edges` the tree is found from the moments of the views (`tree_from_views`). With `clip`, every
    clip is brought to one scale by its limbs (weak perspective). Raises
    DataError with fewer than 16 frames that show two points.
    """
    usable = seen_points(xy, score).sum(1) >= 2
    if int(usable.sum()) < 16:
        raise DataError(f"{int(usable.sum())} frames show two keypoints or more; the view lifter needs at least 16")
    tree = edges if edges is not None else tree_from_views(xy[usable], None if score is None else score[usable])
    scales = subject_scale(xy, score).expand(len(xy)) if clip is None else clip_scales(xy, score, clip, tree)
    data = _Data(xy[usable], None if score is None else score[usable], scales[usable])
    best, distances = _best_start(data, tree, config, generator)
    history: list[dict[str, float]] = []
    _train(best, data, tree, config.steps, generator, history, progress)
    best.eval()
    final = view_distance(best, data.xy, data.score, data.scale, generator)
    return best, ViewDiagnostics(best.elevation.item(), final, distances, tree, edges is not None, history)


@dataclass
class _Data:
    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"] | None
    scale: Float[Tensor, " N"]

    def batch(self, index: Int[Tensor, " B"]) -> tuple[Tensor, Tensor | None, Tensor]:
        """The frames `index`."""
        return self.xy[index], None if self.score is None else self.score[index], self.scale[index]


def _best_start(
    data: _Data, tree: Int[Tensor, "L 2"], config: ViewsConfig, generator: torch.Generator
) -> tuple[ViewLifter, dict[str, float]]:
    """A lifter per start of elevation (and distance), each trained a little; the one whose views look most real."""
    far = config.distances if config.camera == "perspective" else (math.inf,)
    starts = [(e, d) for e in config.elevation_starts for d in far]
    best, lowest, distances = None, math.inf, {}
    for elevation, distance in starts:
        lifter = ViewLifter(data.xy.shape[1], config, generator).to(data.xy.device).train()
        lifter.calibrate(data.xy, data.score)
        with torch.no_grad():
            lifter.elevation.fill_(elevation)
            lifter.distance.fill_(distance)
        if len(starts) > 1:
            _train(lifter, data, tree, round(config.start_share * config.steps), generator, [], None)
        # The same directions and angles for every start: only differences between starts matter.
        judge = torch.Generator().manual_seed(0)
        found = view_distance(lifter, data.xy, data.score, data.scale, judge)
        distances[f"elevation {elevation:g}, distance {distance:g}"] = found
        if found < lowest or best is None:
            best, lowest = lifter, found
    assert best is not None
    return best, distances


def _train(
    lifter: ViewLifter,
    data: _Data,
    tree: Int[Tensor, "L 2"],
    until: int,
    generator: torch.Generator,
    history: list[dict[str, float]],
    progress: Report | None,
) -> None:
    """Adam until the lifter's own step count, learning rate along half a cosine after a short rise."""
    lifter.train()
    config = lifter.config
    optimiser = torch.optim.Adam(lifter.parameter_groups(), betas=(0.9, 0.99))
    base = [group["lr"] for group in optimiser.param_groups]
    while (step := int(lifter.step.item())) < until:
        factor = min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for group, rate in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = rate * factor
        index = torch.randint(len(data.xy), (config.batch_size,), generator=generator).to(data.xy.device)
        terms = lifter.losses(*data.batch(index)[:2], tree, data.scale[index])
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            bad = [name for name, value in terms.items() if not torch.isfinite(value)]
            raise TrainingError(f"view lifter: {', '.join(bad)} is not finite at step {step}")
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(lifter.parameters(), 1.0)
        optimiser.step()
        if step % 20 == 0:
            values = {name: value.item() for name, value in terms.items()}
            history.append({"step": float(step), **values})
            if progress is not None:
                progress(step, values)


@torch.no_grad()
def view_distance(
    lifter: ViewLifter,
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    scale: Float[Tensor, " N"],
    generator: torch.Generator,
    frames: int = 2048,
) -> float:
    """How far the poses, turned at random, are from looking like the observed ones, on up to `frames` frames."""
    index = torch.randperm(len(xy), generator=generator)[:frames].to(xy.device)
    prepared = prepare(xy[index], None if score is None else score[index], scale[index])
    filled, z, _ = lifter.complete(prepared.points, prepared.weight)
    joints = lift_with_camera(filled, z, lifter.rays)
    total = 0.0
    for _ in range(4):
        angle = random_angles(len(joints), generator, joints)
        image = see_with_camera(turn_about_vertical(joints, angle, lifter.elevation), lifter.rays)
        image = torch.where((prepared.weight > 0)[..., None], image, torch.zeros_like(image))
        directions = random_directions(2 * xy.shape[1], 256, generator, joints)
        total += sliced_wasserstein(image.flatten(1), prepared.points.flatten(1), directions).item() / 4
    return total
