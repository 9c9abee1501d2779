"""Table T1: the self-supervised tasks on MNIST and Fashion-MNIST, alone and together, and every balancing.

Trainings are kept in benchmarks/results/detector_runs.json and not repeated, and `--slice` puts an unfinished one down:
stop and start again at will. The table holds what is finished; `n` says how many seeds.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from detector_measures import LABELS, OTHER, OutOfTime, Trainings
from detector_pictures import TARGETS, draw_comparison, draw_curves
from detector_training import ALL_TASKS, NUM_KEYPOINTS, Setting
from scoreboard import RESULTS, Row, publish
from workers import finished

BALANCINGS = ("exponential", "uncertainty", "log", "fixed", "pareto")
PARTS = ("tasks", "long", "balancing", "as_written", "curve", "baselines")
# Nominal steps a second of the full multi-task training: on one busy CPU thread, and on a GPU.
STEPS_A_SECOND = {"cpu": 8.0, "cuda": 80.0}
# Shorter and longer trainings, each with its whole course of the learning rate, in parts of the main one's steps.
LENGTHS = (0.25, 4.0)
# All tasks once more as long: a quarter of the images that the source's trainings see.
FAR = 16.0
# At the rate of the shorter ones, heatmaps shrink to single cells within 2000 steps and pass no gradient from then on.
FAR_RATE = 1.5e-3
MAIN, LONG = "all tasks, exponential", [f"all tasks, {length:g} times the steps" for length in (LENGTHS[-1], FAR)]
UNITS = {
    "class_accuracy": "%", "class_accuracy_warped_copies": "%", "distractor_accuracy": "%",
    "middle_frame_accuracy": "%", "middle_frame_by_rule": "%", "reconstruction_mse": "mean square",
    "class_accuracy_1000_labels": "%", "class_accuracy_3000_labels": "%", "heatmap_elongation": "ratio",
    "rotation_30": "% of side", "rotation_90": "% of side", "occlusion": "% of side", "alarms": "count",
}  # fmt: skip
Plan = dict[tuple[str, str, str], list[Setting]]


def plan_of(parts: list[str], steps: int, seeds: int, sets: list[str]) -> Plan:
    """(table, data, method) -> one setting per seed, most telling first."""
    found: Plan = {}
    for part in parts:
        for data in sets:
            main = Setting(data, steps=steps)
            for table, method, setting, count in MAKERS[part](main, seeds):
                found[table, data, method] = [replace(setting, seed=seed) for seed in range(count)]
    return found


Entries = Iterator[tuple[str, str, Setting, int]]


def task_entries(main: Setting, seeds: int) -> Entries:
    """All tasks together, then each alone."""
    yield "T1", MAIN, main, seeds
    for task in ALL_TASKS:
        yield "T1", f"{task} alone", main.alone(task), seeds


def long_entries(main: Setting, seeds: int) -> Entries:
    """All tasks and each alone for shorter and longer: the learning curve against images seen."""
    for length in reversed(LENGTHS):
        other = replace(main, steps=round(length * main.steps))
        yield "T1 curve", f"all tasks, {length:g} times the steps", other, 1
        for task in ALL_TASKS:
            yield "T1 curve", f"{task} alone, {length:g} times the steps", other.alone(task), 1
    yield "T1 curve", f"{LONG[1]}, the same rate", replace(main, steps=round(FAR * main.steps)), 1
    far = replace(main, steps=round(FAR * main.steps), rate=FAR_RATE)
    yield "T1 curve", LONG[1], far, 1
    for task in ALL_TASKS:
        yield "T1 curve", f"{task} alone, {FAR:g} times the steps", far.alone(task), 1


def balancing_entries(main: Setting, seeds: int) -> Entries:
    """All tasks under every other balancing; Pareto's weights come from gradients at the heatmaps."""
    for balancing in BALANCINGS[1:]:
        yield "T1", f"all tasks, {balancing}", replace(main, balancing=balancing), seeds


def as_written_entries(main: Setting, seeds: int) -> Entries:
    """The source's choices that were replaced, one at a time where one task shows it, and all at once."""
    middle = {"judge": "together", "copies": 1}
    together = {"distractor": {"judge": "together"}, "middle_frame": {**middle, "inputs": "relative"}}
    absolute = {**together, "middle_frame": {**middle, "inputs": "absolute"}}
    for task in ("distractor", "middle_frame"):
        yield "T1 as written", f"{task} alone, judge `together`", replace(main.alone(task), settings=together), 1
    game = main.alone("distractor")
    yield "T1 as written", "distractor alone, torch's first weights", replace(game, start="torch"), 1
    equal = {name: 1.0 for name in main.weights}
    yield "T1 as written", "all tasks, equal weights from the start", replace(main, weights=equal), 1
    plain = replace(main, method="plain", temperature=1.0, start="torch", shapes=("concentration",), rate=1.0e-3)
    plain = replace(plain, settings=absolute, weights={}, middle_frame_after=0.0)
    yield "T1 as written", "all tasks, everything as written", plain, 1


def curve_entries(main: Setting, seeds: int) -> Entries:
    """All tasks on fewer different images, as many steps."""
    for number in LABELS[:-1]:
        yield "T1 curve", f"all tasks, {number} images", replace(main, num_images=number), 1


def baseline_entries(main: Setting, seeds: int) -> Entries:
    """The earlier attempts and what relatives use, each alone."""
    for task in ("tps_equivariance", "delaunay", "difference_map", "masked_inpainting"):
        yield "T1 baselines", f"{task} alone", main.alone(task), 1


MAKERS = {
    "tasks": task_entries, "long": long_entries, "balancing": balancing_entries, "as_written": as_written_entries,
    "curve": curve_entries, "baselines": baseline_entries,
}  # fmt: skip


