"""Table T1: the self-supervised tasks on MNIST and Fashion-MNIST, alone and together, and every balancing.

Trainings are kept in benchmarks/results/detector_runs.json and not repeated: stop and start again at will.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from detector_pictures import draw_comparison
from detector_training import ALL_TASKS, NUM_KEYPOINTS, Setting, Trainings
from scoreboard import RESULTS, Row, publish

BALANCINGS = ("exponential", "uncertainty", "log", "fixed", "pareto")
# Nominal steps a second of the full multi-task training at these sizes: on one busy CPU thread, and on a GPU.
STEPS_A_SECOND = {"cpu": 4.0, "cuda": 40.0}
UNITS = {
    "class_accuracy": "%", "distractor_accuracy": "%", "middle_frame_accuracy": "%",
    "reconstruction_mse": "mean square",
    "heatmap_elongation": "ratio", "rotation_30": "% of side", "rotation_90": "% of side", "occlusion": "% of side",
    "alarms": "count",
}  # fmt: skip
TARGETS = {
    ("mnist", "class_accuracy"): 97.7, ("fashion_mnist", "class_accuracy"): 84.5,
    ("mnist", "distractor_accuracy"): 99.75, ("fashion_mnist", "distractor_accuracy"): 99.97,
    ("mnist", "middle_frame_accuracy"): 99.65, ("fashion_mnist", "middle_frame_accuracy"): 99.80,
    ("mnist", "reconstruction_mse"): 0.0291, ("fashion_mnist", "reconstruction_mse"): 0.0340,
    ("mnist", "swapped"): 93.1, ("fashion_mnist", "swapped"): 82.3,
}  # fmt: skip


def rows_of(trainings: Trainings, settings: list[Setting], method: str, table: str = "T1") -> list[Row]:
    """One row per metric over the seeds; a training that ended with alarms or in chance counts as a failure."""
    results = [trainings.run(s) for s in settings]
    failures = sum(r["metrics"]["alarms"] > 0 for r in results)
    seconds = sum(r["seconds"] for r in results) / len(results)
    data = settings[0].data
    rows = []
    for metric, unit in UNITS.items():
        values = [r["metrics"][metric] for r in results if metric in r["metrics"]]
        if values:
            target = TARGETS.get((data, metric))
            note = f"{settings[0].steps} steps" + (f", to beat {target}" if target else "")
            rows.append(Row(table, data, method, metric, unit, values, failures, seconds, trainings.device, note))
    return rows


def seeds_of(setting: dict, seeds: int) -> list[Setting]:
    """The setting with every seed."""
    return [Setting(**setting, seed=seed) for seed in range(seeds)]


def task_rows(trainings: Trainings, data: str, steps: int, seeds: int) -> list[Row]:
    """All tasks together, then each alone."""
    rows = rows_of(trainings, seeds_of({"data": data, "steps": steps}, seeds), "all tasks, exponential")
    for task in ALL_TASKS:
        rows += rows_of(trainings, seeds_of({"data": data, "steps": steps, "tasks": (task,)}, seeds), f"{task} alone")
    return rows


def swapped_rows(trainings: Trainings, steps: int, seeds: int) -> list[Row]:
    """Class accuracy with the detector that was trained on the other set."""
    rows = []
    for data, other in (("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")):
        settings = seeds_of({"data": other, "steps": steps}, seeds)
        for setting in settings:
            trainings.run(setting)
        values = [trainings.swapped(s, data) for s in settings]
        note = f"{NUM_KEYPOINTS[other]} keypoints, to beat {TARGETS[data, 'swapped']}"
        rows.append(Row("T1", data, f"all tasks, trained on {other}", "class_accuracy", "%", values, note=note))
    return rows


def balancing_rows(trainings: Trainings, data: str, steps: int, seeds: int) -> list[Row]:
    """All tasks under every balancing; Pareto's weights come from gradients at the heatmaps."""
    rows = []
    for balancing in BALANCINGS[1:]:
        settings = seeds_of({"data": data, "steps": steps, "balancing": balancing}, seeds)
        rows += rows_of(trainings, settings, f"all tasks, {balancing}")
    return rows


def curve_rows(trainings: Trainings, data: str, steps: int, seeds: int) -> list[Row]:
    """All tasks with fewer images, and with fewer steps: which of both is the reason for a shortfall."""
    rows = []
    for number in (1000, 2500, 5000):
        settings = seeds_of({"data": data, "steps": steps, "num_images": number}, seeds)
        rows += rows_of(trainings, settings, f"all tasks, {number} images", "T1 curve")
    for part in (8, 4, 2):
        settings = seeds_of({"data": data, "steps": steps // part}, seeds)
        rows += rows_of(trainings, settings, f"all tasks, 1/{part} of the steps", "T1 curve")
    return [r for r in rows if r.metric.endswith(("accuracy", "mse"))]


def baseline_rows(trainings: Trainings, data: str, steps: int, seeds: int) -> list[Row]:
    """The earlier attempts and what relatives use, each alone; and parts as the source wrote them."""
    rows = []
    for task in ("tps_equivariance", "delaunay", "difference_map", "masked_inpainting"):
        rows += rows_of(trainings, seeds_of({"data": data, "steps": steps, "tasks": (task,)}, seeds), f"{task} alone")
    plain = {"data": data, "steps": steps, "method": "plain"}
    rows += rows_of(trainings, seeds_of(plain, seeds), "all tasks, plain soft-argmax")
    absolute = {"data": data, "steps": steps, "settings": {"middle_frame": {"inputs": "absolute"}}}
    return rows + rows_of(trainings, seeds_of(absolute, seeds), "all tasks, judge sees absolute positions")


def all_rows(trainings: Trainings, parts: Iterable[str], steps: int, seeds: int) -> list[Row]:
    """The chosen parts, most telling first."""
    rows = []
    for part in parts:
        for data in NUM_KEYPOINTS:
            if part == "tasks":
                rows += task_rows(trainings, data, steps, seeds)
            elif part == "balancing":
                rows += balancing_rows(trainings, data, steps, seeds)
            elif part == "curve":
                rows += curve_rows(trainings, data, steps, seeds)
            elif part == "baselines":
                rows += baseline_rows(trainings, data, steps, seeds)
        if part == "tasks":
            rows += swapped_rows(trainings, steps, seeds)
    return rows


def main() -> None:
    """Parse the arguments, train what is missing, print the table, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, tasks only, 25 nominal seconds a training")
    parser.add_argument("--only", nargs="+", choices=("tasks", "balancing", "curve", "baselines"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=120, help="nominal seconds per training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", action="store_true", help="also draw docs/pictures/detector_*.png")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    budget, seeds = (25.0, 1) if arguments.quick else (arguments.budget, arguments.seeds)
    steps = round(budget * STEPS_A_SECOND[torch.device(arguments.device).type])
    trainings = Trainings(RESULTS, arguments.device)
    parts = arguments.only or (("tasks",) if arguments.quick else ("tasks", "balancing", "curve", "baselines"))
    rows = all_rows(trainings, parts, steps, seeds)
    publish(rows, "detector_quick" if arguments.quick else "detector")
    if arguments.pictures:
        for data in NUM_KEYPOINTS:
            path = Path(__file__).parents[1] / "docs" / "pictures" / f"detector_{data}.png"
            print("picture:", draw_comparison(trainings, data, steps, path))


if __name__ == "__main__":
    main()
