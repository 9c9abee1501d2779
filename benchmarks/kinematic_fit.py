"""Table T4f: the kinematic fit term by term, on noisy people lifted frame by frame; which term does what.

python benchmarks/kinematic_fit.py [--quick] [--seeds N] [--budget SECONDS]

Clips of CMU motion capture, every clip at one random yaw, 1 %d of white noise on the points. The input of the fit is
what the heading model of these clips gives for every frame alone (`lifting.run.order: set`), so it jitters. Every
second clip is fitted, with few steps, so that the command ends within two minutes. Scores as in
`lifting.py`; "acceleration" is the error of the second difference of the joints, in %d a frame squared; seconds are of
processor time, a clip.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator

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

# Frames of a clip, steps of a fit, frames a second.
FRAMES, STEPS, RATE = 100, 60, 30.0


def clips(number: int, seed: int) -> list[View]:
    """The first frames of `number` clips of the commonest skeleton, spread over its recordings."""
    groups: dict[object, list] = {}
    for recording in recordings("cmu"):
        groups.setdefault(convention(recording), []).append(recording)
    most = max(groups.values(), key=len)
    chosen = [seen(r, "clip", drawn_elevation(seed), seed, 1.0) for r in most[:: max(1, len(most) // number)][:number]]
    return [View(v.name, v.joints[:FRAMES], v.xy[:FRAMES], v.edges) for v in chosen]


def lifted(views: list[View], seed: int) -> list[Tensor]:
    """Joints of every clip from the heading model of all of them, every frame on its own, true tree."""
    xy, clip = pooled(views)
    tree = views[0].edges
    lifter = choose_start(CONFIG, view_data(xy, None, clip, tree), tree, torch_generator(seed, "views")).eval()
    run = RunConfig(method="views", scale="clips", order="set")
    return split(lift_run(xy, None, clip, tree, lifter, run).joints, views)


def variants(view: View, joints: Tensor) -> Iterator[tuple[str, Tensor, float]]:
    """The lifted joints, filtered ones, and fits with all terms and without each one, with the seconds of each."""
    names = tuple(str(k) for k in range(joints.shape[1]))
    yield "lifted, no fit", joints, float("nan")
    began = time.process_time()
    smooth = one_euro(joints, RATE, 2.0, 0.02, both_ways=True)
    yield "One-Euro filter both ways", smooth, time.process_time() - began
    model = articulation_from_motion(joints, view.edges, names)
    for left_out in (None, *TERMS):
        began, weights = time.process_time(), {name: float(name != left_out) for name in TERMS}
        fit = kinematic_fit(joints, view.xy, view.edges, model=model, config=FitConfig(weights, steps=STEPS))
        label = "all terms" if left_out is None else f"without {left_out}"
        yield label, fit.joints, time.process_time() - began


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


def seed_cells(views: list[View], seed: int) -> dict[tuple[str, str], list[float]]:
    """Values of every clip by method and measure; `seconds` is one of the measures."""
    found: dict[tuple[str, str], list[float]] = {}
    began = time.process_time()
    joints = lifted(views, seed)
    print(f"lifted: {time.process_time() - began:.0f} s of processor time", file=sys.stderr, flush=True)
    for view, pose in list(zip(views, joints, strict=True))[::2]:
        for method, result, seconds in variants(view, pose):
            for measure, value in (measures(result, view) | {"seconds": seconds}).items():
                found.setdefault((method, measure), []).append(value)
        print(f"{view.name}: {time.process_time() - began:.0f} s of processor time", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two clips are fitted instead of four")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no new seed starts")
    parser.add_argument("--device", default="cpu", choices=["cpu"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, values = time.monotonic(), {}
    for seed in range(options.seeds):
        if time.monotonic() - began > options.budget:
            break
        for key, per_clip in seed_cells(clips(4 if options.quick else 8, seed), seed).items():
            values.setdefault(key, []).append(per_clip)
    rows = []
    for (method, measure), found in values.items():
        if measure == "seconds":
            continue
        metric, unit = measure.removesuffix("]").split(" [")
        note = f"mean over {len(found[0])} clips of {FRAMES} frames, {STEPS} steps, noise 1 %d, one yaw per clip"
        means = [statistics.fmean(per_clip) for per_clip in found]
        seconds = statistics.fmean(s for per_clip in values[method, "seconds"] for s in per_clip)
        rows.append(Row("T4f", "cmu", method, metric, unit, means, seconds=seconds, note=note))
    publish(rows, "kinematic_fit")


if __name__ == "__main__":
    main()