def rows_of(trainings: Trainings, key: tuple[str, str, str], settings: list[Setting]) -> list[Row]:
    """One row per metric over the finished seeds; a training that ended with alarms counts as a failure."""
    table, data, method = key
    results = [trainings.done[s.key()] for s in settings if s.key() in trainings.done]
    if not results:
        return []
    failures = sum(r["metrics"]["alarms"] > 0 for r in results)
    seconds = sum(r["seconds"] for r in results) / len(results)
    rows = []
    for metric, unit in UNITS.items():
        values = [r["metrics"][metric] for r in results if metric in r["metrics"]]
        if values:
            target = TARGETS.get((data, metric))
            note = f"{settings[0].steps * settings[0].batch} images seen" + (f", to beat {target}" if target else "")
            rows.append(Row(table, data, method, metric, unit, values, failures, seconds, trainings.device, note))
    return rows


def swapped_rows(trainings: Trainings, plan: Plan) -> list[Row]:
    """Class accuracy with the detector that was trained on the other set."""
    rows = []
    for (_, trained_on, method), settings in plan.items():
        results = [trainings.done[s.key()]["metrics"] for s in settings if s.key() in trainings.done]
        values = [r["swapped"] for r in results if "swapped" in r]
        if values:
            data = OTHER[trained_on]
            note = f"{NUM_KEYPOINTS[trained_on]} keypoints, to beat {TARGETS[data, 'swapped']}"
            name = f"{method}, trained on {trained_on}"
            rows.append(Row("T1", data, name, "class_accuracy", "%", values, note=note))
    return rows


def pixel_rows(trainings: Trainings) -> list[Row]:
    """What the same small network makes of all pixels, by number of labels: what so few labels are worth."""
    found = [(data, number, trainings.done.get(f"pixels {data} {number}")) for data in OTHER for number in LABELS]
    return [
        Row("T1 curve", data, f"all pixels, {number} labels", "class_accuracy", "%", [value])
        for data, number, value in found
        if value is not None
    ]


def main() -> None:
    """Parse the arguments, train what is missing, print the table, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, tasks only, 20 nominal seconds a training")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sets", nargs="+", choices=sorted(NUM_KEYPOINTS), default=list(NUM_KEYPOINTS))
    parser.add_argument("--methods", nargs="+", default=[""], help="train only rows whose name has one of these words")
    parser.add_argument("--seeds", type=int, default=3, help="of tasks and balancings; others have one")
    parser.add_argument("--budget", type=float, default=60, help="nominal seconds per training")
    parser.add_argument("--slice", type=float, default=float("inf"), help="stop after as many seconds, to go on later")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, each on its own threads")
    parser.add_argument("--pictures", action="store_true", help="also draw docs/pictures/detector_*.png")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    budget, seeds = (20.0, 1) if arguments.quick else (arguments.budget, arguments.seeds)
    parts = ["tasks"] if arguments.quick else arguments.only
    steps = round(budget * STEPS_A_SECOND[torch.device(arguments.device).type])
    trainings = Trainings(RESULTS, arguments.device, arguments.slice)
    plan = plan_of(parts, steps, seeds, arguments.sets)
    wanted = {key: settings for key, settings in plan.items() if any(word in key[2] for word in arguments.methods)}
    train_all(trainings, wanted, arguments.jobs)
    shown = plan_of(parts if arguments.quick else list(PARTS), steps, seeds, list(NUM_KEYPOINTS))
    rows = [row for key, settings in shown.items() for row in rows_of(trainings, key, settings)]
    rows += swapped_rows(trainings, shown) + pixel_rows(trainings)
    publish(rows, "detector_quick" if arguments.quick else "detector")
    if arguments.pictures:
        folder = Path(__file__).parents[1] / "docs" / "pictures"
        for data in NUM_KEYPOINTS:
            print("picture:", draw_comparison(trainings, data, steps, folder / f"detector_{data}.png"))
        lengths = sorted({round(length * steps) for length in (1.0, *LENGTHS, FAR)})
        print("picture:", draw_curves(trainings, lengths, folder / "detector_curves.png"))


def train_all(trainings: Trainings, plan: Plan, jobs: int) -> None:
    """Train what is missing until the slice is over: the first seed of everything first, each method on both sets."""
    order = {method: place for place, (_, _, method) in reversed(list(enumerate(plan)))}
    wanted = [(setting, method) for (_, _, method), settings in plan.items() for setting in settings]
    wanted.sort(key=lambda job: (job[0].seed, order[job[1]]))
    tasks = [(setting, method, trainings.folder, trainings.device, trainings.until) for setting, method in wanted]
    outcomes = [said for _, said in finished(train_one, tasks, jobs, lambda: time.monotonic() < trainings.until)]
    trainings.read()
    if left := sum(setting.key() not in trainings.done for setting, _ in wanted):
        reasons = "; ".join(said for said in outcomes if said)
        print(f"out of time ({reasons or 'between two trainings'}); {left} trainings are left: run again", flush=True)


@cache
def trainings_of_process(folder: Path, device: str, until: float) -> Trainings:
    """One store in every process: images are loaded once."""
    return Trainings(folder, device, until - time.monotonic())


def train_one(setting: Setting, method: str, folder: Path, device: str, until: float) -> str:
    """One training and what is measured on it; where it was put down when its time was over, else nothing."""
    trainings = trainings_of_process(folder, device, until)
    trainings.read()
    try:
        trainings.run(setting)
    except OutOfTime as reason:
        return str(reason)
    if method in (MAIN, *LONG):
        trainings.measure_swapped(setting)
    if method in LONG:
        trainings.measure_labels(setting)
        for number in LABELS:
            trainings.measure_pixels(setting.data, number)
    return ""


if __name__ == "__main__":
    main()
