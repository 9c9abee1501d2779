"""A finished run as one object: tracks in pixels of the original video, the skeleton, 3D motion, and where it is from.

Several clips of one kind of thing lie one after the other in every array; `clip` and `frame` say whose each row is.
On disk: `records/{tracks,skeleton,motion,articulation}.npz`, `records/source_from_store.npz`, `clips.json` and
`provenance.json` in the folder of the run (schemas in docs/files.md).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import ConfigError, DataError
from articulate.geometry.coordinates import source_from_normalised
from articulate.records import Articulation, Motion, Skeleton, Tracks
from articulate.runs import write_atomic

SCHEMA = 1


@dataclass(frozen=True)
class ClipInfo:
    """One clip: its name, the video it came from (empty for generated clips) and that video's size in pixels."""

    name: str
    fps: float
    source: str
    source_size: tuple[int, int]
    ordered: bool = True  # False: a set of images, in which neighbours are not neighbours in time


@dataclass(frozen=True)
class Result:
    """Everything that a run found. `tracks` holds the frame of the store, `xy` pixels of the original video.

    `source_from_store[t]` = (scale, x0, y0) takes pixels of the stored square frame (side `store_size`) to the video:
    source = scale * (store + 0.5) - 0.5 + (x0, y0).
    """

    tracks: Tracks
    skeleton: Skeleton
    clips: tuple[ClipInfo, ...]
    source_from_store: Float[Tensor, "T 3"]
    store_size: int
    motion: Motion | None = None
    articulation: Articulation | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    store: str = ""  # folder of the clip store, where stored frames can be looked at again

    @property
    def num_keypoints(self) -> int:
        """K."""
        return self.tracks.xy.shape[2]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every keypoint."""
        if self.articulation is not None:
            return self.articulation.names
        return tuple(f"keypoint_{k:02d}" for k in range(self.num_keypoints))

    @property
    def clip(self) -> Int[Tensor, " T"]:
        """Number of the clip of every row."""
        frames = self.tracks.xy.shape[1]
        return torch.zeros(frames, dtype=torch.int64) if self.tracks.index is None else self.tracks.index.clip[0]

    @property
    def frame(self) -> Int[Tensor, " T"]:
        """True frame number in its video of every row."""
        return torch.arange(self.tracks.xy.shape[1]) if self.tracks.index is None else self.tracks.index.frame[0]

    @property
    def xy(self) -> Float[Tensor, "T K 2"]:
        """Keypoints in pixels of the original video (x right, y down, integer = pixel centre); NaN where lost."""
        return self.pixels(torch.arange(self.tracks.xy.shape[1]))

    def pixels(self, rows: Int[Tensor, " N"]) -> Float[Tensor, "N K 2"]:
        """`xy` of these rows: a long video in pieces, each of which takes little memory."""
        xy, place = self.tracks.xy[0, rows].double(), self.source_from_store[rows].double()
        return source_from_normalised(xy, self.store_size, place)

    @property
    def confidence(self) -> Float[Tensor, "T K"]:
        """Confidence of every keypoint in [0, 1]; 0 where the frame was lost."""
        return torch.nan_to_num(self.tracks.score[0])

    @property
    def xyz(self) -> Float[Tensor, "T K 3"] | None:
        """Joints in the camera frame (x right, y down, z forward), unit: mean bone length; None without lifting."""
        return None if self.motion is None else self.motion.joints[0]

    @property
    def edges(self) -> Int[Tensor, "L 2"]:
        """Limbs of the tree as (parent, child) keypoints."""
        return self.skeleton.edges

    def rows(self, number: int) -> Int[Tensor, " N"]:
        """Rows of clip `number`, in the order of its frames."""
        own = (self.clip == number).nonzero().flatten()
        return own[self.frame[own].argsort()]

    def to(self, format: str, path: Path | str) -> list[Path]:
        """Write this result as `format` (see `articulate.export.EXPORTERS`); returns the files written.

        Raises ConfigError for an unknown format, ExportError when it cannot be written or an extra is missing.
        """
        from articulate.export import EXPORTERS  # imported here: the exporters themselves import Result

        if format not in EXPORTERS:
            raise ConfigError(f"export: unknown format `{format}`; known: {', '.join(EXPORTERS)}")
        return EXPORTERS[format](self, Path(path))

    def save(self, folder: Path | str) -> None:
        """Write the records, `clips.json` and `provenance.json` into `folder`, each atomically."""
        folder = Path(folder)
        records = folder / "records"
        for name in ("tracks", "skeleton", "motion", "articulation"):
            record = getattr(self, name)
            if record is not None:
                record.to("cpu").save(records / f"{name}.npz")
        partial = records / "source_from_store.npz.tmp"
        with open(partial, "wb") as file:
            np.savez_compressed(file, source_from_store=self.source_from_store.double().cpu().numpy())
        partial.replace(records / "source_from_store.npz")
        clips = [asdict(clip) for clip in self.clips]
        about = {"schema": SCHEMA, "store": self.store, "store_size": self.store_size, "clips": clips}
        write_atomic(folder / "clips.json", json.dumps(about, indent=1) + "\n")
        write_atomic(folder / "provenance.json", json.dumps(dict(self.provenance), indent=1, default=str) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> "Result":
        """Read what `save` wrote. Raises DataError naming the file that is absent or damaged."""
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such run folder")
        about = read_json(folder / "clips.json")
        records = folder / "records"
        return cls(
            tracks=Tracks.load(records / "tracks.npz"),
            skeleton=Skeleton.load(records / "skeleton.npz"),
            clips=clips_from_json(about, folder / "clips.json"),
            source_from_store=load_source_from_store(records / "source_from_store.npz"),
            store_size=int(about["store_size"]),
            motion=Motion.load(records / "motion.npz") if (records / "motion.npz").is_file() else None,
            articulation=(
                Articulation.load(records / "articulation.npz") if (records / "articulation.npz").is_file() else None
            ),
            provenance=read_json(folder / "provenance.json"),
            store=str(about.get("store", "")),
        )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises DataError when the file is absent or damaged."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; this run has no results yet (the export stage writes it)")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}); run the export stage again") from error


def clips_from_json(about: Mapping[str, Any], path: Path) -> tuple[ClipInfo, ...]:
    """The clips of `clips.json`. Raises DataError for another schema or a missing field."""
    if about.get("schema") != SCHEMA:
        raise DataError(f"{path}: schema {about.get('schema')}, this program reads {SCHEMA}; run the export again")
    known = {f.name for f in fields(ClipInfo)}
    found = []
    for clip in about.get("clips", []):
        if set(clip) != known:
            raise DataError(f"{path}: clip with missing or unknown fields {sorted(set(clip) ^ known)}")
        found.append(ClipInfo(**clip | {"source_size": tuple(clip["source_size"])}))
    return tuple(found)


def load_source_from_store(path: Path) -> Float[Tensor, "T 3"]:
    """Scale and shift of every row. Raises DataError when the file is absent."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the export stage again")
    with np.load(path, allow_pickle=False) as stored:
        return torch.from_numpy(stored["source_from_store"])
