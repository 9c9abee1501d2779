"""Keypoints on 32 test images: each task alone beside all tasks together."""

from pathlib import Path

from detector_measures import Trainings, detect
from detector_training import ALL_TASKS, Setting
from matplotlib.figure import Figure
from torch import Tensor

COLOURS = ("#e41a1c", "#377eb8", "#4daf4a", "#984ea3", "#ff7f00", "#ffff33", "#a65628", "#f781bf", "#00ced1")


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


def draw_panel(axes, images: Tensor, xy: Tensor) -> None:
    """32 images in a 4 x 8 mosaic with their keypoints as dots."""
    side = images.shape[-1]
    mosaic = images[:, 0].view(4, 8, side, side).transpose(1, 2).reshape(4 * side, 8 * side)
    axes.imshow(1 - 0.6 * mosaic, cmap="gray", vmin=0, vmax=1)
    for number, points in enumerate(xy):
        place = (points + 1) * side / 2 - 0.5
        place = place + place.new_tensor([number % 8, number // 8]) * side
        axes.scatter(place[:, 0], place[:, 1], s=7, c=COLOURS[: len(points)], linewidths=0)
    axes.set_axis_off()
