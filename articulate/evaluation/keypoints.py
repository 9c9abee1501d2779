"""How well keypoints sit on landmarks: one global matching, on-joint error, PCK and regressed error.

Coordinates are in the image frame (x right, y down, [-1, 1]), so the image side is 2. Errors are percentages: of the
image side, and of the body size (diagonal of the box of the true landmarks). One matching per sequence, never one per
frame. A frame without a prediction is a row of NaN: it is a miss in PCK and is left out of mean errors, whose share of
frames is reported as `found`.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

IMAGE_SIDE = 2.0  # width of [-1, 1]
DEAD = 0.005 * IMAGE_SIDE  # spread of a coordinate below which it says nothing: about half a pixel at 128


def half_split(clip: Int[Tensor, " T"]) -> tuple[Bool[Tensor, " T"], Bool[Tensor, " T"]]:
    """Masks of the frames to fit on (the first half of every clip) and of those to score on (the second half).

    Halves in time, not alternate frames: neighbours in a video are nearly copies of each other.
    """
    fit = torch.zeros_like(clip, dtype=torch.bool)
    for name in clip.unique():
        frames = (clip == name).nonzero().flatten()
        fit[frames[: math.ceil(len(frames) / 2)]] = True
    return fit, ~fit


def seen(truth: Float[Tensor, "T J 2"], visible: Bool[Tensor, "T J"] | None) -> Bool[Tensor, "T J"]:
    """Landmarks that count: finite, and marked visible where marks exist."""
    finite = truth.isfinite().all(-1)
    return finite if visible is None else finite & visible


def body_size(truth: Float[Tensor, "T J 2"], visible: Bool[Tensor, "T J"] | None = None) -> Float[Tensor, ""]:
    """Median over frames of the diagonal of the box around the visible landmarks, in image units.

    One number per sequence: a body that curls up or is half hidden must not make its own errors look large.
    Frames with less than half of the landmarks are left out. NaN when no frame is left.
    """
    ok = seen(truth, visible)
    enough = ok.sum(1) >= max(2, truth.shape[1] / 2)
    if not enough.any():
        return truth.new_tensor(math.nan)
    low = truth.masked_fill(~ok[..., None], math.inf).amin(1)
    high = truth.masked_fill(~ok[..., None], -math.inf).amax(1)
    return (high - low)[enough].norm(dim=-1).median()


def pair_distances(
    predicted: Float[Tensor, "T K 2"], truth: Float[Tensor, "T J 2"], visible: Bool[Tensor, "T J"] | None = None
) -> Float[Tensor, "K J"]:
    """Mean distance of every keypoint to every landmark over the frames that have both; inf where there are none."""
    ok = predicted.isfinite().all(-1)[:, :, None] & seen(truth, visible)[:, None, :]
    count = ok.sum(0)
    total = torch.zeros(count.shape, dtype=truth.dtype, device=truth.device)
    for j in range(truth.shape[1]):  # one landmark at a time bounds the memory on long recordings
        distance = (predicted - truth[:, j : j + 1]).norm(dim=-1)
        total[:, j] = distance.masked_fill(~ok[:, :, j], 0.0).sum(0)
    return torch.where(count > 0, total / count.clamp(min=1), math.inf)


def match_keypoints(
    predicted: Float[Tensor, "T K 2"], truth: Float[Tensor, "T J 2"], visible: Bool[Tensor, "T J"] | None = None
) -> Int[Tensor, " J"]:
    """Keypoint of each landmark under one global Hungarian matching of mean distances; -1 = unmatched.

    A keypoint serves at most one landmark. Landmarks stay unmatched when keypoints are fewer (K < J), or when a
    keypoint and a landmark share no frame.
    """
    cost = pair_distances(predicted, truth, visible)
    finite = cost.isfinite()
    # A finite price above every real one, so that the solver still matches as many landmarks as it can.
    ceiling = 1e3 * (1.0 + (cost[finite].max().item() if finite.any() else 0.0))
    rows, columns = linear_sum_assignment(cost.masked_fill(~finite, ceiling).cpu().numpy())
    match = torch.full((truth.shape[1],), -1, dtype=torch.int64, device=truth.device)
    for k, j in zip(rows, columns, strict=True):
        if finite[k, j]:
            match[j] = int(k)
    return match


def take_matched(predicted: Float[Tensor, "T K D"], match: Int[Tensor, " J"]) -> Float[Tensor, "T J D"]:
    """Keypoints in the order of the landmarks; NaN for unmatched landmarks."""
    return predicted[:, match.clamp(min=0)].masked_fill((match < 0)[None, :, None], math.nan)


def on_joint_scores(
    predicted: Float[Tensor, "T K 2"],
    truth: Float[Tensor, "T J 2"],
    visible: Bool[Tensor, "T J"] | None = None,
    match: Int[Tensor, " J"] | None = None,
    size: Float[Tensor, ""] | None = None,
) -> dict[str, float]:
    """On-joint error without regression, and PCK at 0.05 and 0.1 of the body size.

    `match` comes from the frames that were set aside for fitting (else it is fitted here). Errors are means over
    matched, visible landmarks; PCK counts unmatched landmarks and lost frames as misses.
    """
    match = match_keypoints(predicted, truth, visible) if match is None else match
    size = body_size(truth, visible) if size is None else size
    ok = seen(truth, visible)
    distance = (take_matched(predicted, match) - truth).norm(dim=-1)
    found = ok & distance.isfinite()
    error = distance[found].mean().item() if found.any() else math.nan
    hits = [(found & (distance <= share * size)).sum().item() / max(int(ok.sum()), 1) for share in (0.05, 0.1)]
    return {
        "error_image": 100 * error / IMAGE_SIDE,
        "error_body": 100 * error / size.item(),
        "pck_05": 100 * hits[0],
        "pck_10": 100 * hits[1],
        "matched": float((match >= 0).sum()),
        "unmatched": float((match < 0).sum()),
        "found": 100 * found.sum().item() / max(int(ok.sum()), 1),
    }


def fit_regression(
    features: Float[Tensor, "T F"], targets: Float[Tensor, "T 2"], ridge: float
) -> tuple[Float[Tensor, "F 2"], Float[Tensor, " F"], Float[Tensor, " 2"]]:
    """Ridge regression on standardised features: weights, feature means, target means (Hoerl & Kennard 1970).

    A coordinate that spreads less than DEAD carries no weight: standardised, its noise would count as motion, and one
    jump of it later would throw the landmark anywhere.
    """
    mean, offset = features.mean(0), targets.mean(0)
    scale = features.std(0, correction=0)
    scale = scale.where(scale >= DEAD, math.inf)
    design = (features - mean) / scale
    gram = design.T @ design / len(design) + ridge * torch.eye(design.shape[1], dtype=design.dtype)
    weights = torch.linalg.solve(gram, design.T @ (targets - offset) / len(design))
    return weights / scale[:, None], mean, offset


def regressed_scores(
    predicted: Float[Tensor, "T K 2"],
    truth: Float[Tensor, "T J 2"],
    fit: Bool[Tensor, " T"],
    score: Bool[Tensor, " T"],
    visible: Bool[Tensor, "T J"] | None = None,
    ridge: float = 1e-4,
) -> dict[str, float]:
    """Error of a linear map from all keypoints to each landmark, fitted on `fit`, measured on `score`.

    Ridge (1e-4 of the features' variance) keeps the solution stable when keypoints move together. A coordinate that is
    missing is replaced by its mean over `fit`. `moving` counts the keypoints that carry weight. A low value can hide
    useless points: quote it beside the on-joint error.
    """
    features = predicted.double().flatten(1)
    fill = torch.nan_to_num(features[fit].nanmean(0))
    features = torch.where(features.isfinite(), features, fill)
    ok, truth = seen(truth, visible), truth.double()
    errors = []
    for j in range(truth.shape[1]):
        train, test = fit & ok[:, j], score & ok[:, j]
        if train.sum() < 2 or not test.any():
            continue
        weights, mean, offset = fit_regression(features[train], truth[train, j], ridge)
        errors.append(((features[test] - mean) @ weights + offset - truth[test, j]).norm(dim=-1))
    error = torch.cat(errors).mean().item() if errors else math.nan
    size = body_size(truth[score], ok[score]).item()
    moving = (features[fit].std(0, correction=0) >= DEAD).unflatten(0, (-1, 2)).any(1)
    return {
        "error_image": 100 * error / IMAGE_SIDE,
        "error_body": 100 * error / size,
        "landmarks": float(len(errors)),
        "moving": float(moving.sum()),
    }
