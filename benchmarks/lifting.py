"""Table T4: lifting true 2D keypoints when views vary; floors, bounds, the source's baselines, ours. No label trains.

python benchmarks/lifting.py [--quick] [--only ROW ...] [--seeds N] [--budget SECONDS] [--data cmu rat mouse34]

Frames are a set for every method but those "in time", which smooth every clip. Unit %d: one per cent of the median
diagonal of the true boxes. MPJPE after centring, with at most one depth reflection per clip, fitted on its first half
and scored on its second. Finished cells are kept in results/lifting_cells.json, by settings and code
(`lifting_mark.py`); what was measured with older ones alone is printed with that note.
"""

import argparse
import json
import statistics
import sys
import time
from functools import cache
from pathlib import Path

import torch
from lifting_data import View, convention, drawn_elevation, recordings, seen
from lifting_mark import mark
from lifting_methods import Result, as_written, floors, network, seen_as_view
from lifting_teachers import lessons, several_cameras
from scoreboard import RESULTS, Row, publish

from articulate.evaluation.pose3d import pose_scores
from articulate.lifting.from_views import PoseConfig
from articulate.lifting.registry import SEVERAL_CAMERAS, build_lifter, default_config
from articulate.lifting.solver_lessons import LessonConfig
from articulate.lifting.views import ViewsConfig
from articulate.seeds import numpy_generator

CELLS = RESULTS / "lifting_cells.json"
METRICS = {"mpjpe_d": "%d", "n_mpjpe_d": "%d", "pa_mpjpe_d": "%d", "sign_accuracy": "share"}
# Frozen. Chosen on CMU clips, seed 0: numbers of the fit by held-out likelihood, the order of ideas by MPJPE. Rat and
# mouse were looked at once, after freezing; what came later, the models of single clips, was chosen on all three.
CONFIG = ViewsConfig(steps=300)
MAIN = "views, learned tree and elevation"
# name: (what runs, noise in %d, yaw)
EXPERIMENTS = {
    MAIN: ("views", 0.0, "frame"),
    "floors": ("floors", 0.0, "frame"),
    "noise 1": ("views", 1.0, "frame"),
    "held-out clips": ("held_out", 0.0, "frame"),
    "one yaw per clip": ("views", 0.0, "clip"),
    "one yaw per clip, noise 1": ("views", 1.0, "clip"),
    "floors, noise 1": ("floors", 1.0, "frame"),
    "true tree": ("true_tree", 0.0, "frame"),
    "true tree and elevation": ("given", 0.0, "frame"),
    "one yaw per 2 s": ("views", 0.0, "block"),
    "a quarter of the frames": ("quarter", 0.0, "frame"),
    "a sixteenth of the frames": ("sixteenth", 0.0, "frame"),
    "wrong tree (3 edges moved)": ("wrong_tree", 0.0, "frame"),
    "noise 0.5": ("views", 0.5, "frame"),
    "noise 0.25": ("views", 0.25, "frame"),
    "rigid_bones": ("rigid_bones", 0.0, "frame"),
    "adversarial": ("adversarial", 0.0, "frame"),
    "factorised": ("factorised", 0.0, "frame"),
    "network": ("network", 0.0, "frame"),
    "solver as teacher": ("lessons", 0.0, "clip"),
    "several cameras": ("cameras", 0.0, "frame"),
}
AS_WRITTEN, STEPS = ("rigid_bones", "adversarial", "factorised"), 400
# The solver of one clip has no part in this table: every row lifts from views.
SOLVER = ("articulate.lifting.one_clip",)
RELIABILITY = (MAIN, "one yaw per clip")
QUICK = [*list(EXPERIMENTS)[:4], "rigid_bones"]


def wrong_tree(edges: torch.Tensor, seed: int) -> torch.Tensor:
    """The tree with three leaves hung on other keypoints."""
    generator, result = numpy_generator(seed, "wrong tree"), edges.clone()
    leaves = [k for k in range(len(edges) + 1) if (edges == k).sum() == 1 and (edges[:, 1] == k).any()]
    for leaf in generator.permutation(leaves)[:3]:
        others = [k for k in range(len(edges) + 1) if k not in leaves]
        result[result[:, 1] == int(leaf), 0] = int(generator.choice(others))
    return result


