"""One training of the keypoint detector on small images, which can be stopped after any step and goes on alike."""

import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from articulate.errors import DataError
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.health import check_keypoints
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.losses import Balancer, LossTerm
from articulate.seeds import derive_seed, torch_generator

SHARED_DATA = Path(os.environ.get("ARTICULATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
NUM_KEYPOINTS = {"mnist": 7, "fashion_mnist": 9}
# The source does not say how strong its warps are; digits move by 2.8 px (one deviation) besides turning and bending.
WARP = {"strength": 0.15, "rotation": 0.3, "zoom": 0.15, "shift": 0.2}
TASK_SETTINGS: dict[str, dict[str, Any]] = {
    "reconstruction": {"width": 0.34, "background": 0.1},
    "distractor": {"width": 0.125, "share": 0.25},
    "middle_frame": {"width": 0.25, "share": 0.25, "copies": 4, "warp": WARP},
    "tps_equivariance": {"share": 0.5},
    "delaunay": {"share": 0.5},
    "difference_map": {"width": 0.34, "share": 0.5},
    "masked_inpainting": {"width": 0.34},
    "textured_reconstruction": {"width": 0.34},
}
ALL_TASKS = ("reconstruction", "distractor", "middle_frame")
# With equal weights the games, whose losses are steep, keep the reconstruction from being learned at all. Adam gives
# the judges, whom only their own loss reaches, the same steps whatever its weight.
WEIGHTS = {"reconstruction": 3.0, "distractor": 0.25, "middle_frame": 0.35, "jensen_shannon": 0.3}
# A task that is trained alone stands to the constraint on heatmaps as reconstruction does beside others.
ALONE = 3.0
WARM_UP = 20
REPORT_EVERY = 50


@dataclass(frozen=True)
class Setting:
    """What decides a training's outcome on one machine; two equal settings are trained once."""

    data: str
    tasks: tuple[str, ...] = ALL_TASKS
    balancing: str = "exponential"
    seed: int = 0
    steps: int = 500
    num_images: int = 10_000
    batch: int = 32
    rate: float = 5.0e-3
    width: float = 0.34
    start: str = "kaiming"
    method: str = "corrected"
    temperature: float = 0.3
    shapes: tuple[str, ...] = ("jensen_shannon",)
    middle_frame_after: float = 0.05
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self) -> str:
        """Short hash of all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def alone(self, task: str) -> "Setting":
        """The same with one task, and without the weights of the others."""
        return replace(self, tasks=(task,), weights={s: self.weights[s] for s in self.shapes})

    def detector_config(self) -> KeypointDetectorConfig:
        """One-channel detector; cleaned heatmaps of 0.9 px as in the source's toy sets."""
        numbers = {"width": self.width, "start": self.start, "method": self.method, "temperature": self.temperature}
        return KeypointDetectorConfig(
            num_keypoints=NUM_KEYPOINTS[self.data], channels=1, skip="half", sigma_px=0.9, **numbers
        )

    def task_config(self) -> MultiTaskConfig:
        """The tasks at small widths, with the settings of this training on top."""
        tasks = {t: TASK_SETTINGS[t] | self.settings.get(t, {}) for t in self.tasks}
        return MultiTaskConfig.model_validate({"tasks": tasks, "shapes": self.shapes})

    def terms(self) -> dict[str, LossTerm]:
        """Weights; beside other tasks the middle frame waits until the reconstruction has drawn the keypoints apart."""
        alone = len(self.tasks) == 1
        wait = 0 if alone else round(self.middle_frame_after * self.steps)
        terms = {}
        for name in self.task_config().loss_names():
            start = wait if name == "middle_frame" else 0
            weight = ALONE if alone and name in self.tasks else self.weights.get(name, 1.0)
            terms[name] = LossTerm(weight=weight, start=start, ramp=start)
        return terms

    def rate_at(self, step: int) -> float:
        """Learning rate: a short warm-up, then half a cosine to 2 %."""
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * fall * min(1.0, (step + 1) / WARM_UP)


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


class Training:
    """Networks, optimiser and random numbers of one setting, and how far it is."""

    def __init__(self, setting: Setting, images: Tensor) -> None:
        self.setting = setting
        self.images = images[: setting.num_images]
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(setting.seed, "weights"))
            detector = KeypointDetector(setting.detector_config())
            tasks = MultiTask(setting.task_config(), setting.detector_config(), (28, 28))
        self.detector, self.tasks = (m.to(images.device, memory_format=torch.channels_last) for m in (detector, tasks))
        self.balancer = Balancer(setting.terms(), setting.balancing).to(images.device)
        self.parts = nn_parts(self)
        parameters = [p for part in self.parts.values() for p in part.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=setting.rate, fused=True)
        self.generator = torch_generator(setting.seed, "tasks", device=images.device)
        self.step_number = 0
        self.seconds = 0.0
        self.log: list[dict[str, Any]] = []

    def step(self) -> None:
        """One step on a random batch; every 50 the raw and weighted losses, gradient shares and alarms are kept."""
        setting, begun = self.setting, time.process_time()
        self.optimiser.param_groups[0]["lr"] = setting.rate_at(self.step_number)
        drawn = torch.randint(
            len(self.images), (setting.batch,), generator=self.generator, device=self.generator.device
        )
        result = self.tasks(self.detector, self.images[drawn], self.generator)
        reporting = self.step_number % REPORT_EVERY == REPORT_EVERY - 1
        shared = result.shared if setting.balancing == "pareto" or reporting else None
        balanced = self.balancer(result.losses, self.step_number, shared=shared)
        self.optimiser.zero_grad()
        balanced.total.backward()
        self.optimiser.step()
        if reporting:
            found = result.detection
            faults = check_keypoints(found.xy.detach(), found.score, covariance=found.covariance.detach())
            alarms = [fault.message for fault in faults]
            terms = {n: asdict(t) for n, t in balanced.terms.items()}
            self.log.append({"step": self.step_number, "terms": terms, "alarms": alarms})
        self.step_number += 1
        self.seconds += time.process_time() - begun

    def save(self, path: Path) -> None:
        """All that the next step depends on, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"optimiser": self.optimiser.state_dict(), "generator": self.generator.get_state()}
        state |= {"step": self.step_number, "seconds": self.seconds, "log": json.dumps(self.log)}
        partial = path.with_suffix(".tmp")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from `path`."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step_number, self.seconds, self.log = state["step"], state["seconds"], json.loads(state["log"])


def nn_parts(training: Training) -> dict[str, torch.nn.Module]:
    """What is trained, by name."""
    return {"detector": training.detector, "tasks": training.tasks, "balancer": training.balancer}
