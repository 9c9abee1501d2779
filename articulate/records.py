"""What passes between stages: frozen records of tensors, with their axes and frames stated once.

Axes: B clips, T frames, K keypoints, L limbs, H x W pixels. A record of a whole run has B = 1 and T = all frames of all
clips, one after the other; `FrameIndex` says which clip and which true frame of its video each entry is.

Frames of reference
- image: x right, y down, in [-1, 1] at pixel centres over the *square* stored frame (`align_corners=False`);
- camera: x right, y down, z forward, so that image = `scale` * camera[..., :2] + `translation` (weak perspective);
- 3D unit: the mean bone length is 1, because one camera cannot know scale.
A frame that could not be decoded is a row of NaN with score 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.errors import DataError

# A type variable and not `Self`, which run-time type checkers refuse outside the classes that they decorate.
AnyRecord = TypeVar("AnyRecord", bound="Record")


@dataclass(frozen=True)
class Record:
    """Base of all records: moving, detaching and lossless round trips through one `.npz` file.

    `framewise` names the fields with the axes B, T in front, `clipwise` those with B alone; others describe all clips.
    """

    framewise: ClassVar[tuple[str, ...]] = ()
    clipwise: ClassVar[tuple[str, ...]] = ()
    zero_when_missing: ClassVar[tuple[str, ...]] = ("score", "confidence")

    def to(self: AnyRecord, device: torch.device | str) -> AnyRecord:
        """The same record on `device`."""
        return self._map(lambda t: t.to(device))

    def detach(self: AnyRecord) -> AnyRecord:
        """The same record, cut from the graph."""
        return self._map(lambda t: t.detach())

    def _map(self: AnyRecord, function) -> AnyRecord:
        changed = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                changed[f.name] = function(value)
            elif isinstance(value, Record):
                changed[f.name] = value._map(function)
        return replace(self, **changed)

    def take(self: AnyRecord, rows: Int[Tensor, "B T"]) -> AnyRecord:
        """A whole-run record (B = 1) at the frames `rows`: fields [1, N, ...] become [B, T, ...], [1, ...] [B, ...]."""
        changed: dict[str, object] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Record):
                changed[f.name] = value.take(rows)
            elif value is not None and f.name in self.framewise:
                changed[f.name] = value[0, rows]
            elif value is not None and f.name in self.clipwise:
                changed[f.name] = value.expand(rows.shape[0], *value.shape[1:])
        return replace(self, **changed)

    def blank(self: AnyRecord, valid: Bool[Tensor, " T"]) -> AnyRecord:
        """The record with NaN in every framewise number of the frames that are not `valid`."""
        changed: dict[str, object] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Record):
                changed[f.name] = value.blank(valid)
            elif isinstance(value, Tensor) and f.name in self.framewise and value.is_floating_point():
                missing = ~valid.reshape(1, -1, *[1] * (value.ndim - 2))
                changed[f.name] = value.masked_fill(missing, 0.0 if f.name in self.zero_when_missing else torch.nan)
        return replace(self, **changed)

    @classmethod
    def join(cls: type[AnyRecord], parts: Sequence[AnyRecord]) -> AnyRecord:
        """Records of consecutive chunks (B = 1) as one: framewise fields are joined along T, others are the last's."""
        changed: dict[str, object] = {}
        for f in fields(cls):
            values = [getattr(part, f.name) for part in parts]
            if isinstance(values[-1], Record):
                changed[f.name] = type(values[-1]).join(values)
            elif values[-1] is not None and f.name in cls.framewise:
                changed[f.name] = torch.cat(values, dim=1)
        return replace(parts[-1], **changed)

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Every present field as a NumPy array; fields of a nested record are named `field.inner`."""
        found: dict[str, np.ndarray] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                found[prefix + f.name] = value.detach().cpu().numpy()
            elif isinstance(value, Record):
                found |= value.arrays(f"{prefix}{f.name}.")
            elif value is not None:
                found[prefix + f.name] = np.asarray(value)
        return found

    def save(self, path: Path) -> None:
        """Write `path` (`.npz`) atomically."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".tmp")
        with open(partial, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **self.arrays())
        partial.replace(path)

    @classmethod
    def load(cls: type[AnyRecord], path: Path) -> AnyRecord:
        """Read what `save` wrote. Raises DataError when the file is absent or lacks a field."""
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file; the stage that writes {cls.__name__} has not run")
        with np.load(path, allow_pickle=False) as stored:
            return cls.from_arrays({k: stored[k] for k in stored.files}, str(path))

    @classmethod
    def from_arrays(cls: type[AnyRecord], arrays: dict[str, np.ndarray], where: str = "arrays") -> AnyRecord:
        """Inverse of `arrays`. Raises DataError naming `where` and the missing field."""
        values: dict[str, object] = {}
        nested = cls.nested_records()
        for f in fields(cls):
            if f.name in nested:
                inner = {k.removeprefix(f.name + "."): v for k, v in arrays.items() if k.startswith(f.name + ".")}
                values[f.name] = nested[f.name].from_arrays(inner, where) if inner else None
            elif f.name in arrays:
                array = arrays[f.name]
                if array.dtype.kind == "U":
                    values[f.name] = str(array) if array.ndim == 0 else tuple(map(str, array))
                else:
                    values[f.name] = torch.from_numpy(np.array(array))
            elif f.default is None:
                values[f.name] = None
            else:
                raise DataError(f"{where}: field `{f.name}` of {cls.__name__} is missing (have: {sorted(arrays)})")
        return cls(**values)

    @classmethod
    def nested_records(cls) -> dict[str, type["Record"]]:
        """Fields that are records themselves."""
        return {}