def run(kind: str, views: list[View], seed: int, elevation: float) -> tuple[Result, list[View]]:
    """One experiment on clips of one skeleton; the result and the clips that it is about."""
    edges = views[0].edges
    if kind == "floors":
        return floors(views, seed), views
    if kind in AS_WRITTEN:
        return as_written(kind, views, seed, STEPS), views
    if kind == "network":
        return network(views, seed, CONFIG), views
    if kind == "lessons":
        return lessons(views, seed, CONFIG), views
    if kind == "cameras":
        return several_cameras(views, seed, elevation), views
    if kind == "held_out":
        test = views[1::2]
        return (seen_as_view(views[::2], seed, CONFIG, None, test), test) if test else (Result({}), [])
    if kind in ("quarter", "sixteenth"):
        step = {"quarter": 4, "sixteenth": 16}[kind]
        views = [View(v.name, v.joints[::step], v.xy[::step], v.edges) for v in views]
        if sum(len(v.xy) for v in views) < 16:  # a body with so few frames left is not lifted, and not in the row
            return Result({}), []
        return seen_as_view(views, seed, CONFIG, None), views
    if kind == "given":
        # The same pictures come from the reflected poses at the opposite elevation, so its sign is no help.
        fit = CONFIG.heading.model_copy(update={"elevation_starts": (abs(elevation),), "learn_elevation": False})
        return seen_as_view(views, seed, CONFIG.model_copy(update={"heading": fit}), edges), views
    tree = {"views": None, "true_tree": edges, "wrong_tree": wrong_tree(edges, seed)}[kind]
    return seen_as_view(views, seed, CONFIG, tree), views


@cache
def mark_of(name: str) -> str:
    """Changes with the settings and the code of an experiment, so that cells of others are not taken for its own."""
    kind = EXPERIMENTS[name][0]
    if kind == "floors":
        return mark("", ("articulate.lifting.settle",))
    if kind in AS_WRITTEN:
        return mark(f"{default_config(kind).model_dump_json()} {STEPS}", (f"articulate.lifting.{kind}",))
    if kind == "cameras":
        defaults = [default_config(name).model_dump_json() for name in SEVERAL_CAMERAS]
        return mark(" ".join(defaults), ("articulate.lifting.several_cameras", "benchmarks.lifting_teachers"))
    if kind == "lessons":
        return mark(
            CONFIG.model_dump_json() + LessonConfig().model_dump_json(),
            ("articulate.lifting.solver_lessons", "benchmarks.lifting_teachers"),
        )
    settings = CONFIG.model_dump_json() + PoseConfig().model_dump_json()
    return mark(settings, ("articulate.lifting.run", "articulate.lifting.view_training"), SOLVER)


def cell(data: str, name: str, seed: int) -> dict:
    """Scores of one experiment and seed on all clips of a data set, method by method and clip by clip."""
    kind, noise, yaw = EXPERIMENTS[name]
    elevation = drawn_elevation(seed)
    groups: dict[object, list[View]] = {}
    for recording in recordings(data):
        groups.setdefault(convention(recording), []).append(seen(recording, yaw, elevation, seed, noise))
    began = time.monotonic()
    found: dict = {"methods": {}, "facts": []}
    for views in groups.values():
        result, scored = run(kind, views, seed, elevation)
        found["facts"].append({"frames": sum(len(v.xy) for v in views), **result.facts})
        for method, joints in result.joints.items():
            clips = found["methods"].setdefault(method, {})
            for view, pose in zip(scored, joints, strict=True):
                clips[view.name] = score(pose, view)
    found["seconds"] = time.monotonic() - began
    return found


def score(pose: torch.Tensor, view: View) -> dict[str, float]:
    """All metrics of one clip."""
    fit = torch.arange(len(pose)) < len(pose) // 2
    clip = torch.zeros(len(pose), dtype=torch.int64)
    values = pose_scores(pose, view.joints, view.edges.tolist(), fit, ~fit, clip)
    return {metric: values[metric] for metric in METRICS}


def rows_of(data: str, name: str, cells: list[dict]) -> list[Row]:
    """Rows of one experiment: mean over clips in every seed, and for our main row every clip."""
    rows = []
    for method in cells[0]["methods"]:
        clips = [list(c["methods"][method].values()) for c in cells]
        plain = name in ("floors", "network", "several cameras") or "as written" in method
        label = method if plain else f"{name}: {method}"
        trained = "trained on the other half of the clips" if "held-out" in name else "transductive"
        seconds = statistics.fmean(c["seconds"] for c in cells)
        note = f"{trained}, {EXPERIMENTS[name][2]} yaw"
        for metric, unit in METRICS.items():
            values = [statistics.fmean(c[metric] for c in one) for one in clips]
            rows.append(Row("T4", data, label, metric.removesuffix("_d"), unit, values, seconds=seconds, note=note))
        if name == MAIN and method in ("settled", "settled in time"):
            for clip in cells[0]["methods"][method]:
                values = [c["methods"][method][clip]["mpjpe_d"] for c in cells]
                rows.append(Row("T4", f"{data} {clip}", label, "mpjpe", "%d", values, note=note))
    return rows + fact_rows(data, name, cells)


