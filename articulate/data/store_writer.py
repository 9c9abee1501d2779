"""Writing a clip store: streamed clip by clip, with bounded memory, and visible only once it is complete."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from articulate.data.npy_stream import NpyStream
from articulate.data.store_layout import (
    MANIFEST,
    SCHEMA_VERSION,
    ClipEntry,
    canonical,
    entry_to_json,
    read_manifest,
)
from articulate.errors import DataError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal (full disk, no permission) into one DataError about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"{path}: the disk is full. Nothing was changed; free some space, or make the store smaller "
                "(size=64, max_frames=2000) or elsewhere, and run the same command again."
            ) from error
        raise DataError(f"{path}: cannot be written ({error.strerror or error}). Nothing was changed.") from error


class ClipWriter:
    """One clip being written; `append` any number of times, then optionally `background` and `truth`."""

    def __init__(self, store: Path, folder: Path, truth_path: Path, image_size: int, with_mask: bool):
        self.store, self.folder, self.truth_path, self.image_size = store, folder, truth_path, image_size
        folder.mkdir(parents=True)
        self.frames = NpyStream(folder / "frames.npy", (image_size, image_size, 3))
        self.masks = NpyStream(folder / "mask.npy", (image_size, image_size)) if with_mask else None
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.digest = hashlib.blake2b(digest_size=16)
        self.warnings: list[str] = []
        self.variable_frame_rate = False

    def append(
        self,
        frames: UInt8[np.ndarray, "T S S 3"],
        frame_index: Int[np.ndarray, " T"],
        valid: Bool[np.ndarray, " T"],
        source_from_store: Float[np.ndarray, "T 3"],
        mask: UInt8[np.ndarray, "T S S"] | None = None,
    ) -> None:
        """Add T frames; `frame_index` is the true frame number in the video, undecodable frames have `valid` False."""
        assert frames.shape[1:] == (self.image_size, self.image_size, 3), frames.shape
        assert len(frames) == len(frame_index) == len(valid) == len(source_from_store)
        assert (mask is None) == (self.masks is None), "with_mask must match the masks that are appended"
        with writing(self.store):
            self.frames.append(frames)
            if self.masks is not None and mask is not None:
                self.masks.append(mask)
        self.digest.update(np.ascontiguousarray(frames).data)
        if mask is not None:
            self.digest.update(np.ascontiguousarray(mask).data)
        row = (np.array(frame_index, np.int64), np.array(valid, bool), np.array(source_from_store, np.float64))
        for array in row:
            self.digest.update(array.tobytes())
        self.rows.append(row)

    def background(self, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """Keep the empty scene, at the size of the video."""
        with writing(self.store):
            Image.fromarray(image).save(self.folder / "background.png")

    def truth(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep ground truth in the one file that only the evaluation opens."""
        with writing(self.store):
            self.truth_path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(self.truth_path, allow_pickle=False, **arrays)

    def warn(self, message: str) -> None:
        """Keep a remark for the user in `store.json`."""
        if message not in self.warnings:
            self.warnings.append(message)

    def close(self) -> None:
        """Finish the arrays on disk."""
        try:
            self.frames.close()
        finally:
            if self.masks is not None:
                self.masks.close()

    def finish(self, **facts: Any) -> ClipEntry:
        """Write the index and describe the clip. Raises DataError when it holds no decodable frame."""
        self.close()
        valid = np.concatenate([row[1] for row in self.rows]) if self.rows else np.zeros(0, bool)
        if not valid.any():
            raise DataError(f"{facts['source']}: no frame could be read, so there is nothing to store")
        np.savez(
            self.folder / "index.npz",
            frame=np.concatenate([row[0] for row in self.rows]),
            valid=valid,
            source_from_store=np.concatenate([row[2] for row in self.rows]),
        )
        return ClipEntry(
            num_frames=self.frames.num_rows,
            undecodable=int((~valid).sum()),
            variable_frame_rate=self.variable_frame_rate,
            has_mask=self.masks is not None,
            has_background=(self.folder / "background.png").is_file(),
            has_truth=self.truth_path.is_file(),
            warnings=self.warnings,
            content=self.digest.hexdigest(),
            **facts,
        )


