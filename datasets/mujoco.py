"""MuJoCo bodies: any MJCF model, moved by random smooth joint angles and rendered headless, with exact truth.

python datasets/mujoco.py --out stores/arm model=../shared/data/models_dev/kinova_gen3/gen3.xml
python datasets/mujoco.py --out stores/dog creature=dog yaw_coverage=0
python datasets/mujoco.py --help

The library `mujoco` is used by a process of its own: this file has its name, and would be imported in its place.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from articulate.data.mjcf.options import MujocoOptions
from articulate.data.mjcf.process import DrawnClip, draw_clips
from articulate.data.recipe_cli import recipe_main
from articulate.data.store import StoreWriter

CHUNK = 128  # frames copied at a time, so that memory does not grow with the clip


class Options(MujocoOptions):
    """Options of this recipe."""

    recipe: Literal["mujoco"] = Field("mujoco", description="This recipe.")


def make(options: Options, out: Path, report: Callable[[str], None] = print) -> None:
    """Write the clip store of `options` at `out`; the truth goes to its own files there.

    Raises DataError with the reason where the model cannot be loaded or nothing can be rendered.
    """
    drawing = MujocoOptions(**options.model_dump(exclude={"recipe"}))
    plain = np.full((options.size, options.size, 3), round(255 * options.background), dtype=np.uint8)
    with StoreWriter(out, recipe="mujoco", options=options.model_dump(mode="json"), image_size=options.size) as store:
        for number, drawn in enumerate(draw_clips(drawing)):
            name = f"{number:04d}_{options.body_name}"
            with store.clip(
                name,
                fps=options.fps,
                source=f"MuJoCo body: {name}",
                source_size=(options.size, options.size),
                with_mask=True,
            ) as writer:
                copy(drawn, writer)
                writer.background(plain)
                writer.truth(drawn.truth)
            report(f"clip {number + 1} of {options.num_clips}: {name}, {len(drawn.frames)} frames")
    report(f"{out}: {options.num_clips} clips of the MuJoCo body {options.body_name}")


def copy(drawn: DrawnClip, writer: Any) -> None:
    """Append the frames of a clip, part by part."""
    for start in range(0, len(drawn.frames), CHUNK):
        frames, mask = drawn.frames[start : start + CHUNK], drawn.mask[start : start + CHUNK]
        count = len(frames)
        writer.append(
            np.asarray(frames),
            np.arange(start, start + count),
            np.ones(count, dtype=bool),
            np.tile([1.0, 0.0, 0.0], (count, 1)),
            np.asarray(mask),
        )


def source_state(options: Options) -> Any:
    """Sizes and times of the model's own files, so that a changed model makes a new store."""
    if options.model is None or not options.model.is_file():
        return None
    files = sorted(path for path in options.model.resolve().parent.glob("*.xml") if path.is_file())
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


if __name__ == "__main__":
    raise SystemExit(recipe_main(Options, make, __doc__ or "", "mujoco.py"))
