"""Alarms about keypoints that do no work, in plain words with what to try; a pure function of tracks."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Fault = Literal["dead", "merged", "centre_stuck", "unsure", "saturated"]


@dataclass(frozen=True)
class HealthLimits:
    """When an alarm is raised; distances in the image frame (the frame is 2 wide)."""

    still: float = 0.01
    together: float = 0.04
    together_share: float = 0.9
    centre: float = 0.08
    low_score: float = 0.1
    # Deviation of a heatmap: 1/60 of a cell at 64 pixels, where a Gaussian has one cell.
    single_cell: float = 5.0e-4
    others_move: float = 0.05


@dataclass(frozen=True)
class Alarm:
    """One fault, the keypoints that have it, and a sentence for the user."""

    fault: Fault
    keypoints: tuple[int, ...]
    message: str


def check_keypoints(
    xy: Float[Tensor, "F K 2"],
    score: Float[Tensor, "F K"],
    limits: HealthLimits | None = None,
    covariance: Float[Tensor, "F K 2 2"] | None = None,
) -> list[Alarm]:
    """Alarms for F frames (or images) of K keypoints; rows of NaN are left out.

    - `centre_stuck`: hardly moves and stays near the image centre, where a flat heatmap reads under plain soft-argmax;
    - `dead`: hardly moves anywhere else while the others move;
    - `merged`: two keypoints nearly coincide in almost all frames;
    - `unsure`: its heatmap holds little mass near its peak in most frames;
    - `saturated`: its heatmap is one cell in most frames (looked at where `covariance` of the heatmaps is given).
    Fewer than two usable frames raise no alarm, because nothing can be said.
    """
    limits = limits or HealthLimits()
    good = torch.isfinite(xy).all(-1).all(-1)
    xy, score = xy[good], score[good]
    if len(xy) < 2:
        return []
    spread = xy.std(0).norm(dim=-1)
    still = spread < limits.still
    near_centre = xy.mean(0).norm(dim=-1) < limits.centre
    # When nothing moves (a still video) a still keypoint is no fault.
    moving = bool(spread.max() >= limits.others_move)
    alarms = centre_alarms(still & near_centre)
    alarms += dead_alarms(still & ~near_centre, spread) if moving else []
    alarms += merged_alarms(xy, limits)
    alarms += [] if covariance is None else saturated_alarms(covariance[good], limits)
    return alarms + unsure_alarms(score, limits)


def centre_alarms(stuck: Bool[Tensor, " K"]) -> list[Alarm]:
    """One alarm for all keypoints in the centre."""
    keypoints = indices(stuck)
    if not keypoints:
        return []
    return [
        Alarm(
            "centre_stuck",
            keypoints,
            f"{listing(keypoints)} in the middle of the image whatever it shows: the heatmap is flat. Try the "
            "'corrected' soft-argmax, a lower temperature, the jensen_shannon constraint, or a longer warm-up.",
        )
    ]


def dead_alarms(dead: Bool[Tensor, " K"], spread: Float[Tensor, " K"]) -> list[Alarm]:
    """One alarm for all keypoints that stay in one place while others move."""
    keypoints = indices(dead)
    if not keypoints:
        return []
    return [
        Alarm(
            "dead",
            keypoints,
            f"{listing(keypoints)} in one place while others move by {float(spread.max()):.2f} of half the image. It "
            "may hold on to the background: remove the background first, raise the weight of middle_frame or "
            "tps_equivariance, re-seed it at an unexplained spot, or ask for fewer keypoints.",
        )
    ]


def merged_alarms(xy: Float[Tensor, "F K 2"], limits: HealthLimits) -> list[Alarm]:
    """One alarm for each group of keypoints that coincide in almost all frames."""
    close = ((xy[:, :, None] - xy[:, None]).norm(dim=-1) < limits.together).to(xy.dtype).mean(0)
    joined = close >= limits.together_share
    left, alarms = set(range(xy.shape[1])), []
    while left:
        first = min(left)
        group, queue = {first}, [first]
        while queue:
            near = set(indices(joined[queue.pop()])) - group
            group |= near
            queue += near
        left -= group
        if len(group) > 1:
            members = tuple(sorted(group))
            alarms.append(
                Alarm(
                    "merged",
                    members,
                    f"keypoints {', '.join(map(str, members))} lie on each other in at least "
                    f"{100 * limits.together_share:.0f} % of frames. Try the distractor task, the diversity term of "
                    "tps_equivariance, another seed, or fewer keypoints.",
                )
            )
    return alarms


def unsure_alarms(score: Float[Tensor, "F K"], limits: HealthLimits) -> list[Alarm]:
    """One alarm for all keypoints whose heatmaps have no clear peak."""
    keypoints = indices(score.median(0).values < limits.low_score)
    if not keypoints:
        return []
    return [
        Alarm(
            "unsure",
            keypoints,
            f"the heatmap of {listing(keypoints).rsplit(' ', 1)[0]} has no clear "
            "peak in most frames. Train longer, add the jensen_shannon constraint, or lower the temperature.",
        )
    ]


def saturated_alarms(covariance: Float[Tensor, "F K 2 2"], limits: HealthLimits) -> list[Alarm]:
    """One alarm for all keypoints whose heatmaps have shrunk to a single cell."""
    variance = covariance.diagonal(dim1=-2, dim2=-1).sum(-1).median(0).values
    keypoints = indices(variance < limits.single_cell**2)
    if not keypoints:
        return []
    return [
        Alarm(
            "saturated",
            keypoints,
            f"the heatmap of {listing(keypoints).rsplit(' ', 1)[0]} is a single cell in most frames, which passes no "
            "gradient: training has ended there. Lower the learning rate, or raise the weight of jensen_shannon.",
        )
    ]


def indices(chosen: Bool[Tensor, " K"]) -> tuple[int, ...]:
    """Numbers of the chosen keypoints."""
    return tuple(int(k) for k in chosen.nonzero().flatten())


def listing(keypoints: tuple[int, ...]) -> str:
    """`keypoint 3 stays`, `keypoints 3, 5 stay`."""
    return f"{'keypoint' if len(keypoints) == 1 else 'keypoints'} {', '.join(map(str, keypoints))} " + (
        "stays" if len(keypoints) == 1 else "stay"
    )