class StoreWriter:
    """Writes a clip store beside `path` and moves it there when it is complete.

    An existing store of the same recipe and options is replaced on success; anything else at `path` is a DataError at
    once. After any failure `path` is as it was.
    """

    def __init__(self, path: Path | str, *, recipe: str, options: dict[str, Any], image_size: int):
        self.path = Path(path)
        self.recipe, self.options, self.image_size = recipe, canonical(options), int(image_size)
        self.partial = self.path.parent / f".{self.path.name}.partial-{os.getpid()}"
        self.entries: list[ClipEntry] = []

    def __enter__(self) -> "StoreWriter":
        refuse_foreign(self.path, self.recipe, self.options)
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self.path)
            self.partial.mkdir()
        return self

    @contextmanager
    def clip(
        self,
        name: str,
        *,
        fps: float | int,
        source: str,
        source_size: tuple[int, int],
        with_mask: bool = False,
        ordered: bool = True,
    ) -> Iterator[ClipWriter]:
        """A clip to append to; it joins the store when the block ends without an error."""
        name = self._free_name(name)
        folder, truth = self.partial / "clips" / name, self.partial / "truth" / f"{name}.npz"
        clip: ClipWriter | None = None
        try:
            with writing(self.path):
                clip = ClipWriter(self.path, folder, truth, self.image_size, with_mask)
            yield clip
            size = (int(source_size[0]), int(source_size[1]))
            with writing(self.path):
                entry = clip.finish(name=name, fps=float(fps), source=str(source), source_size=size, ordered=ordered)
        except BaseException:
            self._drop(clip, folder, truth)
            raise
        self.entries.append(entry)

    def _free_name(self, wanted: str) -> str:
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in wanted).strip(".") or "clip"
        taken = {entry.name for entry in self.entries}
        if name not in taken:
            return name
        return next(f"{name}-{i}" for i in range(2, len(taken) + 3) if f"{name}-{i}" not in taken)

    @staticmethod
    def _drop(clip: ClipWriter | None, folder: Path, truth: Path) -> None:
        if clip is not None:
            # The files are dropped anyway, and the first error is the one to report.
            with contextlib.suppress(OSError):
                clip.close()
        shutil.rmtree(folder, ignore_errors=True)
        truth.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            shutil.rmtree(self.partial, ignore_errors=True)

    def _publish(self) -> None:
        if not self.entries:
            raise DataError(f"{self.path}: the recipe `{self.recipe}` gave no clip, so no store was made")
        content = {
            "schema_version": SCHEMA_VERSION,
            "recipe": self.recipe,
            "options": self.options,
            "image_size": self.image_size,
            "clips": [entry_to_json(entry) for entry in self.entries],
        }
        with writing(self.path):
            text = json.dumps(content | {"fingerprint": fingerprint_of(content)}, indent=1)
            (self.partial / MANIFEST).write_text(text + "\n")
            replace_folder(self.partial, self.path)


def fingerprint_of(content: dict[str, Any]) -> str:
    """Hash of what a store holds: pixels, index, recipe and options, but not where the videos lay."""
    kept = [(c["name"], c["content"], c["fps"], c["ordered"]) for c in content["clips"]]
    text = json.dumps([content["schema_version"], content["recipe"], content["image_size"], kept], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def refuse_foreign(path: Path, recipe: str, options: Any) -> None:
    """Raise DataError when something other than a store of this recipe and these options lies at `path`."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / MANIFEST).is_file():
        raise DataError(f"{path}: already exists and is no clip store; nothing was changed. Choose another --out.")
    found = read_manifest(path)
    if found["recipe"] != recipe or found["options"] != canonical(options):
        raise DataError(
            f"{path}: already holds a store of recipe `{found['recipe']}` with other options; nothing was changed. "
            "Choose another --out, or delete that folder first."
        )


def remove_abandoned(path: Path) -> None:
    """Remove unfinished stores beside `path` whose process is gone; put a store back that was being replaced."""
    old = path.parent / f".{path.name}.partial-0-old"
    if old.exists() and not path.exists():
        old.rename(path)
    for folder in path.parent.glob(f".{path.name}.partial-*"):
        try:
            os.kill(int(folder.name.rsplit("-", 1)[1]), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue  # another user's process: alive


def replace_folder(new: Path, path: Path) -> None:
    """Move folder `new` to `path`; the old one, if any, is removed only after the new one is in place."""
    old = path.parent / f".{path.name}.partial-0-old"
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