@dataclass(frozen=True)
class FrameIndex(Record):
    """Where each frame comes from: the clip's number in the store and the true frame number in its video."""

    framewise: ClassVar[tuple[str, ...]] = ("clip", "frame")

    clip: Int[Tensor, "B T"]
    frame: Int[Tensor, "B T"]


@dataclass(frozen=True)
class Clips(Record):
    """RGB frames in [0, 1], with the soft foreground mask where one is known."""

    framewise: ClassVar[tuple[str, ...]] = ("frames", "mask")

    frames: Float[Tensor, "B T 3 H W"]
    index: FrameIndex
    mask: Float[Tensor, "B T 1 H W"] | None = None

    @classmethod
    def nested_records(cls) -> dict[str, type[Record]]:
        return {"index": FrameIndex}


@dataclass(frozen=True)
class Tracks(Record):
    """2D keypoints in the image frame, with a confidence in [0, 1] and the covariance of each position."""

    framewise: ClassVar[tuple[str, ...]] = ("xy", "score", "covariance")

    xy: Float[Tensor, "B T K 2"]
    score: Float[Tensor, "B T K"]
    covariance: Float[Tensor, "B T K 2 2"]
    index: FrameIndex | None = None

    @classmethod
    def nested_records(cls) -> dict[str, type[Record]]:
        return {"index": FrameIndex}


@dataclass(frozen=True)
class Moved(Record):
    """Keypoints that a stage has just called to another place, so that what they did before says nothing of them now.

    A message within one training step; never saved.
    """

    keypoints: Int[Tensor, " M"]


@dataclass(frozen=True)
class DepthOrder(Record):
    """Limbs that cover others in a whole run: an entry (axis V) says that in its `frame` the limb between the two
    keypoints `front` is nearer than that between `behind`, at `share` of the way along each (averages over `pixels`).

    `gap` (image units) is how much thicker the front limb is there: its axis may lie that much behind the other's.
    Of a straight limb through several keypoints whose nearer end is known, `front` begins at that end and `behind` at
    the other, with `share` and `gap` 0.
    """

    frame: Int[Tensor, " V"]
    front: Int[Tensor, "V 2"]
    behind: Int[Tensor, "V 2"]
    share: Float[Tensor, "V 2"]
    gap: Float[Tensor, " V"]
    pixels: Float[Tensor, " V"]

    def only(self, kept: Bool[Tensor, " V"]) -> "DepthOrder":
        """The entries that are kept; `take` is about frames, and an order is of a whole run."""
        return DepthOrder(*(getattr(self, part.name)[kept] for part in fields(self)))

    def meet(self) -> Bool[Tensor, " V"]:
        """Whether the two limbs of an entry share a keypoint."""
        return (self.front[:, :, None] == self.behind[:, None]).flatten(1).any(1)


