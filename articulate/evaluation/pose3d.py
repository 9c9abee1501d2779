"""How right a 3D pose is: MPJPE and its scaled and aligned forms, signs of depth, and the one allowed reflection.

Camera frame: x right, y down, z forward. Errors keep the unit of the inputs; `unit_d` converts to %d, one per cent of
the median diagonal of the true boxes. Frames or joints that are not finite in either input are left out.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def paired(
    predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"]
) -> tuple[Float[Tensor, "T K 3"], Float[Tensor, "T K 3"], Float[Tensor, "T K 1"]]:
    """Both poses with their own centroid (over joints known in both) at the origin, and the weight (0 or 1) of each."""
    ok = (predicted.isfinite() & true.isfinite()).all(-1, keepdim=True)
    weight = ok.to(true.dtype)
    count = weight.sum(1, keepdim=True).clamp(min=1)
    centred = []
    for pose in (predicted, true):
        filled = torch.where(ok, pose, 0.0)
        centred.append((filled - filled.sum(1, keepdim=True) / count) * weight)
    return centred[0], centred[1], weight


def mean_error(
    predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"], weight: Float[Tensor, "T K 1"]
) -> float:
    """Mean distance over the joints with weight 1; NaN when there are none."""
    total = weight.sum()
    return ((predicted - true).norm(dim=-1) * weight[..., 0]).sum().div(total).item() if total > 0 else math.nan


def mpjpe(predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"]) -> float:
    """Mean distance per joint after centring every pose on the mean of its joints."""
    return mean_error(*paired(predicted, true))


def n_mpjpe(predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"]) -> float:
    """MPJPE after the best scale of every pose, s = <p, t> / <p, p> (Rhodin et al. 2018, equation 7)."""
    p, t, weight = paired(predicted, true)
    scale = (p * t).sum((1, 2), keepdim=True) / p.square().sum((1, 2), keepdim=True).clamp(min=1e-12)
    return mean_error(scale * p, t, weight)


def aligned(predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"]) -> Float[Tensor, "T K 3"]:
    """Centred predictions under the best rotation and scale for every pose, without reflection (Umeyama 1991)."""
    u, singular, vh = torch.linalg.svd(predicted.transpose(1, 2) @ true)
    sign = torch.ones_like(singular)
    sign[:, -1] = torch.where(torch.linalg.det(u @ vh) < 0, -1.0, 1.0)
    rotation = u * sign[:, None] @ vh
    # The floor keeps a pose with all joints in one point at the origin instead of dividing by zero.
    scale = (singular * sign).sum(1) / predicted.square().sum((1, 2)).clamp(min=1e-12)
    return scale[:, None, None] * predicted @ rotation


def pa_mpjpe(predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"]) -> float:
    """MPJPE after the best rotation and scale of every pose; reflections are not allowed."""
    p, t, weight = paired(predicted, true)
    return mean_error(aligned(p, t), t, weight)


def sign_accuracy(
    predicted: Float[Tensor, "T K 3"], true: Float[Tensor, "T K 3"], edges: Sequence[tuple[int, int]]
) -> float:
    """Share of right depth signs over the true bones, each weighted by its true |dz|; 0.5 is chance."""
    index = torch.tensor(list(edges), dtype=torch.int64, device=true.device).reshape(-1, 2)
    wrong_or_right = [x[:, index[:, 1], 2] - x[:, index[:, 0], 2] for x in (predicted, true)]
    weight = wrong_or_right[1].abs()
    ok = torch.isfinite(wrong_or_right[0]) & torch.isfinite(weight)
    total = weight[ok].sum()
    right = weight[ok & (wrong_or_right[0] * wrong_or_right[1] > 0)].sum()
    flat = weight[ok & (wrong_or_right[0] == 0)].sum()  # no sign was given: worth a coin toss
    return ((right + flat / 2) / total).item() if total > 0 else math.nan


def unit_d(true: Float[Tensor, "T K 3"]) -> float:
    """Length of 1 %d: one per cent of the median diagonal of the true 3D boxes."""
    known = true[true.isfinite().all(-1).all(-1)]
    return (known.amax(1) - known.amin(1)).norm(dim=-1).median().item() / 100 if len(known) else math.nan


def reflected(pose: Float[Tensor, "T K 3"]) -> Float[Tensor, "T K 3"]:
    """The same pose with its depth reversed."""
    return pose * pose.new_tensor([1.0, 1.0, -1.0])


def swapped_order(num_joints: int, pairs: Sequence[tuple[int, int]]) -> Int[Tensor, " K"]:
    """Permutation that exchanges the two joints of every left/right pair."""
    order = torch.arange(num_joints)
    for left, right in pairs:
        order[left], order[right] = right, left
    return order


def choose_reading(
    predicted: Float[Tensor, "T K 3"],
    true: Float[Tensor, "T K 3"],
    fit: Tensor,
    clip: Int[Tensor, " T"],
    pairs: Sequence[tuple[int, int]] = (),
) -> Float[Tensor, "T K 3"]:
    """Predictions under the one allowed reflection of depth per sequence, chosen on the frames `fit` alone.

    With `pairs` (only for figures without any left/right cue) every clip may in addition be read as its mirror image
    seen from behind: left and right exchanged *together with* a reflection of depth, once per clip.
    """
    order = swapped_order(predicted.shape[1], pairs)
    best, lowest = predicted, math.inf
    for whole in (predicted, reflected(predicted)):
        reading = whole
        for name in clip.unique() if pairs else ():
            use = clip == name
            other = reflected(whole)[:, order]
            if mpjpe(other[use & fit], true[use & fit]) < mpjpe(whole[use & fit], true[use & fit]):
                reading = torch.where(use[:, None, None], other, reading)
        error = mpjpe(reading[fit], true[fit])
        if error < lowest:
            best, lowest = reading, error
    return best


def pose_scores(
    predicted: Float[Tensor, "T K 3"],
    true: Float[Tensor, "T K 3"],
    edges: Sequence[tuple[int, int]],
    fit: Tensor,
    score: Tensor,
    clip: Int[Tensor, " T"],
    pairs: Sequence[tuple[int, int]] = (),
) -> dict[str, float]:
    """All 3D scores on the frames `score`, after the reading chosen on `fit` (see `choose_reading`).

    `*_d` are in %d, the others in the unit of the inputs; `sign_accuracy` is a share.
    """
    reading = choose_reading(predicted, true, fit, clip, pairs)[score]
    target = true[score]
    values = {
        "mpjpe": mpjpe(reading, target),
        "n_mpjpe": n_mpjpe(reading, target),
        "pa_mpjpe": pa_mpjpe(reading, target),
    }
    percent = {f"{name}_d": value / unit_d(target) for name, value in values.items()}
    return values | percent | {"sign_accuracy": sign_accuracy(reading, target, edges)}
