"""Table T4f: the kinematic fit term by term, on noisy people lifted frame by frame; which term does what.

python benchmarks/kinematic_fit.py [--quick] [--seeds N] [--budget SECONDS]

Clips of CMU motion capture, every clip at one random yaw, 1 %d of white noise on the points. The input of the fit is
what the heading model of these clips gives for every frame alone (`lifting.run.order: set`), so it jitters. Scores as
in `lifting.py`; "acceleration" is the error of the second difference of the joints, in %d a frame squared.
"""

import argparse
import statistics
import time

import torch
from lifting import CONFIG, score
from lifting_data import View, convention, drawn_elevation, recordings, seen
from lifting_methods import pooled, split
from scoreboard import Row, publish
from torch import Tensor

from articulate.evaluation.pose3d import reflected
from articulate.lifting.articulation import articulation_from_motion
from articulate.lifting.filters import one_euro
from articulate.lifting.kinematic_fit import TERMS, FitConfig, kinematic_fit
from articulate.lifting.kinematics import bone_vectors
from articulate.lifting.run import RunConfig, lift_run
from articulate.lifting.view_training import choose_start, view_data
from articulate.seeds import torch_generator

FRAMES, RATE = 200, 30.0


def clips(number: int, seed: int) -> list[View]:
    """The first frames of `number` clips of the commonest skeleton, spread over its recordings."""
    groups: dict[object, list] = {}
    for recording in recordings("cmu"):
        groups.setdefault(convention(recording), []).append(recording)
    most = max(groups.values(), key=len)
    chosen = [seen(r, "clip", drawn_elevation(seed), seed, 1.0) for r in most[:: max(1, len(most) // number)]]
    return [View(v.name, v.joints[:FRAMES], v.xy[:FRAMES], v.edges) for v in chosen]


def lifted(views: list[View], seed: int) -> list[Tensor]:
    """Joints of every clip from the heading model of all of them, every frame on its own, true tree."""
    xy, clip = pooled(views)
    tree = views[0].edges
    lifter = choose_start(CONFIG, view_data(xy, None, clip, tree), tree, torch_generator(seed, "views")).eval()
    run = RunConfig(method="views", scale="clips", order="set")
    return split(lift_run(xy, None, clip, tree, lifter, run).joints, views)


def variants(view: View, joints: Tensor) -> dict[str, Tensor]:
    """The lifted joints, filtered ones, and fits with all terms and without each one."""
    names = tuple(str(k) for k in range(joints.shape[1]))
    found = {"lifted, no fit": joints, "One-Euro filter both ways": one_euro(joints, RATE, 2.0, 0.02, both_ways=True)}
    model = articulation_from_motion(joints, view.edges, names)
    for left_out in (None, *TERMS):
        weights = {name: float(name != left_out) for name in TERMS}
        fit = kinematic_fit(joints, view.xy, view.edges, model=model, config=FitConfig(weights))
        found["all terms" if left_out is None else f"without {left_out}"] = fit.joints
    return found


def measures(pose: Tensor, view: View) -> dict[str, float]:
    """Errors of one clip in %d, and how much its bones change their length, in per cent."""
    length = bone_vectors(pose, view.edges).norm(dim=-1)
    other = min((pose, reflected(pose)), key=lambda p: (p - view.joints).norm(dim=-1).mean().item())
    bend = (other.diff(n=2, dim=0) - view.joints.diff(n=2, dim=0)).norm(dim=-1).mean().item()
    return {
        "mpjpe [%d]": score(pose, view)["mpjpe_d"],
        "acceleration [%d]": bend,
        "length spread [per cent]": 100 * (length.std(0) / length.mean(0)).mean().item(),
    }


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four clips instead of eight")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no new seed starts")
    parser.add_argument("--device", default="cpu", choices=["cpu"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, values = time.monotonic(), {}
    for seed in range(options.seeds):
        if time.monotonic() - began > options.budget:
            break
        views = clips(4 if options.quick else 8, seed)
        scores: dict[tuple[str, str], list[float]] = {}
        for view, joints in zip(views, lifted(views, seed), strict=True):
            for method, pose in variants(view, joints).items():
                for measure, value in measures(pose, view).items():
                    scores.setdefault((method, measure), []).append(value)
        for key, per_clip in scores.items():
            values.setdefault(key, []).append(statistics.fmean(per_clip))
    rows = []
    for (method, measure), found in values.items():
        metric, unit = measure.removesuffix("]").split(" [")
        note = f"mean over {len(views)} clips of {FRAMES} frames, noise 1 %d, one yaw per clip"
        rows.append(Row("T4f", "cmu", method, metric, unit, found, note=note))
    publish(rows, "kinematic_fit")


if __name__ == "__main__":
    main()
