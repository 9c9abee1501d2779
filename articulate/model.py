"""A trained model: detector, lifter, skeleton and how it wants its video, as one file and as one object.

The file is safetensors (weights, nothing executable) whose header carries everything else as JSON; `model_card.md`
beside it says the same in words.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from articulate.config import validate
from articulate.errors import ConfigError, DataError
from articulate.inference.lift import LiftSettings
from articulate.inference.settings import VideoSettings, video_settings
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.registry import CONFIGS, build_lifter
from articulate.records import Articulation, Skeleton
from articulate.result import Result, read_json
from articulate.runs import load_checkpoint, write_atomic

SCHEMA = 1
FILE = "model.safetensors"
CARD = "model_card.md"


@dataclass(frozen=True)
class Model:
    """What a run learned, ready for new video. `Model.load` makes one from a run's folder or a model file."""

    detector: KeypointDetector
    skeleton: Skeleton
    settings: VideoSettings
    lifter: Lifter | None = None
    lifter_config: LifterConfig | None = None
    lifting: LiftSettings = LiftSettings()
    articulation: Articulation | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_keypoints(self) -> int:
        """K."""
        return self.detector.config.num_keypoints

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every keypoint."""
        if self.articulation is not None:
            return self.articulation.names
        return tuple(f"keypoint_{k:02d}" for k in range(self.num_keypoints))

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that depend on every weight and setting."""
        digest = hashlib.sha256(header_of(self, with_metrics=False).encode())
        for name, tensor in sorted(tensors_of(self).items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def to(self, device: torch.device | str) -> "Model":
        """This model with its networks moved to `device`."""
        self.detector.to(device)
        if self.lifter is not None:
            self.lifter.to(device)
        return self

    def predict(self, video: Path | str) -> Result:
        """Keypoints in pixels of the video, their confidence and 3D joints of every frame (see `Result`).

        `video` is a file or a folder of pictures. Undecodable frames are NaN rows at their true numbers. Raises
        DataError for a file that is no usable video.
        """
        from articulate.inference.predict import predict_video  # it needs this module

        return predict_video(self, Path(video))

    def save(self, folder: Path | str) -> list[Path]:
        """Write `model.safetensors` and `model_card.md` into `folder`, each atomically."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{FILE}.tmp"
        # One key alone: the header's order of several is not fixed.
        save_file(tensors_of(self), partial, metadata={"articulate": header_of(self)})
        partial.replace(folder / FILE)
        from articulate.inference.card import card  # it needs this module

        write_atomic(folder / CARD, card(self))
        return [folder / FILE, folder / CARD]

    @classmethod
    def load(cls, path: Path | str) -> "Model":
        """The model of a run's folder, or of a `model.safetensors`. Raises DataError when there is none."""
        path = Path(path)
        if path.is_file():
            return read_model(path)
        if not path.is_dir():
            raise DataError(f"{path}: no such run folder or model file")
        for candidate in (path / FILE, path / "results" / FILE):
            if candidate.is_file():
                return read_model(candidate)
        return model_of_run(path)


def save_run_model(run: Path | str) -> list[Path]:
    """Write the model of a finished run into its folder of results; returns the files."""
    return model_of_run(Path(run)).save(Path(run) / "results")


def model_of_run(run: Path) -> Model:
    """The model from a run's checkpoints, configuration and results. Raises DataError when something is missing."""
    path = run / "config.yaml"
    if not path.is_file():
        raise DataError(f"{run}: no run (config.yaml is missing) and no {FILE}")
    config = yaml.safe_load(path.read_text())["config"]
    weights: dict[str, dict[str, Tensor]] = {}
    # Later groups train on from earlier ones, so the last weights of a stage count.
    for number in range(len(config["schedule"])):
        file = run / "checkpoints" / f"group-{number}.pt"
        if file.is_file():
            weights |= load_checkpoint(file)["stages"]
    if "keypoints" not in weights:
        raise DataError(f"{run}: holds no trained detector (checkpoints/group-*.pt); has the run finished?")
    result = Result.load(run)
    stages, provenance = config["stages"], dict(result.provenance)
    data = config["data"]
    if provenance.get("stand_in"):
        data = data["stand_in"]
    keypoints = stages["keypoints"]
    detector = build_detector({"num_keypoints": keypoints["num_keypoints"], **keypoints["detector"]})
    load_weights(detector, part(weights["keypoints"], "detector."), run)
    lifter, lifter_config, lifting = None, None, LiftSettings()
    if "lifting" in weights and result.motion is not None:
        section = stages["lifting"]
        lifter_config = validate(CONFIGS[section["lifter"]], section["settings"], f"{path}: lifting.settings")
        lifter = empty_lifter(keypoints["num_keypoints"], lifter_config)
        load_weights(lifter, part(weights["lifting"], "lifter."), run)
        lifting = LiftSettings(settle=section.get("settle", False), rigid=section["rigid"])
    metrics = run / "results" / "metrics.json"
    return Model(
        detector=detector.eval(),
        skeleton=result.skeleton,
        settings=video_settings(data, keypoints, result.store_size),
        lifter=None if lifter is None else lifter.eval(),
        lifter_config=lifter_config,
        lifting=lifting,
        articulation=result.articulation,
        provenance=provenance,
        metrics=read_json(metrics) if metrics.is_file() else {},
    )


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def load_weights(module: nn.Module, weights: dict[str, Tensor], where: Path) -> None:
    """Fill `module`. Raises DataError when the weights are those of another network."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()
        raise DataError(
            f"{where}: the weights are not those of the network that its settings describe "
            f"({reason[min(1, len(reason) - 1)].strip()}); it was trained by another version: train again"
        ) from None


def build_detector(settings: Mapping[str, Any]) -> KeypointDetector:
    """A detector with weights yet to be loaded."""
    with torch.random.fork_rng(devices=[]):
        return KeypointDetector(KeypointDetectorConfig(**settings))


def empty_lifter(num_keypoints: int, config: LifterConfig) -> Lifter:
    """A lifter with weights yet to be loaded."""
    with torch.random.fork_rng(devices=[]):
        return build_lifter(num_keypoints, config, torch.Generator().manual_seed(0))


def tensors_of(model: Model) -> dict[str, Tensor]:
    """Every tensor of the model by a name that says whose it is."""
    found = {f"detector.{k}": v for k, v in model.detector.state_dict().items()}
    if model.lifter is not None:
        found |= {f"lifter.{k}": v for k, v in model.lifter.state_dict().items()}
    for name, record in (("skeleton", model.skeleton), ("articulation", model.articulation)):
        if record is not None:
            values = {k: v for k, v in record.arrays(f"{name}.").items() if v.dtype.kind != "U"}
            found |= {k: torch.from_numpy(v.copy()) for k, v in values.items()}
    return {k: v.detach().cpu().contiguous() for k, v in found.items()}


def header_of(model: Model, with_metrics: bool = True) -> str:
    """Everything but tensors, as JSON."""
    kind = (
        None if model.lifter_config is None else next(k for k, c in CONFIGS.items() if type(model.lifter_config) is c)
    )
    about = {
        "schema": SCHEMA,
        "detector": model.detector.config.model_dump(mode="json"),
        "lifter": None if model.lifter_config is None else model.lifter_config.model_dump(mode="json"),
        "lifter_kind": kind,
        "lifting": model.lifting.model_dump(mode="json"),
        "settings": model.settings.model_dump(mode="json"),
        "names": list(model.names),
        "units": None if model.articulation is None else model.articulation.units,
        "provenance": dict(model.provenance),
    }
    if with_metrics:
        about["metrics"] = dict(model.metrics)
    return json.dumps(about, sort_keys=True, default=str)


def read_model(path: Path) -> Model:
    """Read what `Model.save` wrote. Raises DataError when the file is damaged or of another schema."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("articulate", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged or no model file ({error})") from error
    if about is None or about.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a model of this program (schema {SCHEMA} is expected); export the run again")
    try:
        return assemble_model(about, tensors, path)
    except (KeyError, ConfigError) as error:
        raise DataError(f"{path}: its parts do not fit together ({error}); export the run again") from error


def assemble_model(about: Mapping[str, Any], tensors: dict[str, Tensor], path: Path) -> Model:
    """The model of a file's header and tensors."""
    detector = build_detector(about["detector"])
    load_weights(detector, part(tensors, "detector."), path)
    lifter, lifter_config = None, None
    if about["lifter_kind"] is not None:
        lifter_config = validate(CONFIGS[about["lifter_kind"]], about["lifter"], f"{path}: lifter")
        lifter = empty_lifter(about["detector"]["num_keypoints"], lifter_config)
        load_weights(lifter, part(tensors, "lifter."), path)
    articulation = None
    if about["units"] is not None:
        values = part(tensors, "articulation.")
        articulation = Articulation(**values, names=tuple(about["names"]), units=about["units"])  # type: ignore[arg-type]
    return Model(
        detector=detector.eval(),
        skeleton=Skeleton(**part(tensors, "skeleton.")),
        settings=validate(VideoSettings, about["settings"], f"{path}: settings"),
        lifter=None if lifter is None else lifter.eval(),
        lifter_config=lifter_config,
        lifting=LiftSettings(**about["lifting"]),
        articulation=articulation,
        provenance=about["provenance"],
        metrics=about["metrics"],
    )
