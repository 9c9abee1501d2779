"""Training of the view lifter alone: a heading model sets elevation and signs, then the network learns."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import DataError, TrainingError
from articulate.lifting.heading_fit import fit_heading_model
from articulate.lifting.heading_model import filled_points
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
    data = view_data(xy, score, clip, tree)
    best, distances = _best_distance(data, tree, config, generator)
    history: list[dict[str, float]] = []
    _train(best, data, tree, config.steps, generator, history, progress)
    best.eval()
    final = view_distance(best, data.xy, data.score, data.scale, generator)
    return best, ViewDiagnostics(best.elevation.item(), final, distances, tree, edges is not None, history)


@dataclass
class ViewData:
    """Frames to learn from, with the size of the subject in each."""

    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"] | None
    scale: Float[Tensor, " N"]

    def batch(self, index: Int[Tensor, " B"]) -> tuple[Tensor, Tensor | None, Tensor]:
        """The frames `index`."""
        return self.xy[index], None if self.score is None else self.score[index], self.scale[index]


def view_data(
    xy: Float[Tensor, "N K 2"],
    score: Float[Tensor, "N K"] | None,
    clip: Int[Tensor, " N"] | None,
    tree: Int[Tensor, "L 2"],
) -> ViewData:
    """The frames that show two points or more; with `clip`, every clip at its own scale, from its limbs."""
    usable = seen_points(xy, score).sum(1) >= 2
    scales = subject_scale(xy, score).expand(len(xy)) if clip is None else clip_scales(xy, score, clip, tree)
    return ViewData(xy[usable], None if score is None else score[usable], scales[usable])


def choose_start(
    config: ViewsConfig, data: ViewData, tree: Int[Tensor, "L 2"], generator: torch.Generator
) -> ViewLifter:
    """An untrained network whose scale, elevation and teacher are set: a heading model fitted to all frames.

    Seconds for some thousand frames. The tree is not needed by the fit; it names the bones that start with the lengths
    of the model's poses. Raises DataError with fewer than 16 frames.
    """
    if len(data.xy) < 16:
        raise DataError(f"{len(data.xy)} frames show two keypoints or more; the view lifter needs at least 16")
    lifter = ViewLifter(data.xy.shape[1], config, generator).to(data.xy.device)
    lifter.calibrate(data.xy, data.score)
    if config.teach_weight > 0:
        prepared = prepare(data.xy, data.score, data.scale)
        points, weight = prepared.points.cpu(), prepared.weight.cpu()
        fit = fit_heading_model(points, weight, config.heading, generator)
        lifter.learn_from(fit)
        joints = fit.model.posterior(filled_points(fit.model, points, weight), least=0.02)[0].to(data.xy)
        first, second = tree.min(1).values, tree.max(1).values
        lifter.know_lengths(first, second, (joints[:, second] - joints[:, first]).norm(dim=-1).clamp_min(1e-4))
    return lifter.train()


def _best_distance(
    data: ViewData, tree: Int[Tensor, "L 2"], config: ViewsConfig, generator: torch.Generator
) -> tuple[ViewLifter, dict[str, float]]:
    """The start; for perspective a copy per distance, trained a little: the one whose views look most real."""
    start = choose_start(config, data, tree, generator)
    if config.camera == "parallel":
        return start, {}
    best, lowest, distances = start, math.inf, {}
    for distance in config.distances:
        lifter = copy.deepcopy(start)
        lifter.distance.fill_(distance)
        if len(config.distances) > 1:
            _train(lifter, data, tree, round(config.start_share * config.steps), generator, [], None)
        # The same directions and angles for every start: only differences between starts matter.
        found = view_distance(lifter, data.xy, data.score, data.scale, torch.Generator().manual_seed(0))
        distances[f"distance {distance:g}"] = found
        if found < lowest:
            best, lowest = lifter, found
    return best, distances


def _train(
    lifter: ViewLifter,
    data: ViewData,
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
