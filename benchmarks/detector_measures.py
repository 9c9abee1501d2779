"""Everything that table T1 measures about a trained detector, and the store of finished and unfinished trainings."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detector_training import WARP, Images, Setting, Training, load_images
from torch import Tensor
from workers import Cells

from articulate.evaluation.detector import class_accuracy, heatmap_elongation, occlusion_error, rotation_error
from articulate.geometry.thin_plate import random_warp
from articulate.keypoints.detector import KeypointDetector
from articulate.keypoints.health import check_keypoints
from articulate.keypoints.multi_task import MultiTask
from articulate.keypoints.tasks.base import WarpConfig
from articulate.seeds import torch_generator

OTHER = {"mnist": "fashion_mnist", "fashion_mnist": "mnist"}
LABELS = (1000, 3000, 10_000)


@torch.no_grad()
def detect(detector: KeypointDetector, images: Tensor) -> Tensor:
    """Keypoints of all images, in chunks, on the CPU."""
    return torch.cat([detector(part).xy for part in images.split(100)]).cpu()


@torch.no_grad()
def task_metrics(setting: Setting, detector: KeypointDetector, tasks: MultiTask, images: Tensor) -> dict[str, float]:
    """Mean of every task's metrics over unseen images (accuracies in %), all of which play every game."""
    tasks.eval()
    generator = torch_generator(setting.seed, "test", device=images.device)
    shares = {name: tasks.task(name).config for name in tasks.tasks}
    for name, config in shares.items():
        tasks.task(name).config = config.model_copy(update={"share": 1.0})
    collected: dict[str, list[float]] = {}
    for part in images.split(100):
        for name, value in tasks(detector, part, generator).metrics.items():
            collected.setdefault(name, []).append(float(value))
    for name, config in shares.items():
        tasks.task(name).config = config
    return {n: float(np.mean(v)) * (100 if n.endswith("accuracy") else 1) for n, v in collected.items()}


def class_metrics(seed: int, detector: KeypointDetector, images: Images, *, labels: bool = False) -> dict[str, float]:
    """Class accuracy (%) on the test half of a small network that is fitted on keypoints of the training half.

    With `labels` also when fitted on fewer labels, and when every training image comes in four more warps: there are
    six times fewer labels here than in the source.
    """
    train_xy, test_xy = detect(detector, images.train), detect(detector, images.test)

    def accuracy(xy: Tensor, label: Tensor, epochs: int = 30) -> float:
        generator = torch_generator(seed, "class")
        return 100 * class_accuracy(xy, label, test_xy, images.test_label, generator, epochs=epochs)

    found = {"class_accuracy": accuracy(train_xy, images.train_label)}
    if labels:
        for number in LABELS[:-1]:
            found[f"class_accuracy_{number}_labels"] = accuracy(train_xy[:number], images.train_label[:number])
        generator = torch_generator(seed, "warped copies")
        copies = [train_xy]
        for _ in range(4):
            warp = random_warp(len(images.train), generator, strength=0.04, rotation=0.1, zoom=0.07, shift=0.03)
            copies.append(detect(detector, warp.warp(images.train, border="zeros")))
        found["class_accuracy_warped_copies"] = accuracy(torch.cat(copies), images.train_label.repeat(5), 20)
    return found


@torch.no_grad()
def middle_frame_by_rule(seed: int, detector: KeypointDetector, images: Tensor) -> float:
    """How often (%) a rule without parameters finds the middle of the game's three warps: what the keypoints are worth.

    The middle is the frame whose keypoints lie nearest to their mean over the three, by the median over keypoints.
    """
    warp = WarpConfig(**WARP).sample(images, torch_generator(seed, "rule", device=images.device))
    poses = torch.stack([detect(detector, view) for view in (images, warp.scaled(0.5).warp(images), warp.warp(images))])
    away = (poses - poses.mean(0)).norm(dim=-1).median(-1).values
    return 100 * float((away.argmin(0) == 1).double().mean())


def class_from_pixels(images: Images, number: int) -> float:
    """Class accuracy (%) of the same small network on all pixels, fitted on `number` images: what labels are worth."""
    train, test = (x.cpu().flatten(1).unflatten(1, (-1, 2)) for x in (images.train[:number], images.test))
    generator = torch_generator(0, "class")
    return 100 * class_accuracy(train, images.train_label[:number], test, images.test_label, generator)


