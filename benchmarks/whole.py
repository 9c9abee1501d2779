"""T3 and T7: images in; keypoints, tree and 3D out. Seeds alone, seeds with an idea left out, whole runs.

`python benchmarks/whole.py --quick` prints both tables on small built-in data. A row's `failures` counts the seeds that
miss the target of its table (on-joint 3 % of body size for sticks, 4 % for capsules; tree F1 0.95 up to rigid groups).
"""

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import torch
from scoreboard import Row, publish

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # stages belongs to the checkout, it is not installed

from articulate.data.store import ClipStore  # noqa: E402
from articulate.errors import ArticulateError  # noqa: E402
from articulate.evaluation import keypoints, tree  # noqa: E402
from articulate.evaluation.truth import load_truth  # noqa: E402
from articulate.seeding import SeedConfig, find_seeds  # noqa: E402
from stages import pipeline  # noqa: E402

FAMILIES = ("person", "quadruped", "hexapod", "arm", "snake")
CONFIGS = ("h36m_split", "h36m_joint", "naive", "adversarial_sketch", "source_joint", "source_split")
TARGET = {"T3": 3.0, "T7": 4.0}
TARGET_F1 = 0.95
ABLATIONS = {
    "seeds": {},
    "seeds, no hidden limbs": {"hidden_limb": 1e6},
    "seeds, last fit left out": {"steps": 1},
    "seeds, no fit at all": {"steps": 1, "decide_steps": 1, "trial_steps": 1},
}
METRICS = {
    "on-joint error": ("% body", "error_body"),
    "PCK 0.05": ("%", "pck_05"),
    "unmatched landmarks": ("", "unmatched"),
    "edge F1": ("share", "f1"),
    "edge F1 up to rigid groups": ("share", "rigid_f1"),
    "keypoints found": ("", "found_keypoints"),
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


def rows_of(table: str, data: str, method: str, scores: Sequence[dict], seconds: float, metrics=METRICS) -> list[Row]:
    """One row for every metric; a seed without a result is NaN and a failure."""
    missed = sum(
        not (s.get("error_body", 1e9) <= TARGET[table] and s.get("rigid_f1", 0.0) >= TARGET_F1 and not s["unmatched"])
        for s in scores
    )
    return [
        Row(table, data, method, name, unit, [s.get(key, float("nan")) for s in scores], missed, seconds)
        for name, (unit, key) in metrics.items()
    ]


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


def whole_runs(table: str, look: str, arguments: argparse.Namespace, spent: Callable[[], float]) -> list[Row]:
    """Configurations run from beginning to end on the built-in person, every number from the run's own metrics."""
    rows = []
    for name in CONFIGS:
        path = ROOT / "configs" / f"{name}.yaml"
        if not path.is_file():
            print(f"whole: {path.name} does not exist, left out", file=sys.stderr)
            continue
        start, scores = time.perf_counter(), []
        for seed in range(arguments.seeds):
            if spent() > arguments.budget:
                break
            with tempfile.TemporaryDirectory() as folder:
                scores.append(run_scores(path, seed, look, Path(folder), arguments))
        if scores:
            seconds = (time.perf_counter() - start) / len(scores)
            more = {"MPJPE": ("bones", "mpjpe"), "MPJPE / flat": ("ratio", "over_flat")}
            rows += rows_of(table, f"person, {look}", name, scores, seconds, METRICS | more)
    return rows


def run_scores(path: Path, seed: int, look: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Scores of one whole run; a run that ends in an error has none, and its message is printed."""
    overrides = [f"runs={folder / 'runs'}", f"stores={folder / 'stores'}", f"seed={seed}"]
    section = "data.stand_in" if "stand_in:" in path.read_text() else "data"
    overrides += [f"{section}.look={look}", f"{section}.seed={seed}"]
    if arguments.quick:
        overrides += [f"{section}.size=64", f"{section}.num_frames=60"]
    try:
        with redirect_stdout(sys.stderr):
            results = pipeline.run(path, overrides, device=arguments.device, threads=torch.get_num_threads())
    except ArticulateError as error:
        print(f"whole: {path.stem}, seed {seed}: {error}", file=sys.stderr)
        return {"unmatched": float("nan")}
    metrics = json.loads((results / "metrics.json").read_text())
    scores = dict(metrics["keypoints"]["ours"]) | dict(metrics.get("tree", {}).get("ours", {}))
    scores["found_keypoints"] = scores.get("matched", float("nan"))
    if "pose3d" in metrics:
        ours, floors = metrics["pose3d"]["ours"], metrics["pose3d"]["floors"]
        flat = next((scores for floor, scores in floors.items() if "flat" in floor), {})
        scores["mpjpe"] = ours.get("mpjpe")
        if flat.get("mpjpe") and scores["mpjpe"] is not None:
            scores["over_flat"] = scores["mpjpe"] / flat["mpjpe"]
    return {key: float("nan") if value is None else value for key, value in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 px, short clips, 2 seeds unless told otherwise")
    parser.add_argument("--only", choices=["T3", "T7"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; what would start later is left out")
    parser.add_argument("--device", default="cpu", help="device of whole runs; seeds are found on the CPU")
    parser.add_argument("--part", choices=["seeds", "runs", "all"], default="all")
    arguments = parser.parse_args()
    arguments.seeds = arguments.seeds or (2 if arguments.quick else 10)
    torch.set_num_threads(1 if arguments.quick else 2)
    begin = time.perf_counter()
    rows: list[Row] = []
    for table, look in (("T3", "sticks"), ("T7", "capsules")):
        if arguments.only in (None, table):
            for part, measure in (("seeds", seeds_alone), ("runs", whole_runs)):
                if arguments.part in (part, "all"):
                    rows += measure(table, look, arguments, lambda: time.perf_counter() - begin)
    suffix = "" if arguments.only is None else f"_{arguments.only}"
    publish(rows, f"whole{suffix}" + ("" if arguments.part == "all" else f"_{arguments.part}"))


if __name__ == "__main__":
    main()
