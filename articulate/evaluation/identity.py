"""Does a keypoint stay the same thing: identity switches, left/right flips, dead keypoints, jitter, mask coverage.

Image frame: x right, y down, [-1, 1]. `clip` names the clip of every frame: nothing is compared across clips.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from articulate.evaluation.keypoints import IMAGE_SIDE, seen


def switches_in_clip(cost: Float[np.ndarray, "T K J"], gate: float) -> int:
    """Identity switches of one clip under CLEAR MOT bookkeeping (Bernardin & Stiefelhagen 2008, section 2.1).

    A landmark keeps its keypoint while that stays within `gate`; the others are matched afresh, within `gate`, and a
    switch is counted when a landmark gets another keypoint than the last one it had.
    """
    owner = np.full(cost.shape[2], -1)  # who serves a landmark now; -1 when its keypoint went to another
    last = owner.copy()  # who served it last, however long ago
    switches = 0
    for frame in cost:
        free_k, free_j = set(range(cost.shape[1])), []
        for j, k in enumerate(owner):
            if k >= 0 and frame[k, j] <= gate:
                free_k.discard(int(k))
            elif np.isfinite(frame[:, j]).any():
                free_j.append(j)
        if not free_j or not free_k:
            continue
        keypoints = sorted(free_k)
        part = np.nan_to_num(frame[np.ix_(keypoints, free_j)], nan=1e6)
        for row, column in zip(*linear_sum_assignment(np.minimum(part, 1e3 + gate)), strict=True):
            if part[row, column] <= gate:
                j, k = free_j[column], keypoints[row]
                switches += int(last[j] >= 0 and last[j] != k)
                owner[owner == k] = -1
                owner[j] = last[j] = k
    return switches


def identity_switches(
    predicted: Float[Tensor, "T K 2"],
    truth: Float[Tensor, "T J 2"],
    clip: Int[Tensor, " T"],
    size: float,
    visible: Bool[Tensor, "T J"] | None = None,
    gate: float = 0.2,
) -> float:
    """Identity switches per 1000 frames, summed over landmarks, with a gate of `gate` body sizes."""
    distance = torch.cdist(predicted.double(), truth.double())
    distance = distance.masked_fill(~seen(truth, visible)[:, None, :], math.nan)
    total = 0
    for name in clip.unique():
        total += switches_in_clip(distance[clip == name].cpu().numpy(), gate * size)
    return 1000 * total / max(len(clip), 1)


def left_right_flips(
    matched: Float[Tensor, "T J 2"],
    truth: Float[Tensor, "T J 2"],
    pairs: Sequence[tuple[int, int]],
    size: float,
    visible: Bool[Tensor, "T J"] | None = None,
    apart: float = 0.05,
) -> float:
    """Share (%) of frames x pairs in which exchanging left and right would bring the two keypoints closer.

    Only where both landmarks are visible and at least `apart` body sizes from each other. NaN when that never happens.
    """
    ok = seen(truth, visible) & matched.isfinite().all(-1)
    flipped = total = 0
    for left, right in pairs:
        use = ok[:, left] & ok[:, right] & ((truth[:, left] - truth[:, right]).norm(dim=-1) >= apart * size)
        straight = sum((matched[use, k] - truth[use, k]).norm(dim=-1) for k in (left, right))
        crossed = (matched[use, left] - truth[use, right]).norm(dim=-1)
        crossed = crossed + (matched[use, right] - truth[use, left]).norm(dim=-1)
        flipped += int((crossed < straight).sum())
        total += int(use.sum())
    return 100 * flipped / total if total else math.nan


def consecutive(clip: Int[Tensor, " T"], frame: Int[Tensor, " T"]) -> Bool[Tensor, " U"]:
    """For every t in 1 .. T-2: are t-1, t, t+1 evenly spaced frames of one clip?"""
    step = frame.diff()
    same = (clip[:-2] == clip[1:-1]) & (clip[1:-1] == clip[2:])
    return same & (step[:-1] == step[1:]) & (step[1:] > 0)


def temporal_jitter(
    xy: Float[Tensor, "T K 2"], clip: Int[Tensor, " T"], frame: Int[Tensor, " T"]
) -> Float[Tensor, " K"]:
    """Median distance (% of the image side) of a keypoint from the midpoint of its neighbours in time.

    |x(t) - (x(t-1) + x(t+1)) / 2|: zero for steady motion, the noise level for a body that hardly accelerates.
    NaN where no three frames in a row exist.
    """
    if len(xy) < 3:
        return xy.new_full((xy.shape[1],), math.nan)
    second = (xy[1:-1] - (xy[:-2] + xy[2:]) / 2).norm(dim=-1)[consecutive(clip, frame)]
    if not len(second):
        return xy.new_full((xy.shape[1],), math.nan)
    return 100 * second.nanmedian(0).values / IMAGE_SIDE


def on_mask(xy: Float[Tensor, "T K 2"], mask: Float[Tensor, "T 1 H W"], threshold: float = 0.5) -> Float[Tensor, " K"]:
    """Share (%) of frames in which each keypoint lies on the foreground (bilinear mask value >= threshold).

    Frames without a prediction or with an empty mask are left out; NaN for a keypoint that has none left.
    """
    grid = torch.nan_to_num(xy, nan=2.0)[:, :, None].to(mask.dtype)
    value = torch.nn.functional.grid_sample(mask, grid, mode="bilinear", align_corners=False)[:, 0, :, 0]
    use = xy.isfinite().all(-1) & (mask.flatten(1).amax(1) >= threshold)[:, None]
    inside = ((value >= threshold) & use).sum(0).to(xy.dtype)
    return torch.where(use.any(0), 100 * inside / use.sum(0).clamp(min=1), math.nan)


def dead_keypoints(
    xy: Float[Tensor, "T K 2"],
    score: Float[Tensor, "T K"],
    clip: Int[Tensor, " T"],
    coverage: Float[Tensor, " K"] | None = None,
    still: float = 0.002,
    near: float = 0.01,
) -> dict[str, list[int]]:
    """Keypoints that carry nothing, by reason (a keypoint may have several).

    - `missing`: not finite in more than half of the frames, or a mean score below 0.05;
    - `still`: spread about its mean in every clip below `still` of the image side, and not on the animal (`coverage`
      below 50 %): the foot of a robot arm stands still with good reason;
    - `off`: on the animal in fewer than half of the frames;
    - `double`: within `near` of the image side of a lower-numbered keypoint in 9 of 10 frames.
    """
    finite = xy.isfinite().all(-1)
    missing = (finite.double().mean(0) < 0.5) | (torch.nan_to_num(score).double().mean(0) < 0.05)
    spread = torch.zeros(xy.shape[1], dtype=xy.dtype, device=xy.device)
    for name in clip.unique():
        part = xy[clip == name]
        deviation = (part - part.nanmean(0)).square().sum(-1).nanmean(0).sqrt()
        spread = torch.maximum(spread, torch.nan_to_num(deviation))
    stands = spread < still * IMAGE_SIDE
    off = torch.zeros_like(stands) if coverage is None else coverage < 50
    if coverage is not None:
        stands = stands & off
    double = []
    for k in range(1, xy.shape[1]):
        distance = (xy[:, :k] - xy[:, k : k + 1]).norm(dim=-1)
        close = ((distance < near * IMAGE_SIDE).sum(0) >= 0.9 * distance.isfinite().sum(0).clamp(min=1)).any()
        double += [k] if close else []
    marks = {"missing": missing, "still": stands & ~missing, "off": off & ~missing}
    return {name: mark.nonzero().flatten().tolist() for name, mark in marks.items()} | {"double": double}
