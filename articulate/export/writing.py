"""Writing files of results: all or nothing, a full disk as one clear message, extras that are not installed named."""

import errno
import importlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from articulate.errors import ExportError
from articulate.result import Result

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A name beside `path` (same ending) to write to; it takes the place of `path` when the block ends without error.

    Raises ExportError for a full disk and for any other refusal of the operating system; `path` is then as it was.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        # HDF5 reports the system's error in its text alone.
        if error.errno in FULL or "No space left" in str(error):
            raise ExportError(
                f"{path}: the disk is full; nothing was changed. Free some space and export again"
            ) from error
        raise ExportError(f"{path}: cannot be written ({error.strerror or error}); nothing was changed") from error
    finally:
        with suppress(OSError):  # what could not be made need not be removed
            partial.unlink(missing_ok=True)


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """The optional package `module`. Raises ExportError naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExportError(
            f"{purpose} needs the package `{error.name or module}`, which is not installed: "
            f"pip install 'articulate-models[{extra}]'"
        ) from error


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as JSON, numbers that are not finite as null."""
    with atomic(path) as partial:
        partial.write_text(json.dumps(finite(content), indent=1, allow_nan=False) + "\n")
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file."""
    with atomic(path) as partial:
        partial.write_text(text)
    return path


def finite(value: Any) -> Any:
    """The same nested value with None for NaN and infinity, and plain lists and strings for everything else."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def provenance_text(result: Result) -> str:
    """Where a result comes from, as one line of JSON to put inside a file."""
    return json.dumps(finite(short_provenance(result)), sort_keys=True)


def short_provenance(result: Result) -> dict[str, Any]:
    """What every exported file carries: version, seed, stand-in note, fingerprint of the data, configuration's name."""
    kept = dict(result.provenance)
    config = kept.pop("config", None)
    if isinstance(config, dict) and "name" in config:
        kept["config_name"] = config["name"]
    return {"program": "articulate", **kept}


def clip_path(result: Result, path: Path, number: int) -> Path:
    """File of one clip in a format that holds one video: `path` itself for a single clip, else `STEM.CLIP.ENDING`."""
    if len(result.clips) == 1:
        return path
    return path.with_name(f"{path.stem}.{result.clips[number].name}{path.suffix}")
