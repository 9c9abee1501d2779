"""Rows of the scoreboard: collect, print as Markdown, write as JSON. Every number that is quoted comes from here."""

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


def current_commit() -> str:
    """Short hash of the checkout, with `+` when the working tree differs from it; `unknown` outside a checkout."""
    here = Path(__file__).parent
    try:
        name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True)
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return (name.stdout.strip() or "unknown") + ("+" if dirty.stdout.strip() else "")


@dataclass
class Row:
    """One measured quantity: its value in every seed (or clip), and how often the method failed outright."""

    table: str
    data: str
    method: str
    metric: str
    unit: str
    values: list[float]
    failures: int = 0
    seconds: float = math.nan
    device: str = "cpu"
    note: str = ""
    n: int = field(init=False)
    mean: float = field(init=False)
    std: float = field(init=False)
    threads: int = field(init=False)
    commit: str = field(init=False)
    command: str = field(init=False)

    def __post_init__(self) -> None:
        finite = [v for v in self.values if math.isfinite(v)]
        self.n = len(self.values)
        self.mean = statistics.fmean(finite) if finite else math.nan
        self.std = statistics.stdev(finite) if len(finite) > 1 else 0.0
        self.threads = torch.get_num_threads()
        self.commit = current_commit()
        self.command = "python " + " ".join(sys.argv)


def format_number(value: float) -> str:
    """Four significant digits, the same for every table."""
    return "-" if not math.isfinite(value) else f"{value:.4g}"


def markdown(rows: list[Row]) -> str:
    """Rows as a Markdown table, in the order given; with seconds where any row was timed."""
    timed = any(math.isfinite(r.seconds) for r in rows)
    names = ["table", "data", "method", "metric", "mean", "std", "n", "failures", *["seconds"] * timed, "note"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for r in rows:
        numbers = [format_number(r.mean), format_number(r.std), str(r.n), str(r.failures)]
        numbers += [format_number(r.seconds)] * timed
        cells = [r.table, r.data, r.method, f"{r.metric} [{r.unit}]", *numbers, r.note]
        # A bar within a cell, as in |dz|, would end it.
        line = " | ".join(cell.replace("|", r"\|") for cell in cells)
        lines.append(f"| {line} |")
    return "\n".join(lines)


def without_nan(row: dict) -> dict:
    """The row with `None` where a number is not finite, which JSON cannot say."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def earlier_rows(name: str, measured: Callable[[Row], bool], folder: Path = RESULTS) -> list[Row]:
    """Rows of the result file `name` that are not `measured` anew, each with the command and commit that made it."""
    path, rows = folder / f"{name}.json", []
    for entry in json.loads(path.read_text()) if path.is_file() else []:
        values = [math.nan if v is None else v for v in entry["values"]]
        seconds = math.nan if entry["seconds"] is None else entry["seconds"]
        made = {k: entry[k] for k in ("table", "data", "method", "metric", "unit", "failures", "device", "note")}
        row = Row(values=values, seconds=seconds, **made)
        row.commit, row.command, row.threads = entry["commit"], entry["command"], entry["threads"]
        rows += [] if measured(row) else [row]
    return rows


def publish(rows: list[Row], name: str, folder: Path = RESULTS) -> Path:
    """Print the rows as Markdown and write `folder/name.json` (rows) and `folder/name.md` (the same, to read)."""
    text = markdown(rows)
    print(text, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([without_nan(asdict(r)) for r in rows], indent=1) + "\n")
    (folder / f"{name}.md").write_text(text + "\n")
    return path
