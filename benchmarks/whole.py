"""T3 and T7: images in; keypoints, tree and 3D out. Seeds alone, whole runs, the same with an idea left out.

`python benchmarks/whole.py --part runs` runs whole configurations as they are shipped (128 px), body by body; finished
cells are kept and a later call goes on. With `--quick`, 64 px and half the frames and steps. A row's `failures` counts
the seeds that miss the target of its table: on joint 3 % of the body for sticks, 4 % for the rest; tree F1 0.95 up to
rigid groups; every landmark matched; for whole runs also 3D and identity.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from scoreboard import Row, publish
from whole_measures import ROOT, rows_of

sys.path.insert(0, str(ROOT))  # stages belongs to the checkout, it is not installed

from whole_runs import ABLATIONS as RUN_ABLATIONS  # noqa: E402
from whole_runs import METHODS, OURS, SOURCE, measure_runs  # noqa: E402

from articulate.data.store import ClipStore  # noqa: E402
from articulate.evaluation import keypoints, tree  # noqa: E402
from articulate.evaluation.truth import load_truth  # noqa: E402
from articulate.seeding import SeedConfig, find_seeds  # noqa: E402

FAMILIES = ("person", "quadruped", "hexapod", "arm", "snake")
ABLATIONS = {
    "seeds": {},
    "seeds, no hidden limbs": {"hidden_limb": 1e6},
    "seeds, last fit left out": {"steps": 1},
    "seeds, no fit at all": {"steps": 1, "decide_steps": 1, "trial_steps": 1},
}


def recipe() -> ModuleType:
    """The recipe of built-in data, loaded by path as the program does."""
    spec = importlib.util.spec_from_file_location("recipe_synthetic", ROOT / "datasets" / "synthetic.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def make_store(make: ModuleType, folder: Path, **options) -> ClipStore:
    """A store of built-in clips."""
    make.make(make.Options(**options), folder, lambda text: None)
    return ClipStore.open(folder)


def seed_scores(store: ClipStore, settings: dict) -> dict[str, float]:
    """Scores of the seeds of a store: one matching from the first half of every clip, scored on the second halves."""
    truths = [load_truth(store.truth_path(i)) for i in range(len(store.clips))]
    xy, visible = torch.cat([t.xy for t in truths]), torch.cat([t.visible for t in truths])
    clip = torch.cat([torch.full((len(t.xy),), i) for i, t in enumerate(truths)])
    found = find_seeds(store, xy.shape[1], SeedConfig(**settings), 0, lambda text: None)
    if found is None:
        return {}
    fit, score = keypoints.half_split(clip)
    match = keypoints.match_keypoints(found.xy[fit], xy[fit], visible[fit])
    size = keypoints.body_size(xy, visible)
    scores = keypoints.on_joint_scores(found.xy[score], xy[score], visible[score], match, size)
    groups = tree.rigid_groups(torch.cat([t.xyz for t in truths if t.xyz is not None]))
    edges = tree.edge_scores(tree.map_edges(found.edges, match), truths[0].edges, groups)
    return scores | edges | {"found_keypoints": float(found.xy.shape[1])}


def seeds_alone(table: str, look: str, arguments: argparse.Namespace, spent: Callable[[], float]) -> list[Row]:
    """Seeds of every family in one look, and for the person with one idea at a time left out."""
    make, rows = recipe(), []
    length = {"num_clips": 8, "num_frames": 60, "fps": 15} if arguments.quick else {"num_clips": 8, "num_frames": 150}
    for family in FAMILIES:
        methods = ABLATIONS if family == "person" else {"seeds": {}}
        for size in (64,) if arguments.quick else (64, 128):
            scores: dict[str, list[dict]] = {method: [] for method in methods}
            start = time.perf_counter()
            for seed in range(arguments.seeds):
                if spent() > arguments.budget:
                    break
                with tempfile.TemporaryDirectory() as folder:
                    options = {"family": family, "look": look, "cue": "colours", "size": size, "seed": seed}
                    store = make_store(make, Path(folder) / "store", **options, **length)
                    for method, settings in methods.items():
                        scores[method].append(seed_scores(store, settings) or {"unmatched": 1.0})
            seconds = (time.perf_counter() - start) / max(1, arguments.seeds)
            for method, values in scores.items():
                if values:
                    rows += rows_of(table, f"{family}, {look}, {size} px", method, values, seconds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 px, short clips, 2 seeds unless told otherwise")
    parser.add_argument("--only", choices=["T3", "T7"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; what would start later is left out")
    parser.add_argument("--device", default="cpu", help="device of whole runs; seeds are found on the CPU")
    parser.add_argument("--part", choices=["seeds", "runs", "all"], default="all")
    parser.add_argument("--body", help="whole runs: only bodies whose name begins with this text")
    parser.add_argument("--methods", nargs="+", default=OURS, choices=[*METHODS, *SOURCE], help="of whole runs")
    parser.add_argument("--ablations", action="store_true", help="whole runs: leave out one idea at a time instead")
    parser.add_argument("--jobs", type=int, default=1, help="whole runs measured at once, each on its own threads")
    parser.add_argument("--folder", help="where whole runs are kept; else they are thrown away")
    arguments = parser.parse_args()
    arguments.seeds = arguments.seeds or (2 if arguments.quick else 10)
    arguments.methods = RUN_ABLATIONS if arguments.ablations else arguments.methods
    torch.set_num_threads(1 if arguments.quick or arguments.jobs > 1 else 2)
    begin = time.perf_counter()

    def spent() -> float:
        return time.perf_counter() - begin

    suffix = "" if arguments.only is None else f"_{arguments.only}"
    if arguments.part in ("seeds", "all"):
        rows: list[Row] = []
        for table, look in (("T3", "sticks"), ("T7", "capsules")):
            if arguments.only in (None, table):
                rows += seeds_alone(table, look, arguments, spent)
        publish(rows, f"whole{suffix}_seeds")
    if arguments.part in ("runs", "all"):
        publish(measure_runs(arguments, spent), "whole_runs")


if __name__ == "__main__":
    main()
