"""One training of the keypoint detector on small images, and everything that table T1 measures about it."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from articulate.errors import DataError
from articulate.evaluation.detector import class_accuracy, heatmap_elongation, occlusion_error, rotation_error
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.health import check_keypoints
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.losses import Balancer, LossTerm
from articulate.seeds import derive_seed, torch_generator

SHARED_DATA = Path(os.environ.get("ARTICULATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
NUM_KEYPOINTS = {"mnist": 7, "fashion_mnist": 9}
TASK_SETTINGS: dict[str, dict[str, Any]] = {
    "reconstruction": {"width": 0.5, "background": 0.1},
    "distractor": {"width": 0.25, "share": 0.25},
    "middle_frame": {"width": 0.5, "share": 0.5},
    "tps_equivariance": {"share": 0.5},
    "delaunay": {"share": 0.5},
    "difference_map": {"width": 0.34, "share": 0.5},
    "masked_inpainting": {"width": 0.34},
    "textured_reconstruction": {"width": 0.34},
}
ALL_TASKS = ("reconstruction", "distractor", "middle_frame")
# The judge of relative poses sends back far larger gradients than the reconstruction: it gets little weight.
WEIGHTS = {"reconstruction": 3.0, "distractor": 0.3, "middle_frame": 0.1, "jensen_shannon": 0.3}


@dataclass(frozen=True)
class Setting:
    """What decides a training's outcome on one machine; two equal settings are trained once."""

    data: str
    tasks: tuple[str, ...] = ALL_TASKS
    balancing: str = "exponential"
    seed: int = 0
    steps: int = 400
    num_images: int = 10_000
    batch: int = 24
    rate: float = 3.0e-3
    width: float = 0.34
    method: str = "corrected"
    temperature: float = 0.3
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self) -> str:
        """Short hash of all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def detector_config(self) -> KeypointDetectorConfig:
        """One-channel detector; cleaned heatmaps of 0.9 px as in the source's toy sets."""
        return KeypointDetectorConfig(
            num_keypoints=NUM_KEYPOINTS[self.data], channels=1, width=self.width, skip="half", sigma_px=0.9,
            method=self.method, temperature=self.temperature,
        )  # fmt: skip

    def task_config(self) -> MultiTaskConfig:
        """The tasks at small widths, with the settings of this training on top."""
        return MultiTaskConfig(
            tasks={t: TASK_SETTINGS[t] | self.settings.get(t, {}) for t in self.tasks}, shapes=("jensen_shannon",)
        )


@dataclass(frozen=True)
class Images:
    """Training and test halves, [N, 1, 28, 28] in [0, 1], with classes that only the evaluation reads."""

    train: Tensor
    test: Tensor
    train_label: Tensor
    test_label: Tensor


def load_images(name: str, device: str) -> Images:
    """The set's 10k + 10k images."""
    path = SHARED_DATA / name / f"{name}_20k.npz"
    if not path.is_file():
        raise DataError(f"{path}: not found; set ARTICULATE_SHARED_DATA to the folder of real data")
    with np.load(path, allow_pickle=False) as stored:
        train, test = (torch.from_numpy(stored[k])[:, None].float().to(device) / 255 for k in ("x_train", "x_test"))
        return Images(
            train, test, torch.from_numpy(stored["y_train"]).long(), torch.from_numpy(stored["y_test"]).long()
        )


def rate_at(progress: float) -> float:
    """Factor on the learning rate: three drops, as the source divides it by ten after each third of the epochs."""
    return 1.0 if progress < 0.5 else 0.3 if progress < 0.75 else 0.1 if progress < 0.92 else 0.03


def train(setting: Setting, images: Tensor) -> tuple[KeypointDetector, MultiTask, list[dict[str, Any]], float]:
    """Detector and tasks after `setting.steps` steps, the log of raw, weighted and gradient share, and seconds."""
    device = images.device
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(setting.seed, "weights"))
        detector = KeypointDetector(setting.detector_config())
        tasks = MultiTask(setting.task_config(), setting.detector_config(), (28, 28))
    detector, tasks = (m.to(device, memory_format=torch.channels_last) for m in (detector, tasks))
    names = setting.task_config().loss_names()
    balancer = Balancer({n: LossTerm(weight=setting.weights.get(n, 1.0)) for n in names}, setting.balancing).to(device)
    parameters = [*detector.parameters(), *tasks.parameters(), *balancer.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=setting.rate, fused=True)
    generator = torch_generator(setting.seed, "tasks", device=device)
    images, log, start = images[: setting.num_images], list[dict[str, Any]](), time.perf_counter()
    for step in range(setting.steps):
        optimiser.param_groups[0]["lr"] = setting.rate * rate_at(step / setting.steps)
        chosen = torch.randint(len(images), (setting.batch,), generator=generator, device=device)
        result = tasks(detector, images[chosen], generator)
        reporting = step % 50 == 49
        needs_shared = setting.balancing == "pareto" or reporting
        balanced = balancer(result.losses, step, shared=result.shared if needs_shared else None)
        optimiser.zero_grad()
        balanced.total.backward()
        optimiser.step()
        if reporting:
            found = result.detection
            alarms = [a.message for a in check_keypoints(found.xy.detach(), found.score)]
            log.append({"step": step, "terms": {n: asdict(t) for n, t in balanced.terms.items()}, "alarms": alarms})
    return detector, tasks, log, time.perf_counter() - start


