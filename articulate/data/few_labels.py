"""Frames that the user labelled by hand and names in the configuration: the only labels that training ever sees.

Files hold pixels of the video (`xy [N,J,2]`, `frame_idx [N]`, `vis [N,J]` if some landmarks are hidden; docs/files.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from articulate.data.frames import to_clips
from articulate.data.store import ClipStore
from articulate.errors import ConfigError, DataError
from articulate.geometry.coordinates import normalised_from_pixels, store_from_source
from articulate.records import Clips, FrameIndex


@dataclass(frozen=True)
class LabelledFrames:
    """Frames (B = N, T = 1), their row among all frames of the store, and landmarks in the image (NaN: hidden)."""

    clips: Clips
    rows: Int[Tensor, " N"]
    xy: Float[Tensor, "N J 2"]


def read_labelled_frames(store: ClipStore, files: Mapping[str, Path]) -> LabelledFrames:
    """The frames of `files`, which names the file of each labelled clip.

    Raises ConfigError for a clip that is not in the store, DataError for a file without labels of decodable frames.
    """
    names = [clip.name for clip in store.clips]
    starts = np.cumsum([0, *(clip.num_frames for clip in store.clips)])
    parts, rows, points = [], [], []
    for name, path in files.items():
        if name not in names:
            raise ConfigError(f"keypoints.labels: no clip `{name}` in {store.path}; it has {', '.join(names[:20])}")
        i = names.index(name)
        xy, frame = read_pixels(Path(path))
        number = store.frame_index(i)
        known = np.isin(frame, number[store.valid(i)])
        if not known.any():
            raise DataError(f"{path}: none of its {len(frame)} frames is a decodable frame of clip `{name}`")
        at = np.searchsorted(number, frame[known])
        inside = store_from_source(torch.from_numpy(xy[known]), torch.from_numpy(store.source_from_store(i)[at]))
        side = (store.image_size, store.image_size)
        points.append(normalised_from_pixels(inside, side).float())
        rows.append(torch.from_numpy(starts[i] + at))
        masks = store.masks(i)
        mask = None if masks is None else masks[at][:, None]
        index = FrameIndex(torch.full((len(at), 1), i), torch.from_numpy(number[at][:, None]))
        parts.append(to_clips(store.frames(i)[at][:, None], mask, index))
    if len({xy.shape[1] for xy in points}) > 1:
        raise DataError(
            f"keypoints.labels: files with {[xy.shape[1] for xy in points]} landmarks; give the same in all"
        )
    return LabelledFrames(joined(parts), torch.cat(rows), torch.cat(points))


def read_pixels(path: Path) -> tuple[Float[np.ndarray, "N J 2"], Int[np.ndarray, " N"]]:
    """Landmarks in pixels of the video, NaN where hidden, and their frame numbers. Raises DataError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable .npz file of labels ({error})") from error
    lacking = [name for name in ("xy", "frame_idx") if name not in arrays]
    if lacking:
        raise DataError(f"{path}: lacks {', '.join(lacking)} (has: {', '.join(sorted(arrays))}); see docs/files.md")
    xy = arrays["xy"].astype(np.float64)
    hidden = ~arrays["vis"].astype(bool) if "vis" in arrays else np.zeros(xy.shape[:2], bool)
    return np.where(hidden[..., None], np.nan, xy), arrays["frame_idx"].astype(np.int64)


def joined(parts: list[Clips]) -> Clips:
    """Frames of several clips one after the other; masks where every clip has them."""
    masks = [part.mask for part in parts if part.mask is not None]
    index = type(parts[0].index)(
        clip=torch.cat([part.index.clip for part in parts]), frame=torch.cat([part.index.frame for part in parts])
    )
    mask = torch.cat(masks) if len(masks) == len(parts) else None
    return Clips(frames=torch.cat([part.frames for part in parts]), index=index, mask=mask)


def keypoint_of_landmark(
    labels: Float[Tensor, "N J 2"], seeds: Float[Tensor, "N K 2"] | None, num_keypoints: int
) -> Int[Tensor, " J"]:
    """Which keypoint learns which landmark: the seed nearest to it on the labelled frames (Hungarian), else the j-th.

    Landmarks that no seed serves get keypoints that no seed holds. Raises ConfigError where keypoints are too few.
    """
    count = labels.shape[1]
    if count > num_keypoints:
        raise ConfigError(f"keypoints.labels: {count} landmarks for {num_keypoints} keypoints; raise num_keypoints")
    if seeds is None or not seeds.isfinite().any():
        return torch.arange(count)
    # Image sides away: dearer than every real distance, so that unknown seeds serve what is left.
    apart = (labels[:, :, None] - seeds[:, None]).norm(dim=-1).nanmean(0).nan_to_num(nan=10.0)
    _, keypoint = linear_sum_assignment(apart.numpy())
    return torch.from_numpy(keypoint)
