"""Floors, bounds and lifters of table T4, all with one signature: views of one skeleton in, joints of each clip out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from lifting_data import View
from torch import Tensor

from articulate.lifting.inputs import clip_scales, prepare
from articulate.lifting.registry import build_lifter, default_config
from articulate.lifting.run import RunConfig, lift_run, seen_coverage
from articulate.lifting.settle import settle_clips, settled_depth
from articulate.lifting.view_training import choose_start, train_view_lifter, view_data
from articulate.lifting.view_tree import tree_from_views
from articulate.lifting.views import ViewsConfig
from articulate.seeds import torch_generator
from articulate.skeleton.rooting import root_tree


@dataclass
class Result:
    """Joints of every clip by method name, in the unit of the views; facts that go to the notes."""

    joints: dict[str, list[Tensor]]
    facts: dict[str, object] = field(default_factory=dict)


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
    """Flat; random signs per bone and frame; true signs, both with lengths from the projections and the true tree.

    One bound more, for noisy points: true signs with true lengths, points as they are.
    """
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
            "oracle signs and lengths (reads labels)": with_depths(
                views, lambda v, _: settled(v, true_lengths(v), v.joints[..., 2]), seed
            ),
        }
    )


def true_lengths(view: View) -> Tensor:
    """Median true length of every bone."""
    return (view.joints[:, view.edges[:, 1]] - view.joints[:, view.edges[:, 0]]).norm(dim=-1).median(0).values


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


def seen_as_view(
    views: Sequence[View], seed: int, config: ViewsConfig, edges: Tensor | None, test: Sequence[View] | None = None
) -> Result:
    """The heading model fitted to `views`: its poses, and the lifted run; on `test` clips where given.

    `settled` knows no order of frames; `settled in time` does. Where every frame has a yaw of its own, neighbouring
    frames show nearly one pose from two sides, which no single camera gives: read that row as a bound.
    `settled` fits a model to each clip, on `test` clips too (no label is read, but the clip itself is); "one model for
    all clips" does not.
    """
    xy, clip = pooled(views)
    tree = edges if edges is not None else tree_from_views(xy)
    lifter = choose_start(config, view_data(xy, None, clip, tree), tree, torch_generator(seed, "views")).eval()
    use = list(views if test is None else test)
    xy, clip = pooled(use)
    run = RunConfig(method="views", scale="clips" if test is None else "likely", order="set")
    settled = lift_run(xy, None, clip, tree, lifter, run)
    timed = lift_run(xy, None, clip, tree, lifter, run.model_copy(update={"order": "time"}))
    single = run.model_copy(update={"clip": run.clip.model_copy(update={"rounds": 0})})
    alike = lift_run(xy, None, clip, tree, lifter, single)
    model = lifter.teacher.model
    assert model is not None
    scale = clip_scales(xy, None, clip, tree) if test is None else lifter.scale.expand(len(xy))
    prepared = prepare(xy, None, scale)
    raw, _, _ = model.posterior(prepared.points)
    auto = seen_coverage(xy, None, settled.joints, lifter, RunConfig())
    facts = {
        "elevation": math.degrees(model.elevation),
        "track noise": lifter.teacher.track_noise * lifter.scale.item(),
        "edge recall": recall(use[0].edges, tree),
        "coverage": auto.share,
        "confidence": settled.confidence.mean().item(),
        "sign accuracy by confidence": reliability(settled.joints, settled.confidence, tree, use),
        "sign accuracy by confidence, in time": reliability(timed.joints, timed.confidence, tree, use),
    }
    whole = raw * prepared.scale[:, None, None]
    joints = {"heading model": whole, "settled, one model for all clips": alike.joints}
    joints |= {"settled": settled.joints, "settled in time": timed.joints}
    return Result({name: split(found, use) for name, found in joints.items()}, facts)


def recall(true: Tensor, found: Tensor) -> float:
    """Share of the true edges that were found."""
    known = {tuple(sorted(e)) for e in true.tolist()}
    return len(known & {tuple(sorted(e)) for e in found.tolist()}) / len(known)


def reliability(joints: Tensor, confidence: Tensor, tree: Tensor, views: Sequence[View]) -> list[list[float]]:
    """Of each class of confidence: its mean, the share of bones whose sign of dz is right, the share of all bones.

    The depth reflection of a clip is the better one (reads labels); bones shorter in depth than 1 %d do not count.
    """
    right, sure, at = [], [], 0
    for view in views:
        rows = slice(at, at := at + len(view.xy))
        ours = joints[rows][:, tree[:, 1], 2] - joints[rows][:, tree[:, 0], 2]
        true = view.joints[:, tree[:, 1], 2] - view.joints[:, tree[:, 0], 2]
        same = (ours * true) > 0
        same = same if same.double().mean() >= 0.5 else ~same
        right.append(same[true.abs() > 1])
        sure.append(confidence[rows][true.abs() > 1])
    good, known = torch.cat(right).double(), torch.cat(sure).double()
    classes = torch.bucketize(known, torch.tensor([0.6, 0.7, 0.8, 0.9, 0.97], dtype=torch.float64))
    found = [(classes == c, c) for c in range(6)]
    return [[known[m].mean().item(), good[m].mean().item(), m.double().mean().item()] for m, _ in found if m.any()]


def network(views: Sequence[View], seed: int, config: ViewsConfig) -> Result:
    """The feed-forward network, trained with its teacher and without, alone and with settled depths."""
    xy, clip = pooled(views)
    joints: dict[str, list[Tensor]] = {}
    facts: dict[str, object] = {}
    for name, own in (("", config), (" without teacher", config.model_copy(update={"teach_weight": 0.0}))):
        lifter, found = train_view_lifter(xy, None, None, own, torch_generator(seed, "views"), None, clip)
        with torch.no_grad():
            pose = lifter(xy, None, clip_scales(xy, None, clip, found.edges))
        pose = torch.cat([xy, pose[..., 2:]], -1)
        joints[f"network{name}"] = split(pose, views)
        joints[f"network{name}, settled"] = split(settle_clips(pose, None, found.edges, clip)[0], views)
        facts[f"distance{name}"] = found.distance_of_views
    return Result(joints, facts)
