"""A trained model on many videos: each all or nothing, shared between processes, resumed after an end, a manifest.

OUT/manifest.json        every video of the list: done, failed or pending, its frames, its lost frames, its files
OUT/NAME/                the files of one video; the folder appears complete or not at all
OUT/NAME/video.json      what was read, with which model
OUT/NAME.failed.json     why a video could not be done; a later call tries again
OUT/.NAME.work/          frames done so far of a video that is being worked on
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from articulate.data.sources import expand
from articulate.errors import ArticulateError, ConfigError
from articulate.export import EXPORTERS, RUN_FILES
from articulate.inference.memory import give_back_freed
from articulate.model import Model
from articulate.result import Result
from articulate.runs import fingerprint, write_atomic

SCHEMA = 1

# Names of the files in formats that a run does not write by itself.
MORE_FILES = {
    "dlc_h5": "tracks_dlc.h5",
    "anipose": "pose3d_anipose.csv",
    "sleap": "tracks.slp",
    "sleap_h5": "tracks.analysis.h5",
    "coco": "tracks_coco.json",
    "nwb": "tracks.nwb",
    "nwb_3d": "pose3d.nwb",
    "bvh": "motion.bvh",
    "glb": "motion.glb",
    "mjcf": "model_mjcf.xml",
    "urdf": "model.urdf",
}
NEED_MOTION = ("pose3d", "anipose", "nwb_3d", "bvh", "glb", "mjcf", "urdf")
DEFAULT_FORMATS = ("tracks", "dlc", "pose3d")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`: every `count`-th video of the list."""

    number: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`i/n`, counted from 0. Raises ConfigError for anything else."""
        first, sign, second = text.partition("/")
        if not (sign and first.isdigit() and second.isdigit() and int(first) < int(second)):
            raise ConfigError(f"--shard {text}: expected i/n with 0 <= i < n, such as 0/2 and 1/2 for two processes")
        return cls(int(first), int(second))

    def part(self, items: Sequence[Any]) -> list[Any]:
        """This shard's items."""
        return list(items[self.number :: self.count])


WHOLE = Shard()


@dataclass
class Outcome:
    """What one call did: names of videos."""

    done: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def file_name(format: str) -> str:
    """The name under which a format is written. Raises ConfigError for an unknown one."""
    if format not in EXPORTERS:
        raise ConfigError(f"unknown format `{format}`; known: {', '.join(EXPORTERS)}")
    return (RUN_FILES | MORE_FILES).get(format, format)


def write_formats(result: Result, formats: Iterable[str], folder: Path) -> list[Path]:
    """Write each of `formats` into `folder` under its usual name; 3D formats are left out where there is no 3D."""
    written: list[Path] = []
    for name in formats:
        if name not in NEED_MOTION or result.motion is not None:
            give_back_freed()
            written += result.to(name, folder / file_name(name))
    return written


def names_of(videos: Sequence[Path]) -> list[str]:
    """A name for the results of every video: its stem, with the folder in front where two would be alike."""
    plain = Counter(path.stem for path in videos)
    longer = [path.stem if plain[path.stem] == 1 else f"{path.parent.name}_{path.stem}" for path in videos]
    again = Counter(longer)
    numbered = [name if again[name] == 1 else f"{name}_{place}" for place, name in enumerate(longer)]
    return numbered


