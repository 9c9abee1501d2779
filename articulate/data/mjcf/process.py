"""Starts the process that draws, and hands over its clips as they are finished."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from articulate.data.mjcf.options import MujocoOptions
from articulate.errors import DataError
from articulate.seeds import derive_seed

PACKAGE_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class DrawnClip:
    """One clip on disk: memory maps of frames [T, S, S, 3] and mask [T, S, S], and the truth by name."""

    frames: np.ndarray
    mask: np.ndarray
    truth: dict[str, np.ndarray]


def draw_clips(options: MujocoOptions) -> Iterator[DrawnClip]:
    """The clips of `options`, each gone from disk when the next is asked for.

    Raises DataError, with the reason in words, where MuJoCo is absent or cannot render here.
    """
    if options.model is not None and not options.model.is_file():
        raise DataError(f"mujoco: {options.model}: no such file; `model` is the path of an MJCF file (.xml)")
    with tempfile.TemporaryDirectory(prefix="articulate-mujoco-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(job(options))
        # -P keeps the current folder, which may hold a file called mujoco.py, from hiding the library.
        command = [sys.executable, "-P", "-m", "articulate.data.mjcf.render", str(folder / "job.json"), name]
        with (
            open(folder / "errors.txt", "w") as errors,
            subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith("clip "):
                        yield read_clip(folder / f"clip-{int(line.split()[1]):04d}")
            finally:
                # Ends the child also when the caller wants no further clip.
                if process.poll() is None and sys.exc_info()[0] is not None:
                    process.kill()
        if process.returncode:
            raise DataError(reason(process.returncode, (folder / "errors.txt").read_text()))


def job(options: MujocoOptions) -> str:
    """What the child is told: the options with a path that holds in any folder, and the seeds derived from theirs."""
    told = options.model_copy(update={"model": options.model.resolve()}) if options.model else options
    content = {
        "options": told.model_dump(mode="json"),
        "clip_seeds": [derive_seed(options.seed, "mujoco", "clip", i) for i in range(options.num_clips)],
        "yaw_seed": derive_seed(options.seed, "mujoco", "yaw"),
    }
    return json.dumps(content)


def environment() -> dict[str, str]:
    """The environment of the child: this package importable, and headless drawing unless the user chose otherwise."""
    paths = [str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"MUJOCO_GL": "egl", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def read_clip(folder: Path) -> DrawnClip:
    """Maps what the child wrote."""
    with np.load(folder / "truth.npz", allow_pickle=False) as stored:
        truth = {key: stored[key] for key in stored.files}
    return DrawnClip(np.load(folder / "frames.npy", mmap_mode="r"), np.load(folder / "mask.npy", mmap_mode="r"), truth)


def reason(status: int, errors: str) -> str:
    """Why the child failed, in one message that names the remedy."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    last = lines[-1] if lines else "no message"
    if status == DataError.exit_code:
        return last
    if "No module named 'mujoco'" in errors:
        return "mujoco: the library is not installed: pip install 'articulate-models[mujoco]'"
    how = f"killed by signal {-status}" if status < 0 else last
    return (
        f"mujoco: cannot render here ({how}). Needed: pip install 'articulate-models[mujoco]' and a graphics "
        f"library for MUJOCO_GL={environment()['MUJOCO_GL']} (egl, osmesa or glfw)"
    )
