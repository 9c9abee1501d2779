"""The folder of one run: which folder a command gets, atomic files, fingerprints, the metrics log, TensorBoard.

Nothing that was there before is ever overwritten: the same resolved configuration finds its own folder again and
resumes; any other one gets the next free name.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from articulate import __version__
from articulate.errors import DataError

LIBRARIES = ("torch", "numpy", "scipy", "networkx", "av", "pydantic", "numba")


def fingerprint(*parts: Any) -> str:
    """Sixteen hexadecimal digits that depend on every part (JSON with sorted keys, SHA-256)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_fingerprint(path: Path) -> str:
    """Sixteen hexadecimal digits of what a file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def write_atomic(path: Path, text: str) -> None:
    """Write `text` so that `path` holds either the old or the new content, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(text)
    partial.replace(path)


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically; it loads with `weights_only=True`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    torch.save(content, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, on the CPU. Raises DataError when the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable checkpoint ({error}); delete it to train this part again") from None


class RunFolder:
    """One run's files: `config.yaml`, `metrics.jsonl`, and folders of checkpoints, records, images and results."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = path / "records"
        self.results = path / "results"
        self.images = path / "images"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.metrics = path / "metrics.jsonl"

    @classmethod
    def choose(cls, root: Path, name: str, config: Mapping[str, Any], *, fresh: bool = False) -> "RunFolder":
        """The newest folder under `root` whose resolved configuration equals `config`, else the next free one.

        With `fresh` always the next free one: `name`, `name-2`, `name-3`, ...
        """
        number, newest = 1, None
        while (candidate := root / (name if number == 1 else f"{name}-{number}")).exists():
            stored = candidate / "config.yaml"
            if stored.is_file() and yaml.safe_load(stored.read_text()) == config:
                newest = candidate
            number += 1
        if newest is not None and not fresh:
            return cls(newest)
        # Made beside and renamed: a run killed at any moment leaves no folder without its configuration.
        partial = root / f".{candidate.name}.partial-{os.getpid()}"
        partial.mkdir(parents=True, exist_ok=True)
        write_atomic(partial / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False))
        partial.rename(candidate)
        return cls(candidate)

    def log(self, entry: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with open(self.metrics, "a") as file:
            file.write(json.dumps(entry) + "\n")

    def truncate_log(self, group: int, step: int) -> None:
        """Drop the lines of `group` from `step` on, and of all later groups: a resumed run writes them again."""
        if not self.metrics.is_file():
            return
        lines = self.metrics.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and log_position(line) < (group, step)]
        write_atomic(self.metrics, "".join(kept))


def log_position(line: str) -> tuple[int, int]:
    """(group, step) of one line of `metrics.jsonl`."""
    entry = json.loads(line)
    return entry["group"], entry["step"]


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that numbers depend on."""
    found = {"articulate": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        found[library] = metadata.version(library)
    return found