class Folder:
    """The folder of results of one call or of several that share a list of videos."""

    def __init__(self, path: Path, model: Model, videos: Sequence[Path], formats: Sequence[str]) -> None:
        self.path, self.formats, self.videos = path, tuple(formats), dict(zip(names_of(videos), videos, strict=True))
        self.model = model.fingerprint

    def key(self, video: Path) -> str:
        """Changes with the model, the formats and the video."""
        there = video.stat() if video.is_file() else None
        about = [] if there is None else [there.st_size, there.st_mtime_ns]
        return fingerprint(SCHEMA, self.model, self.formats, str(video), about)

    def is_done(self, name: str) -> bool:
        """Whether the results of a video are there and were made from the same video by the same model."""
        state = self.path / name / "video.json"
        return state.is_file() and json.loads(state.read_text()).get("key") == self.key(self.videos[name])

    def complete(self, name: str, result: Result) -> None:
        """Write all files of a video beside their place, then move the folder there at once."""
        unfinished = self.path / f".{name}.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_formats(result, self.formats, unfinished)
        frames = result.tracks.xy.shape[1]
        lost = int((~result.tracks.xy[0].isfinite().all(-1).all(-1)).sum())
        about = {
            "schema": SCHEMA,
            "video": str(self.videos[name]),
            "key": self.key(self.videos[name]),
            "model": self.model,
            "frames": frames,
            "lost_frames": lost,
            "files": sorted(p.relative_to(unfinished).as_posix() for p in unfinished.rglob("*") if p.is_file()),
        }
        (unfinished / "video.json").write_text(json.dumps(about, indent=1) + "\n")
        place = self.path / name
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
        shutil.rmtree(self.work(name), ignore_errors=True)
        self.failure(name).unlink(missing_ok=True)

    def fail(self, name: str, error: ArticulateError) -> None:
        """Note why a video could not be done."""
        about = {"schema": SCHEMA, "video": str(self.videos[name]), "error": str(error), "kind": type(error).__name__}
        write_atomic(self.failure(name), json.dumps(about, indent=1) + "\n")

    def work(self, name: str) -> Path:
        """Where frames of a video that is not complete are kept."""
        return self.path / f".{name}.work"

    def failure(self, name: str) -> Path:
        """Where the reason of a failure is kept."""
        return self.path / f"{name}.failed.json"

    def manifest(self) -> dict[str, Any]:
        """What the folder holds now, in the order of the list."""
        rows = []
        for name, video in self.videos.items():
            row: dict[str, Any] = {"name": name, "video": str(video), "status": "pending"}
            if self.is_done(name):
                about = json.loads((self.path / name / "video.json").read_text())
                files = [f"{name}/{file}" for file in about["files"]]
                row |= {"status": "done", **{k: about[k] for k in ("frames", "lost_frames")}, "files": files}
            elif self.failure(name).is_file():
                row |= {"status": "failed", "error": json.loads(self.failure(name).read_text())["error"]}
            rows.append(row)
        return {"schema": SCHEMA, "model": self.model, "formats": list(self.formats), "videos": rows}

    def write_manifest(self) -> None:
        """Write `manifest.json`; processes that share the folder may do so at once, the last one looks again."""
        path = self.path / "manifest.json"
        while True:
            text = json.dumps(self.manifest(), indent=1) + "\n"
            temporary = self.path / f".manifest.{os.getpid()}.json"
            temporary.write_text(text)
            temporary.replace(path)
            # Another process may have finished a video between reading and writing.
            if text == json.dumps(self.manifest(), indent=1) + "\n":
                return


def apply_model(
    model: Model,
    patterns: Sequence[str],
    out: Path,
    formats: Sequence[str] = DEFAULT_FORMATS,
    shard: Shard = WHOLE,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Outcome:
    """Process the videos of `patterns` (files, globs, folders) that belong to `shard`; others are left alone.

    Finished videos are not repeated, a video that was interrupted goes on where its last frames were kept, and a video
    that fails does not stop the others: it is in `Outcome.failed` and in the manifest. Raises DataError when a pattern
    matches nothing, ConfigError for an unknown format.
    """
    from articulate.inference.predict import predict_video  # late: `--help` of the command line stays quick

    for name in formats:
        file_name(name)
    folder = Folder(out, model, expand(patterns), formats)
    out.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    for name in shard.part(list(folder.videos)):
        if folder.is_done(name):
            outcome.reused.append(name)
            say(f"{name}: already done in {out / name}")
            continue
        try:
            result = predict_video(model, folder.videos[name], folder.work(name), report=partial(progress, name))
            folder.complete(name, result)
        except ArticulateError as error:
            folder.fail(name, error)
            shutil.rmtree(folder.work(name), ignore_errors=True)
            outcome.failed[name] = str(error)
            say(f"{name}: FAILED: {error}")
        else:
            outcome.done.append(name)
            say(f"{name}: {result.tracks.xy.shape[1]} frames -> {out / name}")
        folder.write_manifest()
    folder.write_manifest()
    return outcome