@torch.no_grad()
def detect(detector: KeypointDetector, images: Tensor) -> Tensor:
    """Keypoints of all images, in chunks, on the CPU."""
    return torch.cat([detector(part).xy for part in images.split(500)]).cpu()


@torch.no_grad()
def task_metrics(setting: Setting, detector: KeypointDetector, tasks: MultiTask, images: Tensor) -> dict[str, float]:
    """Mean of every task's metrics over unseen images; the whole batch plays."""
    generator = torch_generator(setting.seed, "test", device=images.device)
    collected: dict[str, list[float]] = {}
    for part in images.split(100):
        for name, value in tasks(detector, part, generator).metrics.items():
            collected.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in collected.items()}


def class_from_keypoints(setting: Setting, detector: KeypointDetector, images: Images) -> float:
    """Class accuracy (%) on the test half of a small network that is fitted on keypoints of the training half."""
    generator = torch_generator(setting.seed, "class")
    number = min(len(images.train), max(setting.num_images, 1000))
    train_xy, test_xy = detect(detector, images.train[:number]), detect(detector, images.test)
    return 100 * class_accuracy(train_xy, images.train_label[:number], test_xy, images.test_label, generator)


def evaluate(setting: Setting, detector: KeypointDetector, tasks: MultiTask, images: Images) -> dict[str, float]:
    """All numbers of one training."""
    detector.eval()
    metrics = task_metrics(setting, detector, tasks, images.test[:2000])
    metrics = {n: v * (100 if n.endswith("accuracy") else 1) for n, v in metrics.items()}
    metrics["class_accuracy"] = class_from_keypoints(setting, detector, images)
    sample = images.test[:500]
    with torch.no_grad():
        found = detector(sample)
    metrics["heatmap_elongation"] = float(heatmap_elongation(found.heatmaps).median())
    metrics["alarms"] = float(len(check_keypoints(found.xy, found.score)))
    turned = rotation_error(lambda x: detector(x).xy, sample, [np.pi / 6, np.pi / 2])
    metrics["rotation_30"], metrics["rotation_90"] = turned.values()
    generator = torch_generator(setting.seed, "occlusion")
    metrics["occlusion"] = occlusion_error(lambda x: detector(x).xy, sample, 0.25, generator)
    return metrics


class Trainings:
    """Finished trainings by setting: a JSON file of numbers, and one weights file each, so that runs resume."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self.device = device
        self.path = folder / "detector_runs.json"
        self.done: dict[str, Any] = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.images: dict[str, Images] = {}

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
            images = self.data(setting.data)
            detector, tasks, log, seconds = train(setting, images.train)
            metrics = evaluate(setting, detector, tasks, images)
            self.weights_path(setting).parent.mkdir(parents=True, exist_ok=True)
            torch.save(detector.state_dict(), self.weights_path(setting))
            self.done[key] = {"setting": asdict(setting), "metrics": metrics, "seconds": seconds, "log": log}
            self.write()
            shown = {k: round(v, 4) for k, v in metrics.items()}
            print(
                f"{setting.data} {'+'.join(setting.tasks)} {setting.balancing} seed {setting.seed}: {shown}", flush=True
            )
        return self.done[key]

    def detector(self, setting: Setting) -> KeypointDetector:
        """The trained detector of a finished setting."""
        detector = KeypointDetector(setting.detector_config())
        state = torch.load(self.weights_path(setting), map_location="cpu", weights_only=True)
        detector.load_state_dict(state)
        return detector.to(self.device).eval()

    def swapped(self, setting: Setting, other: str) -> float:
        """Class accuracy (%) on the set `other` of the detector trained by `setting`."""
        known = self.done[setting.key()]["metrics"]
        if f"class_on_{other}" not in known:
            known[f"class_on_{other}"] = class_from_keypoints(setting, self.detector(setting), self.data(other))
            self.write()
        return known[f"class_on_{other}"]

    def write(self) -> None:
        """Keep what is finished, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".tmp")
        partial.write_text(json.dumps(self.done, indent=1) + "\n")
        partial.replace(self.path)
