"""The files of a clip store and the entries of its `store.json`.

    STORE/store.json                 schema version, recipe, options, image size, clips, fingerprint
    STORE/clips/NAME/frames.npy      uint8 [T, S, S, 3], RGB, memory-mapped
    STORE/clips/NAME/mask.npy        uint8 [T, S, S], soft foreground, 255 = subject (optional)
    STORE/clips/NAME/index.npz       frame [T], valid [T], source_from_store [T, 3]
    STORE/clips/NAME/background.png  the source's empty scene (optional)
    STORE/truth/NAME.npz             ground truth; opened by articulate/evaluation only (optional)

`source_from_store[t] = (scale, x0, y0)` takes pixels of the store back to pixels of the video, both with integer pixel
centres: source = scale * (store + 0.5) - 0.5 + (x0, y0).
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from articulate.errors import DataError

SCHEMA_VERSION = 1
MANIFEST = "store.json"


@dataclass(frozen=True)
class ClipEntry:
    """What `store.json` says about one clip."""

    name: str
    num_frames: int
    fps: float
    source: str
    source_size: tuple[int, int]  # width, height of the video in pixels
    undecodable: int = 0
    variable_frame_rate: bool = False
    ordered: bool = True  # False: a set of images, so neighbours in the array are not neighbours in time
    has_mask: bool = False
    has_background: bool = False
    has_truth: bool = False
    warnings: list[str] = field(default_factory=list)
    content: str = ""  # hash of the stored pixels and their index


def read_manifest(path: Path) -> dict[str, Any]:
    """The parsed `store.json` at `path`. Raises DataError when it is absent, damaged or of another schema."""
    file = path / MANIFEST
    if not file.is_file():
        found = "no such folder" if not path.exists() else f"it holds no {MANIFEST}"
        raise DataError(f"{path}: not a clip store ({found}). {how_to_make(path)}")
    try:
        manifest = json.loads(file.read_text())
        version = manifest["schema_version"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: damaged ({error}). Delete {path} and make it again. {how_to_make(path)}") from error
    if version != SCHEMA_VERSION:
        raise DataError(f"{file}: schema version {version}, this program reads {SCHEMA_VERSION}. {how_to_make(path)}")
    return manifest


def how_to_make(path: Path) -> str:
    """The command that makes a store at `path`."""
    return f"Make it with: python datasets/video_folder.py --out {path} 'videos=[VIDEO.mp4]' (or another recipe there)"


def entry_from_json(values: dict[str, Any], where: Path) -> ClipEntry:
    """Inverse of `entry_to_json`. Raises DataError naming an absent or unknown field."""
    known = {f.name for f in fields(ClipEntry)}
    if set(values) != known:
        wrong = sorted(set(values) ^ known)
        raise DataError(f"{where}: clip entry with missing or unknown fields {wrong}. {how_to_make(where.parent)}")
    return ClipEntry(**values | {"source_size": tuple(values["source_size"])})


def entry_to_json(entry: ClipEntry) -> dict[str, Any]:
    """Plain values for `store.json`."""
    return asdict(entry)


def canonical(options: Any) -> Any:
    """Options as JSON holds them (tuples become lists, paths strings), so that they compare after a round trip."""
    return json.loads(json.dumps(options, sort_keys=True, default=str))