def fact_rows(data: str, name: str, cells: list[dict]) -> list[Row]:
    """Rows of what the fit found of itself, per skeleton the mean over seeds; the reliability of its confidence."""
    rows = []
    for number, facts in enumerate(cells[0]["facts"]):
        label = f"{data}, skeleton {number + 1} ({facts['frames']} frames)"
        for fact, unit in (("elevation", "degrees"), ("track noise", "%d"), ("edge recall", "share"), ("coverage", "")):
            if fact in facts:
                values = [c["facts"][number][fact] for c in cells]
                rows.append(Row("T4", label, name, fact, unit, values))
        for way in ("", ", in time") if name in RELIABILITY else ():
            for sure, right, share in facts.get("sign accuracy by confidence" + way, []):
                note = f"stated confidence {sure:.2f}, {100 * share:.0f} % of the bones"
                rows.append(Row("T4", label, name + way, "sign right", "share", [right], note=note))
    return rows


def ratio_rows(data: str, cells: dict[str, list[dict]]) -> list[Row]:
    """Targets that are ratios, seed by seed: noise against none, held-out clips against the same clips transductive."""
    rows = []
    pairs = [("noise 1", MAIN), ("held-out clips", MAIN), ("one yaw per clip, noise 1", "one yaw per clip")]
    for name, base in pairs:
        for method in ("settled, one model for all clips", "settled", "settled in time"):
            values = []
            for one, other in zip(cells.get(name, []), cells.get(base, []), strict=False):
                clips = one["methods"][method]
                top = statistics.fmean(c["mpjpe_d"] for c in clips.values())
                values.append(top / statistics.fmean(other["methods"][method][c]["mpjpe_d"] for c in clips))
            if values:
                rows.append(Row("T4", data, f"{name} over {base}: {method}", "mpjpe", "ratio", values))
    return rows


def known_cells(cells: dict[str, dict], data: str, name: str, found: str) -> list[dict]:
    """Finished cells of one experiment in the order of seeds, those with the mark `found`."""
    return [v for k, v in sorted(cells.items()) if k.split(" | ")[:2] == [data, name] and k.endswith(found)]


def kept(cells: dict[str, dict], key: str, value: dict) -> dict[str, dict]:
    """The cells with one more, which takes the place of any of its experiment and seed that has another mark."""
    same = key.rsplit(" | ", 1)[0]
    return {k: v for k, v in cells.items() if k.rsplit(" | ", 1)[0] != same} | {key: value}


def speed_row() -> Row:
    """Poses per second of the trained network form on new frames, K = 16."""
    lifter = build_lifter(16, CONFIG, torch.Generator().manual_seed(0)).eval()
    xy = torch.randn(4096, 16, 2, generator=torch.Generator().manual_seed(0))
    lifter.calibrate(xy)
    values = []
    with torch.inference_mode():
        lifter(xy)
        for _ in range(5):
            began = time.perf_counter()
            lifter(xy)
            values.append(len(xy) / (time.perf_counter() - began))
    return Row("T4", "K 16", "view lifter, new frames", "speed", "poses/s", values, note="batch 4096")


def main() -> None:
    """Run what is asked for and not yet known, then print the whole table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=None, help="T4, or names of experiments")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no new cell starts")
    parser.add_argument("--data", nargs="*", default=["cmu"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu"])
    parser.add_argument("--fresh", action="store_true", help="forget finished cells")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cells = {} if options.fresh or not CELLS.is_file() else json.loads(CELLS.read_text())
    names = [n for n in options.only or [] if n in EXPERIMENTS] or (QUICK if options.quick else list(EXPERIMENTS))
    marks = {name: mark_of(name) for name in EXPERIMENTS}
    began = time.monotonic()
    for name in names:
        for data in options.data:
            for seed in range(options.seeds):
                key = f"{data} | {name} | {seed} | {marks[name]}"
                if key not in cells and time.monotonic() - began < options.budget:
                    cells = kept(cells, key, cell(data, name, seed))
                    save(CELLS, cells)
                    print(f"{key}: {cells[key]['seconds']:.0f} s", file=sys.stderr, flush=True)
    rows = [speed_row()]
    for data in sorted({k.split(" | ")[0] for k in cells}):
        known = {name: known_cells(cells, data, name, marks[name]) for name in EXPERIMENTS}
        rows += [row for name, found in known.items() if found for row in rows_of(data, name, found)]
        rows += ratio_rows(data, known)
        for name in (n for n, found in known.items() if not found):
            older = [k.split(" | ")[3] for k in cells if k.split(" | ")[:2] == [data, name]]
            for row in rows_of(data, name, known_cells(cells, data, name, older[-1])) if older else []:
                row.note = f"{row.note}; OLDER code or settings ({older[-1]})".lstrip("; ")
                rows.append(row)
    publish(rows, "lifting")


def save(path: Path, cells: dict) -> None:
    """Write the finished cells atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(cells, indent=1) + "\n")
    partial.replace(path)


if __name__ == "__main__":
    main()
