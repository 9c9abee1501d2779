"""What can be said of a run without any label: health of the keypoints, rigidity, re-projection, certainty of edges."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.evaluation.identity import dead_keypoints, on_mask, temporal_jitter
from articulate.evaluation.keypoints import IMAGE_SIDE
from articulate.records import Motion, Skeleton, Tracks

CHUNK = 256  # frames of masks in memory at a time


def run_index(tracks: Tracks) -> tuple[Int[Tensor, " T"], Int[Tensor, " T"]]:
    """Clip and frame number of every row of a whole-run record; one clip of consecutive frames when it has none."""
    if tracks.index is None:
        frames = torch.arange(tracks.xy.shape[1])
        return torch.zeros_like(frames), frames
    return tracks.index.clip[0].cpu().long(), tracks.index.frame[0].cpu().long()


def store_rows(store: ClipStore, clip: int, frame: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """Rows in the arrays of clip `clip` for true frame numbers; frames that are not in the store are a KeyError."""
    row_of = {int(number): row for row, number in enumerate(store.frame_index(clip).tolist())}
    return torch.tensor([row_of[int(number)] for number in frame], dtype=torch.int64)


def mask_chunks(store: ClipStore, tracks: Tracks) -> Iterator[tuple[Int[Tensor, " N"], Float[Tensor, "N 1 S S"]]]:
    """Rows of the tracks and their foreground masks in [0, 1], CHUNK at a time; clips without one are absent."""
    clip, frame = run_index(tracks)
    for name in clip.unique().tolist():
        masks = store.masks(name)
        if masks is None:
            continue
        for rows in (clip == name).nonzero().flatten().split(CHUNK):
            picked = np.asarray(masks[store_rows(store, name, frame[rows]).numpy()])
            yield rows, torch.from_numpy(picked).float()[:, None] / 255


def mask_coverage(store: ClipStore, tracks: Tracks) -> Float[Tensor, " K"] | None:
    """Share (%) of frames in which each keypoint lies on the foreground; None when no clip has masks."""
    total = weight = None
    for rows, mask in mask_chunks(store, tracks):
        xy = tracks.xy[0, rows].float().cpu()
        share = on_mask(xy, mask)
        count = xy.isfinite().all(-1).sum(0) * share.isfinite()
        add = torch.nan_to_num(share) * count
        total = add if total is None else total + add
        weight = count if weight is None else weight + count
    return None if total is None or weight is None else total / weight.clamp(min=1)


def rounded(value: Tensor | float, digits: int = 5) -> Any:
    """Plain numbers for JSON; what is not finite becomes None."""
    if isinstance(value, Tensor):
        return [rounded(v, digits) for v in value.tolist()] if value.ndim else rounded(value.item(), digits)
    return round(float(value), digits) if math.isfinite(value) else None


def mean_of(values: Float[Tensor, " N"]) -> float:
    """Mean of the finite values; NaN when there are none."""
    finite = values[values.isfinite()]
    return finite.mean().item() if len(finite) else math.nan


def limb_rigidity(points: Float[Tensor, "T K D"], edges: Int[Tensor, "L 2"]) -> Float[Tensor, " L"]:
    """Standard deviation of every limb's length over its mean, in %; zero for a rigid limb seen in 3D."""
    length = (points[:, edges[:, 1]] - points[:, edges[:, 0]]).norm(dim=-1)
    length = length[length.isfinite().all(-1)] if len(edges) else length
    # A limb of no length at all is perfectly rigid, not 0 / 0.
    return 100 * length.std(0, correction=0) / length.mean(0).clamp(min=1e-9)


def reprojection(tracks: Tracks, motion: Motion) -> float:
    """Median distance (% of the image side) between the 2D keypoints and the projected 3D joints."""
    camera = motion.camera
    image = camera.scale[..., None, None] * motion.joints[..., :2] + camera.translation[..., None, :]
    error = (image - tracks.xy).norm(dim=-1)
    error = error[error.isfinite()]
    return 100 * error.median().item() / IMAGE_SIDE if error.numel() else math.nan


def label_free_metrics(
    tracks: Tracks,
    skeleton: Skeleton | None = None,
    motion: Motion | None = None,
    store: ClipStore | None = None,
    final_losses: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Metrics of a run without ground truth, as plain values for `metrics.json` (None where a part is absent).

    Jitter, coverage and re-projection in %, rigidity as coefficient of variation in %; `final_losses` are passed on.
    """
    clip, frame = run_index(tracks)
    xy, score = tracks.xy[0].float().cpu(), tracks.score[0].float().cpu()
    coverage = None if store is None else mask_coverage(store, tracks)
    jitter = temporal_jitter(xy, clip, frame)
    dead = dead_keypoints(xy, score, clip, coverage)
    found: dict[str, Any] = {
        "frames": len(xy),
        "lost_frames": int((~xy.isfinite().all(-1)).all(1).sum()),
        "jitter_image": rounded(mean_of(jitter)),
        "jitter_per_keypoint": rounded(jitter),
        "mean_confidence": rounded(torch.nan_to_num(score).mean(0)),
        "on_animal": None if coverage is None else rounded(mean_of(coverage)),
        "on_animal_per_keypoint": None if coverage is None else rounded(coverage),
        "dead": dead,
        "num_dead": len(set().union(*dead.values())),
    }
    if skeleton is not None and len(skeleton.edges):
        edges = skeleton.edges.cpu()
        found["rigidity_2d"] = rounded(limb_rigidity(xy, edges))
        if skeleton.probability is not None:
            probability = skeleton.probability.cpu()[edges[:, 0], edges[:, 1]]
            found |= {"edge_probability": rounded(probability), "edge_stability": rounded(probability.mean())}
        if motion is not None:
            rigidity = limb_rigidity(motion.joints[0].float().cpu(), edges)
            found |= {"rigidity_3d": rounded(rigidity), "rigidity_3d_mean": rounded(mean_of(rigidity))}
    if motion is not None:
        found["reprojection_image"] = rounded(reprojection(tracks, motion))
        if motion.confidence is not None:
            found["bone_confidence"] = rounded(torch.nan_to_num(motion.confidence[0]).mean(0))
    if final_losses:
        found["final_losses"] = {name: rounded(value) for name, value in final_losses.items()}
    return found
