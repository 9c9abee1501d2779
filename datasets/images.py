"""Recipe `images`: sets of unordered pictures -> a clip store (one clip per set), class labels kept as ground truth.

    python datasets/images.py --out stores/mnist source=data/mnist_20k.npz part=train size=32

`source` is one of: a folder with the idx files as MNIST and Fashion-MNIST distribute them
(`train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-...`), an `.npz` with the arrays `x_train, y_train,
x_test, y_test`, or a folder of pictures (subfolders, if any, are the classes).
"""

import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from articulate.data.foreground.crop import take, whole
from articulate.data.recipe_cli import recipe_main
from articulate.data.sources import IMAGE_SUFFIXES, natural_order
from articulate.data.store import StoreWriter
from articulate.errors import DataError

CHUNK = 512
IDX_PREFIX = {"train": "train", "test": "t10k"}


class Options(BaseModel):
    """Which pictures, and how to store them."""

    model_config = ConfigDict(extra="forbid")

    recipe: Literal["images"] = "images"
    source: str = Field(description="folder of idx.gz files, .npz file, or folder of pictures")
    part: Literal["train", "test", "all"] = Field("train", description="train | test | all (one clip each)")
    size: int = Field(32, ge=8, le=1024, description="side of the stored square frames in pixels")
    max_images: int | None = Field(None, ge=1, description="take only the first so many of each part")
    mask: bool = Field(False, description="store the brightness as a foreground mask (light figures on black)")


def source_state(options: Options) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the raw files, so that changed pictures make a new store."""
    root = Path(options.source)
    files = sorted(root.rglob("*")) if root.is_dir() else [root] if root.exists() else []
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]


def make(options: Options, out: Path, report: Callable[[str], None] = print) -> None:
    """Write the store `out`. Raises DataError when the source is absent, damaged or of an unknown layout."""
    root = Path(options.source)
    if not root.exists():
        raise DataError(f"{root}: no such file or folder; `source` is idx.gz files, an .npz, or a folder of pictures")
    names = ["train", "test"] if options.part == "all" else [options.part]
    recorded = options.model_dump(mode="json")
    with StoreWriter(out, recipe=options.recipe, options=recorded, image_size=options.size) as writer:
        for name, (images, labels) in read_parts(root, names).items():
            add_set(writer, name, root, images[: options.max_images], labels, options)
            report(f"data: {root.name} {name}: {writer.entries[-1].num_frames} pictures")


Pictures = np.ndarray | list[Path]


def read_parts(root: Path, names: list[str]) -> dict[str, tuple[Pictures, np.ndarray | None]]:
    """Pictures and labels of each part asked for; a folder of pictures has one part, `images`."""
    if root.is_file():
        return {name: read_npz(root, name) for name in names}
    if list(root.glob("*-idx3-ubyte*")):
        return {name: read_idx_part(root, IDX_PREFIX[name]) for name in names}
    files = sorted((f for f in root.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES), key=natural_order)
    if not files:
        raise DataError(f"{root}: holds neither *-idx3-ubyte(.gz) files nor pictures ({', '.join(IMAGE_SUFFIXES)})")
    files.sort(key=lambda f: (str(f.parent), natural_order(f)))
    classes = sorted({str(f.parent) for f in files})
    labels = np.array([classes.index(str(f.parent)) for f in files]) if len(classes) > 1 else None
    return {"images": (files, labels)}


def read_npz(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """`x_NAME` and `y_NAME`, or `images`, of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            key = f"x_{name}" if f"x_{name}" in stored.files else "images"
            if key not in stored.files:
                raise DataError(f"{path}: holds {stored.files}, expected x_{name} and y_{name}, or images")
            images = stored[key]
            labels = stored[f"y_{name}"] if f"y_{name}" in stored.files else None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an .npz file ({error})") from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{path}: `{key}` is {images.dtype}{list(images.shape)}, expected uint8 [N, H, W] or [N, H, W, 3]"
        )
    return images, labels


def read_idx_part(root: Path, prefix: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Pictures and labels of one part of MNIST or its kin."""
    images = read_idx(find_idx(root, f"{prefix}-images-idx3-ubyte"), 3)
    labels = read_idx(find_idx(root, f"{prefix}-labels-idx1-ubyte"), 1)
    if len(images) != len(labels):
        raise DataError(f"{root}: {len(images)} pictures but {len(labels)} labels in part `{prefix}`")
    return images, labels


def find_idx(root: Path, stem: str) -> Path:
    """The file `stem`, packed or not."""
    for path in (root / f"{stem}.gz", root / stem):
        if path.is_file():
            return path
    raise DataError(f"{root}: lacks {stem}.gz (found: {', '.join(sorted(f.name for f in root.iterdir()))})")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An idx file of bytes: magic 0 0 8 d, d big-endian sizes, then the data (LeCun et al. 1998, file format)."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); copy it again") from error
    header = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]) or len(data) < header:
        raise DataError(f"{path}: is no idx file of {dimensions} dimensions (it starts with {data[:4].hex(' ')})")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    if len(data) != header + int(np.prod(shape)):
        raise DataError(f"{path}: truncated, {len(data) - header} of {int(np.prod(shape))} bytes are there")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def add_set(
    writer: StoreWriter, name: str, root: Path, images: Pictures, labels: np.ndarray | None, options: Options
) -> None:
    """Store one set as a clip of unordered frames, and its labels where only the evaluation looks."""
    size = options.size
    first = next(pixels(images[:1]), None)
    width, height = (first.shape[1], first.shape[0]) if first is not None else (size, size)
    with writer.clip(
        name, fps=1, source=str(root), source_size=(width, height), with_mask=options.mask, ordered=False
    ) as clip:
        for start in range(0, len(images), CHUNK):
            stored, valid, back = [], [], []
            for image in pixels(images[start : start + CHUNK]):
                image_or_black = np.zeros((size, size, 3), np.uint8) if image is None else image
                box = whole(image_or_black.shape[1], image_or_black.shape[0])
                stored.append(take(image_or_black, box, size))
                valid.append(image is not None)
                back.append(box.source_from_store(size))
            frames = np.stack(stored)
            index = np.arange(start, start + len(frames))
            mask = frames.max(axis=3) if options.mask else None
            clip.append(frames, index, np.array(valid), np.stack(back), mask)
        if labels is not None:
            clip.truth({"label": labels[: len(images)].astype(np.int64)})


def pixels(images: Pictures) -> Iterator[np.ndarray | None]:
    """RGB pictures one by one; None for a file that cannot be read."""
    for item in images:
        if isinstance(item, Path):
            try:
                with Image.open(item) as opened:
                    yield np.array(opened.convert("RGB"))
            except (OSError, SyntaxError, ValueError):
                yield None
        else:
            yield item if item.ndim == 3 else np.repeat(item[..., None], 3, axis=2)


if __name__ == "__main__":
    sys.exit(recipe_main(Options, make, __doc__ or "", Path(__file__).name))