def evaluate(training: Training, images: Images) -> dict[str, float]:
    """All numbers of one training."""
    setting, detector = training.setting, training.detector.eval()
    metrics = task_metrics(setting, detector, training.tasks, images.test[:3000])
    metrics |= class_metrics(setting.seed, detector, images)
    sample = images.test[:300]
    with torch.no_grad():
        found = detector(sample)
    metrics["middle_frame_by_rule"] = middle_frame_by_rule(setting.seed, detector, images.test[:1500])
    metrics["heatmap_elongation"] = float(heatmap_elongation(found.heatmaps, setting.temperature).median())
    metrics["alarms"] = float(len(check_keypoints(found.xy, found.score, covariance=found.covariance)))
    turned = rotation_error(lambda x: detector(x).xy, sample, [np.pi / 6, np.pi / 2])
    metrics["rotation_30"], metrics["rotation_90"] = turned.values()
    generator = torch_generator(setting.seed, "occlusion")
    metrics["occlusion"] = occlusion_error(lambda x: detector(x).xy, sample, 0.25, generator)
    return metrics


class OutOfTime(Exception):
    """The slice is over; what was begun is kept."""


class Trainings:
    """Finished trainings by setting: a JSON file of numbers, and one weights file each, so that runs resume.

    After `slice_seconds` the training in progress is put down and OutOfTime raised; the next run goes on with it.
    """

    def __init__(self, folder: Path, device: str, slice_seconds: float = float("inf")) -> None:
        self.folder = folder
        self.device = device
        self.until = time.monotonic() + slice_seconds
        self.cells = Cells(folder / "detector_runs.json")
        self.done: dict[str, Any] = {}
        self.images: dict[str, Images] = {}
        self.read()

    def read(self) -> None:
        """Take in what is finished by now, here or in other processes."""
        self.done |= self.cells.known()

    def data(self, name: str) -> Images:
        """The set, loaded once."""
        if name not in self.images:
            self.images[name] = load_images(name, self.device)
        return self.images[name]

    def weights_path(self, setting: Setting) -> Path:
        """Where the trained detector is kept."""
        return self.folder / "detector_weights" / f"{setting.key()}.pt"

    def run(self, setting: Setting) -> dict[str, Any]:
        """The numbers of `setting`, trained now unless they are known."""
        key = setting.key()
        if key not in self.done:
            training = self.trained(setting)
            metrics = evaluate(training, self.data(setting.data))
            torch.save(training.detector.state_dict(), self.weights_path(setting))
            self.done[key] = {
                "setting": asdict(setting), "metrics": metrics, "seconds": training.seconds,
                "log": training.log[:: max(1, len(training.log) // 8)],
            }  # fmt: skip
            self.write(key)
            self.partial_path(setting).unlink(missing_ok=True)
            shown = {k: round(v, 4) for k, v in metrics.items()}
            print(
                f"{setting.data} {'+'.join(setting.tasks)} {setting.balancing} seed {setting.seed}, {setting.steps} "
                f"steps in {training.seconds:.0f} s: {shown}",
                flush=True,
            )
        return self.done[key]

    def partial_path(self, setting: Setting) -> Path:
        """Where an unfinished training waits."""
        return self.weights_path(setting).with_suffix(".part.pt")

    def trained(self, setting: Setting) -> Training:
        """The training of `setting` brought to its end."""
        images, path = self.data(setting.data), self.partial_path(setting)
        training = Training(setting, images.train)
        if path.is_file():
            training.load(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        while training.step_number < setting.steps:
            if time.monotonic() > self.until:
                training.save(path)
                raise OutOfTime(f"{setting.data}, {setting.tasks}: {training.step_number} of {setting.steps} steps")
            training.step()
        return training

    def detector(self, setting: Setting) -> KeypointDetector:
        """The trained detector of a finished setting."""
        detector = KeypointDetector(setting.detector_config())
        state = torch.load(self.weights_path(setting), map_location="cpu", weights_only=True)
        detector.load_state_dict(state)
        return detector.to(self.device, memory_format=torch.channels_last).eval()

    def measure_swapped(self, setting: Setting) -> None:
        """Class accuracy (%) on the other set with the detector trained by `setting`, once."""
        known = self.done[setting.key()]["metrics"]
        if "swapped" not in known:
            images = self.data(OTHER[setting.data])
            known["swapped"] = class_metrics(setting.seed, self.detector(setting), images)["class_accuracy"]
            self.write(setting.key())

    def measure_labels(self, setting: Setting) -> None:
        """What fewer labels and warped copies make of the class accuracy (%) from `setting`'s keypoints, once."""
        known = self.done[setting.key()]["metrics"]
        if "class_accuracy_warped_copies" not in known:
            known |= class_metrics(setting.seed, self.detector(setting), self.data(setting.data), labels=True)
            self.write(setting.key())

    def measure_pixels(self, data: str, number: int) -> None:
        """`class_from_pixels`, once."""
        key = f"pixels {data} {number}"
        if key not in self.done:
            self.done[key] = class_from_pixels(self.data(data), number)
            self.write(key)

    def write(self, key: str) -> None:
        """Keep the entry of `key`, and take in what other processes have finished meanwhile."""
        self.done |= self.cells.keep(key, self.done[key])
