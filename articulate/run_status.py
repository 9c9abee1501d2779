"""How far a run is, from its folder alone."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class RunStatus:
    """One line about a run."""

    name: str
    state: str
    step: str
    loss: str
    changed: str


def status_of(path: Path) -> RunStatus:
    """The state of the run in `path`: which group of its schedule is under way, or that all are complete."""
    config = yaml.safe_load((path / "config.yaml").read_text())["config"]
    schedule = config["schedule"]
    done = [(path / "checkpoints" / f"group-{n}.done").is_file() for n in range(len(schedule))]
    last = last_entry(path / "metrics.jsonl")
    if all(done):
        state = "complete"
    else:
        number = done.index(False)
        state = f"group {number + 1} of {len(schedule)} ({' + '.join(schedule[number]['stages'])})"
    step = "-" if last is None else f"{last['step'] + 1} of {schedule[last['group']]['steps']}"
    loss = "-" if last is None else f"{last['total']:.4g}"
    files = [file.stat().st_mtime for file in path.rglob("*") if file.is_file()]
    return RunStatus(path.name, state, step, loss, ago(time.time() - max(files)))


def last_entry(path: Path) -> dict[str, Any] | None:
    """The last whole line of a metrics log; None without one."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 65536))
        lines = file.read().decode(errors="replace").splitlines(keepends=True)
    whole = [line for line in lines[-3:] if line.endswith("\n") and line.startswith("{")]
    return json.loads(whole[-1]) if whole else None


def ago(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"
