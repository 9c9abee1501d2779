"""Pictures of table T1: keypoints of each task alone beside all tasks together, and learning curves."""

from pathlib import Path

from detector_measures import Trainings, detect
from detector_training import ALL_TASKS, NUM_KEYPOINTS, Setting
from matplotlib.figure import Figure
from torch import Tensor

COLOURS = ("#e41a1c", "#377eb8", "#4daf4a", "#984ea3", "#ff7f00", "#ffff33", "#a65628", "#f781bf", "#00ced1")

MEASURES = {
    "reconstruction_mse": "reconstruction error", "distractor_accuracy": "distractor %",
    "middle_frame_accuracy": "middle frame %", "class_accuracy": "class from keypoints %",
}  # fmt: skip
# What Harris 2024 reports for all tasks, by set and metric; `swapped` with the detector of the other set.
TARGETS = {
    ("mnist", "class_accuracy"): 97.7, ("fashion_mnist", "class_accuracy"): 84.5,
    ("mnist", "distractor_accuracy"): 99.75, ("fashion_mnist", "distractor_accuracy"): 99.97,
    ("mnist", "middle_frame_accuracy"): 99.65, ("fashion_mnist", "middle_frame_accuracy"): 99.80,
    ("mnist", "reconstruction_mse"): 0.0291, ("fashion_mnist", "reconstruction_mse"): 0.0340,
    ("mnist", "swapped"): 93.1, ("fashion_mnist", "swapped"): 82.3,
}  # fmt: skip


def draw_comparison(trainings: Trainings, data: str, steps: int, path: Path) -> Path:
    """One panel of 4 x 8 images per training (seed 0); colour = identity of the keypoint."""
    panels = {"all tasks": Setting(data, steps=steps)}
    panels |= {f"{task.replace('_', ' ')} alone": panels["all tasks"].alone(task) for task in ALL_TASKS}
    images = trainings.data(data).test[:32]
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for axes, (title, setting) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        trainings.run(setting)
        draw_panel(axes, images.cpu(), detect(trainings.detector(setting), images))
        axes.set_title(title, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def draw_curves(trainings: Trainings, lengths: list[int], path: Path) -> Path:
    """Every measure against images seen, on both sets: all tasks and each alone (seed 0), trainings that are finished.

    `lengths` are numbers of steps. The dashed line is the source's figure for all tasks after 900,000 images.
    """
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    rows = figure.subplots(len(NUM_KEYPOINTS), len(MEASURES))
    for data, line in zip(NUM_KEYPOINTS, rows, strict=True):
        for (metric, title), axes in zip(MEASURES.items(), line, strict=True):
            draw_curve(axes, trainings, data, metric, lengths)
            axes.axhline(TARGETS[data, metric], color="black", linestyle="--", linewidth=0.8)
            axes.set_title(f"{data}: {title}", fontsize=8)
            axes.set_xscale("log")
            axes.tick_params(labelsize=7)
        line[-1].legend(fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def draw_curve(axes, trainings: Trainings, data: str, metric: str, lengths: list[int]) -> None:
    """One line per training that has the measure, over images seen."""
    for name, colour in zip(("all tasks", *ALL_TASKS), COLOURS, strict=False):
        points = []
        for steps in lengths:
            setting = Setting(data, steps=steps)
            setting = setting if name == "all tasks" else setting.alone(name)
            found = trainings.done.get(setting.key(), {"metrics": {}})["metrics"]
            if metric in found:
                points.append((steps * setting.batch, found[metric]))
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=name.replace("_", " "))


def draw_panel(axes, images: Tensor, xy: Tensor) -> None:
    """32 images in a 4 x 8 mosaic with their keypoints as dots."""
    side = images.shape[-1]
    mosaic = images[:, 0].view(4, 8, side, side).transpose(1, 2).reshape(4 * side, 8 * side)
    axes.imshow(1 - 0.6 * mosaic, cmap="gray", vmin=0, vmax=1)
    for number, points in enumerate(xy):
        place = (points + 1) * side / 2 - 0.5
        place = place + place.new_tensor([number % 8, number // 8]) * side
        axes.scatter(place[:, 0], place[:, 1], s=7, c=COLOURS[: len(points)], linewidths=0)
    axes.set_xlim(-0.5, 8 * side - 0.5)
    axes.set_ylim(4 * side - 0.5, -0.5)
    axes.set_axis_off()
