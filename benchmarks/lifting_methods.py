"""Floors, bounds and lifters of table T4, all with one signature: views of one skeleton in, joints of each clip out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from lifting_data import View
from torch import Tensor

from articulate.lifting.inputs import clip_scales
from articulate.lifting.registry import build_lifter, default_config
from articulate.lifting.settle import settle_clips, settled_depth
from articulate.lifting.view_training import train_view_lifter
from articulate.lifting.views import ViewsConfig
from articulate.seeds import torch_generator
from articulate.skeleton.rooting import root_tree


@dataclass
class Result:
    """Joints of every clip by method name, in the unit of the views; facts that go to the notes."""

    joints: dict[str, list[Tensor]]
    facts: dict[str, float] = field(default_factory=dict)


def pooled(views: Sequence[View]) -> tuple[Tensor, Tensor]:
    """Points of all clips (float32), and the clip number of each frame."""
    xy = torch.cat([v.xy for v in views]).float()
    return xy, torch.cat([torch.full((len(v.xy),), i) for i, v in enumerate(views)])


def split(joints: Tensor, views: Sequence[View]) -> list[Tensor]:
    """Joints of all clips, clip by clip, in float64."""
    return list(joints.double().split([len(v.xy) for v in views]))


def with_depths(views: Sequence[View], depth: Callable[[View, Tensor], Tensor], seed: int) -> list[Tensor]:
    """Observed points with depths from `depth(view, 95th percentile of the projections)`."""
    found = []
    for view in views:
        parent, child = view.edges.unbind(1)
        lengths = (view.xy[:, child] - view.xy[:, parent]).norm(dim=-1).quantile(0.95, 0)
        found.append(torch.cat([view.xy, depth(view, lengths)[..., None]], -1))
    return found


def floors(views: Sequence[View], seed: int) -> Result:
    """Flat; random signs per bone and frame; true signs, both with lengths from the projections and the true tree."""
    generator = torch_generator(seed, "random signs")

    def settled(view: View, lengths: Tensor, guess: Tensor) -> Tensor:
        tree = root_tree(view.edges, num_keypoints=view.xy.shape[1]).edges
        place = {tuple(sorted(e)): i for i, e in enumerate(view.edges.tolist())}
        order = [place[tuple(sorted(e))] for e in tree.tolist()]
        return settled_depth(view.xy, guess, tree, lengths[order], torch.ones_like(guess))

    def random(view: View, lengths: Tensor) -> Tensor:
        return settled(view, lengths, torch.randn(view.xy.shape[:2], generator=generator, dtype=torch.float64))

    return Result(
        {
            "flat z = 0": with_depths(views, lambda v, _: torch.zeros_like(v.xy[..., 0]), seed),
            "random signs": with_depths(views, random, seed),
            "oracle signs (reads labels)": with_depths(views, lambda v, n: settled(v, n, v.joints[..., 2]), seed),
        }
    )


def as_written(name: str, views: Sequence[View], seed: int, steps: int) -> Result:
    """A baseline of the source trained alone on all frames; its learning rates x 30, for `steps` instead of its epochs.

    At the rates as printed nothing moves within such a budget.
    """
    xy, _ = pooled(views)
    config = default_config(name)
    lifter = build_lifter(xy.shape[1], config, torch_generator(seed, name)).train()
    lifter.calibrate(xy)
    groups = [{**g, "lr": g["lr"] if name == "factorised" else 30 * g["lr"]} for g in lifter.parameter_groups()]
    optimiser = torch.optim.Adam(groups)
    generator = torch_generator(seed, name, "batches")
    for _ in range(steps):
        index = torch.randint(len(xy), (config.batch_size,), generator=generator)
        total = torch.stack(list(lifter.losses(xy[index], None, views[0].edges).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    lifter.eval()
    with torch.no_grad():
        return Result({f"{name} as written": split(lifter(xy), views)})


def view_lifter(
    views: Sequence[View], seed: int, config: ViewsConfig, edges: Tensor | None, test: Sequence[View] | None = None
) -> Result:
    """The view lifter, its network alone and with settled depths; on `test` clips where given, else on its own."""
    xy, clip = pooled(views)
    lifter, found = train_view_lifter(xy, None, edges, config, torch_generator(seed, "views"), None, clip)
    use = list(views if test is None else test)
    xy, clip = pooled(use)
    scale = clip_scales(xy, None, clip, found.edges) if test is None else None
    with torch.no_grad():
        joints = lifter(xy, None, scale)
        joints = torch.cat([xy, joints[..., 2:]], -1)
        results = {"network": joints}
        for noise in (0.0, 0.5, 1.0):
            results[f"settled noise {noise:g}"] = settle_clips(joints, None, found.edges, clip, noise)[0]
    true = {tuple(sorted(e)) for e in use[0].edges.tolist()}
    right = len(true & {tuple(sorted(e)) for e in found.edges.tolist()}) / len(true)
    facts = {"elevation": math.degrees(found.elevation), "distance": found.distance_of_views, "edge recall": right}
    return Result({name: split(value, use) for name, value in results.items()}, facts)