@dataclass(frozen=True)
class Seeds(Record):
    """First guesses that needed no training: keypoints (NaN where unknown), how far to trust each, and a tree.

    `reason` says in words where they come from, or why there are none (then all of `xy` is NaN and `edges` is empty).
    `order` says which limbs were seen in front of which, where the strategy can tell.
    """

    framewise: ClassVar[tuple[str, ...]] = ("xy", "score")

    xy: Float[Tensor, "B T K 2"]
    score: Float[Tensor, "B T K"]
    edges: Int[Tensor, "L 2"]
    reason: str = ""
    order: DepthOrder | None = None

    @classmethod
    def nested_records(cls) -> dict[str, type[Record]]:
        return {"order": DepthOrder}


@dataclass(frozen=True)
class Skeleton(Record):
    """A tree of limbs over K keypoints: `edges` are (parent, child) in breadth-first order from the root.

    `connection` is symmetric, 1 on the edges of the tree (identity before a tree is known), `cost` what it minimises,
    `probability` the share of bootstrap resamples that hold the edge. What else is known of keypoints, where it is:
    `group` numbers the rigid body of each (-1: none), `mirror` is its partner on the other side (-1: none), `straight`
    is 1 where it only lengthens one straight limb. `outliers` are frames that were left out. `windows` (first and last
    row of the run) and `window_edges` are the trees of parts of the run alone.
    """

    edges: Int[Tensor, "L 2"]
    connection: Float[Tensor, "K K"]
    cost: Float[Tensor, "K K"]
    probability: Float[Tensor, "K K"] | None = None
    group: Int[Tensor, " K"] | None = None
    mirror: Int[Tensor, " K"] | None = None
    straight: Int[Tensor, " K"] | None = None
    outliers: Int[Tensor, " M"] | None = None
    windows: Int[Tensor, "W 2"] | None = None
    window_edges: Int[Tensor, "W L 2"] | None = None

    @classmethod
    def unknown(cls, num_keypoints: int) -> "Skeleton":
        """No limbs yet: every keypoint is connected to itself, which a sketch draws as a dot."""
        return cls(
            edges=torch.zeros(0, 2, dtype=torch.int64),
            connection=torch.eye(num_keypoints),
            cost=torch.zeros(num_keypoints, num_keypoints),
        )


@dataclass(frozen=True)
class Camera(Record):
    """Weak perspective: image = scale * camera[..., :2] + translation, one scale per clip or per frame."""

    framewise: ClassVar[tuple[str, ...]] = ("scale", "translation")

    scale: Float[Tensor, "B T"]
    translation: Float[Tensor, "B T 2"]


@dataclass(frozen=True)
class Motion(Record):
    """3D joints in the camera frame (unit: mean bone length), with constant bone lengths along the tree.

    `places` are where joints that were refined as one body lie in the image, before their bones got constant lengths.
    """

    framewise: ClassVar[tuple[str, ...]] = ("joints", "confidence", "places")
    clipwise: ClassVar[tuple[str, ...]] = ("bone_lengths",)

    joints: Float[Tensor, "B T K 3"]
    bone_lengths: Float[Tensor, "B L"]
    camera: Camera
    confidence: Float[Tensor, "B T L"] | None = None
    index: FrameIndex | None = None
    places: Float[Tensor, "B T K 2"] | None = None

    @classmethod
    def nested_records(cls) -> dict[str, type[Record]]:
        return {"camera": Camera, "index": FrameIndex}


@dataclass(frozen=True)
class Articulation(Record):
    """The discovered model: a rooted tree (`parents[root] = -1`) at rest, its lengths, and swing ranges (rad).

    `joint_ranges[k]` bounds the swing (low, high) about two axes of the bone that ends in keypoint k; root: zero.
    """

    parents: Int[Tensor, " K"]
    rest_pose: Float[Tensor, "K 3"]
    bone_lengths: Float[Tensor, " K"]
    joint_ranges: Float[Tensor, "K 2 2"]
    names: tuple[str, ...]
    units: str = "mean bone length"
