"""Whole runs of tables T3 and T7, body by body and seed by seed: cells that are kept, and their rows.

A seed counts as a failure unless everything holds: on joint at most 3 % of the body (sticks) or 4 % (the rest), every
landmark matched, tree F1 0.95 up to rigid groups, MPJPE at most half of flat depth, at most 10 identity switches in
1000 frames. The number of keypoints is that of the truth.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import torch
from scoreboard import RESULTS, Row, current_commit
from whole_measures import ROOT, WHOLE_METRICS, Body, bodies, rows_of
from workers import Cells, finished

from articulate.config import read_yaml
from articulate.errors import ArticulateError, Interrupted
from articulate.evaluation.truth import load_truth
from stages import pipeline
from stages.recipes import make_store

CELLS = Cells(RESULTS / "whole_runs_cells.json")
# name: (configuration, overrides). Ablations take one idea out of the split run.
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "split": ("h36m_split", ()),
    "joint": ("h36m_joint", ()),
    "split, no hidden limbs": ("h36m_split", ("seeds.colour_parts.hidden_limb=1.0e+6",)),
    "split, no fit of seeds": (
        "h36m_split",
        ("seeds.colour_parts.steps=1", "seeds.colour_parts.decide_steps=1", "seeds.colour_parts.trial_steps=1"),
    ),
    "split, tracks of the detector alone": ("h36m_split", ("keypoints.keep_seeds=false",)),
    "split, tree without the seeds": ("h36m_split", ("connectivity={seed_factor: 1.0}",)),
    "split, not refined as one body": ("h36m_split", ("lifting.refine=false",)),
    "split, poses not read again": ("h36m_split", ("lifting.refinement.rereadings=0",)),
    "split, hidden points as guessed": ("h36m_split", ("export.body=0.0",)),
    "split, not settled": ("h36m_split", ("lifting={settle: false}",)),
}
SOURCE = ("naive", "adversarial_sketch", "source_joint", "source_split")
OURS = ("split", "joint")
# Of `--quick`: half the steps of ours, a quarter of the source's.
SHORTER = {
    "h36m_split": ("schedule.1.steps=200", "schedule.3.steps=150"),
    "h36m_joint": ("schedule.1.steps=150", "schedule.2.steps=250"),
    "naive": ("schedule.0.steps=150",),
    "adversarial_sketch": ("schedule.0.steps=375",),
    "source_joint": ("schedule.0.steps=50", "schedule.1.steps=250"),
    "source_split": ("schedule.0.steps=300", "schedule.1.steps=1250"),
}
ABLATIONS = tuple(name for name in METHODS if name not in OURS)


def settings(quick: bool) -> dict[str, int]:
    """Size and length of built-in data; `--quick` halves the side and the frame rate, and the steps of all training."""
    size, num_frames = (64, 60) if quick else (128, 120)
    return {"size": size, "num_clips": 8, "num_frames": num_frames}


def planned(arguments: argparse.Namespace, quick: bool) -> Iterator[tuple[Body, str, int]]:
    """Body, method, seed of every cell: all bodies for one seed first, so that what ends early ends evenly."""
    listed = [body for body in bodies(**settings(quick)) if arguments.only in (None, body.table)]
    for seed in range(arguments.seeds):
        for method in arguments.methods:
            seen = [source_body(method)] if method in SOURCE else listed
            yield from ((body, method, seed) for body in seen if body.name.startswith(arguments.body or ""))


def source_body(method: str) -> Body:
    """The built-in person as a configuration of the source draws it: white sticks."""
    return Body("T3", "person, white sticks", read_yaml(ROOT / "configs" / f"{method}.yaml")["data"])


def key_of(body: Body, method: str, seed: int, quick: bool) -> str:
    """Everything that a cell depends on but the code, whose commit stands in the cell."""
    share = "a quarter of" if method in SOURCE else "half"
    steps = [f"{share} the steps"] if quick else []
    return " | ".join([body.name, method, str(seed), body.data_key, *steps])


def measure_runs(arguments: argparse.Namespace, spent: Callable[[], float]) -> list[Row]:
    """Rows of all cells that are known or fit into the budget; every new cell is written at once."""
    known, quick = CELLS.known(), arguments.quick
    missing = [task for task in planned(arguments, quick) if key_of(*task, quick) not in known]
    tasks = [(*task, arguments) for task in missing]
    for (body, method, seed, _), found in finished(cell, tasks, arguments.jobs, lambda: spent() < arguments.budget):
        CELLS.keep(key_of(body, method, seed, quick), found)
        shown = {k: round(v, 3) for k, v in found["scores"].items() if k in SHOWN and v is not None}
        print(f"whole: {body.name}, {method}, seed {seed}: {shown}", file=sys.stderr, flush=True)
    return run_rows(arguments, CELLS.known())


SHOWN = ("error_body", "rigid_f1", "over_flat", "switches_per_1000", "unmatched")


def run_rows(arguments: argparse.Namespace, cells: dict[str, dict]) -> list[Row]:
    """Rows of the cells that are known, of the full size and of `--quick`, in the order of bodies and methods."""
    groups: dict[tuple[str, str, str], list[dict]] = {}
    for quick in (False, True):
        for body, method, seed in planned(arguments, quick):
            if (found := cells.get(key_of(body, method, seed, quick))) is not None:
                name = f"{body.name} (quick)" if quick else body.name
                groups.setdefault((body.table, name, method), []).append(found)
    rows = []
    for (table, data, method), found in groups.items():
        scores = [{k: math.nan if v is None else v for k, v in one["scores"].items()} for one in found]
        seconds = sum(one["seconds"] for one in found) / len(found)
        added = rows_of(table, data, f"whole run, {method}", scores, seconds, WHOLE_METRICS, depth=True)
        for row in added:
            row.note = "measured at " + ", ".join(sorted({one["commit"] for one in found}))
        rows += added
    return sorted(rows, key=lambda row: (row.table, row.data))


def cell(body: Body, method: str, seed: int, arguments: argparse.Namespace) -> dict:
    """Scores of one run, CPU seconds, commit; a run that ends in an error has its message instead of scores."""
    path, overrides = method_of(method, body, arguments)
    # By configuration: with several jobs, two methods would otherwise make one store at the same time.
    stores = Path(arguments.folder or tempfile.gettempdir()) / "whole_stores" / path.stem
    began = time.process_time()
    data = {**body.data, "seed": seed}
    with tempfile.TemporaryDirectory() as temporary, redirect_stdout(sys.stderr):
        runs = Path(arguments.folder) / "runs" if arguments.folder else Path(temporary)
        name = "".join(c if c.isalnum() else "_" for c in f"{body.name} {method} {seed}")
        try:
            truth = load_truth(make_store(data, stores, "whole", lambda text: None).truth_path(0))
            given = [f"name={name}", f"runs={runs}", f"stores={stores}", f"seed={seed}", f"data={json.dumps(data)}"]
            given += [f"keypoints.num_keypoints={truth.xy.shape[1]}", *overrides]
            results = pipeline.run(path, given, device=arguments.device, threads=torch.get_num_threads())
            scores, error = scores_of(json.loads((results / "metrics.json").read_text())), ""
        except Interrupted:  # no result of the method: the cell is measured when the command is given again
            raise
        except ArticulateError as problem:
            scores, error = {}, str(problem)
    seconds = time.process_time() - began
    return {
        "scores": scores,
        "error": error,
        "seconds": seconds,
        "commit": current_commit(),
    }


def method_of(method: str, body: Body, arguments: argparse.Namespace) -> tuple[Path, tuple[str, ...]]:
    """Configuration and overrides of a method; one of the source's keeps all of its own settings but the steps.

    Detectors of ours see 32 pixels, whatever the side of the pictures.
    """
    config, overrides = METHODS.get(method, (method, ()))
    if arguments.quick:
        ours = () if method in SOURCE else (f"keypoints.shrink={body.data['size'] // 32}",)
        overrides = (*ours, *SHORTER[config], *overrides)
    return ROOT / "configs" / f"{config}.yaml", overrides


def scores_of(metrics: dict) -> dict[str, float | None]:
    """The numbers of a run's metrics.json that the tables show."""
    scores = dict(metrics["keypoints"]["ours"]) | dict(metrics.get("tree", {}).get("ours", {}))
    scores["mean_pose_body"] = metrics["keypoints"]["floors"]["mean_pose"]["error_body"]
    scores["found_keypoints"] = scores.get("matched")
    if "pose3d" in metrics:
        ours, floors = metrics["pose3d"]["ours"], metrics["pose3d"]["floors"]
        flat = next(values for name, values in floors.items() if "flat" in name)
        scores |= {name: ours[name] for name in ("mpjpe_d", "n_mpjpe_d", "pa_mpjpe_d", "sign_accuracy")}
        scores["flat_d"] = flat["mpjpe_d"]
        if ours["mpjpe_d"] is not None and flat["mpjpe_d"]:
            scores["over_flat"] = ours["mpjpe_d"] / flat["mpjpe_d"]
    return scores
