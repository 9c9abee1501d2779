"""Reading a clip store: memory-mapped frames, masks and index of every clip (layout: `store_layout.py`)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from articulate.data.store_layout import (
    MANIFEST,
    ClipEntry,
    canonical,
    entry_from_json,
    how_to_make,
    read_manifest,
)
from articulate.data.store_writer import ClipWriter, StoreWriter
from articulate.errors import DataError

__all__ = ["ClipEntry", "ClipStore", "ClipWriter", "StoreWriter", "store_matches"]


class ClipStore:
    """A folder of clips of one square frame size. Nothing is read into memory before it is used."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path = path
        self.recipe: str = manifest["recipe"]
        self.options: dict[str, Any] = manifest["options"]
        self.image_size: int = manifest["image_size"]
        self.fingerprint: str = manifest["fingerprint"]
        self.clips = [entry_from_json(clip, path / MANIFEST) for clip in manifest["clips"]]

    @classmethod
    def open(cls, path: Path | str) -> "ClipStore":
        """The store at `path`. Raises DataError, with the command that makes it, when it is missing or damaged."""
        path = Path(path)
        manifest = read_manifest(path)
        absent = {"recipe", "options", "image_size", "fingerprint", "clips"} - set(manifest)
        if absent:
            raise DataError(f"{path / MANIFEST}: damaged, lacks {sorted(absent)}. {how_to_make(path)}")
        store = cls(path, manifest)
        for i in range(len(store.clips)):
            store.frames(i)  # a truncated file shows here, not in the middle of a training
        return store

    @property
    def num_frames(self) -> int:
        """Frames of all clips together, undecodable ones included."""
        return sum(clip.num_frames for clip in self.clips)

    @property
    def has_masks(self) -> bool:
        """Whether every clip has foreground masks."""
        return all(clip.has_mask for clip in self.clips)

    @property
    def warnings(self) -> list[str]:
        """The remarks of all clips, each with its clip's name."""
        return [f"{clip.name}: {text}" for clip in self.clips for text in clip.warnings]

    def folder(self, i: int) -> Path:
        """Folder of clip `i`."""
        return self.path / "clips" / self.clips[i].name

    def frames(self, i: int) -> UInt8[np.ndarray, "T S S 3"]:
        """RGB frames of clip `i`, memory-mapped."""
        shape = (self.clips[i].num_frames, self.image_size, self.image_size, 3)
        return self._array(self.folder(i) / "frames.npy", shape)

    def masks(self, i: int) -> UInt8[np.ndarray, "T S S"] | None:
        """Soft foreground of clip `i` (255 = subject), memory-mapped; None when the clip has none."""
        if not self.clips[i].has_mask:
            return None
        shape = (self.clips[i].num_frames, self.image_size, self.image_size)
        return self._array(self.folder(i) / "mask.npy", shape)

    def frame_index(self, i: int) -> Int[np.ndarray, " T"]:
        """True frame numbers in the video."""
        return self._index(i)["frame"]

    def valid(self, i: int) -> Bool[np.ndarray, " T"]:
        """Which frames could be decoded."""
        return self._index(i)["valid"]

    def source_from_store(self, i: int) -> Float[np.ndarray, "T 3"]:
        """(scale, x0, y0) per frame: source pixel = scale * (store pixel + 0.5) - 0.5 + (x0, y0)."""
        return self._index(i)["source_from_store"]

    def background(self, i: int) -> UInt8[np.ndarray, "H W 3"] | None:
        """The empty scene at the size of the video; None when unknown."""
        path = self.folder(i) / "background.png"
        if not self.clips[i].has_background:
            return None
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).copy()

    def truth_path(self, i: int) -> Path:
        """Where the ground truth of clip `i` lies, for articulate/evaluation; it may be absent (`has_truth`)."""
        return self.path / "truth" / f"{self.clips[i].name}.npz"

    def _index(self, i: int) -> dict[str, np.ndarray]:
        path = self.folder(i) / "index.npz"
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in ("frame", "valid", "source_from_store")}
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(path, str(error)) from error

    def _array(self, path: Path, shape: tuple[int, ...]) -> np.ndarray:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise self._damaged(path, str(error)) from error
        if array.shape != shape or array.dtype != np.uint8:
            raise self._damaged(path, f"holds {array.dtype}{list(array.shape)}, expected uint8{list(shape)}")
        return array

    def _damaged(self, path: Path, reason: str) -> DataError:
        return DataError(
            f"{path}: the store is damaged ({reason}). Delete {self.path} and make it again with the recipe "
            f"`{self.recipe}`: python datasets/{self.recipe}.py --out {self.path} ..."
        )


def store_matches(path: Path | str, recipe: str, options: Any) -> bool:
    """Whether a store of exactly this recipe and these options lies at `path`, so that it need not be made again."""
    path = Path(path)
    if not (path / MANIFEST).is_file():
        return False
    manifest = read_manifest(path)
    return manifest.get("recipe") == recipe and manifest.get("options") == canonical(options)
