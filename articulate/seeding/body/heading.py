"""Which end of the body is the head: one sign per frame from appearance and time, one sign per store from the walk."""

import numpy as np
from jaxtyping import Bool, Float

from articulate.seeding.body.frame import BodyPose


def axis_steps(angle: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """How well the direction of each frame continues the one before: cos of the turn, 0 for the first."""
    return np.concatenate([[0.0], np.cos(np.diff(angle))])


def viterbi_signs(
    unary: Float[np.ndarray, " T"], link: Float[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, " T"], float]:
    """Signs s in {-1, 1} that maximise sum s_t unary_t + sum s_t s_(t-1) link_t (Viterbi 1967), and that maximum."""
    signs = np.array([-1.0, 1.0])
    best = signs * unary[0]
    back = np.zeros((len(unary), 2), np.int64)
    for t in range(1, len(unary)):
        scores = best[:, None] + link[t] * signs[:, None] * signs[None]
        back[t] = scores.argmax(0)
        best = scores.max(0) + signs * unary[t]
    path = np.empty(len(unary), np.int64)
    path[-1] = best.argmax()
    for t in range(len(unary) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return signs[path], float(best.max())


def resolve_signs(
    features: Float[np.ndarray, "T F"],
    angle: Float[np.ndarray, " T"],
    follows: Bool[np.ndarray, " T"],
    stiffness: float,
    rounds: int = 10,
) -> Float[np.ndarray, " T"]:
    """Signs that make the odd part of the appearance (picture less its half turn) agree over the whole store."""
    return signs_of(features, np.where(follows, axis_steps(angle), 0.0), stiffness, rounds)


def signs_of(
    features: Float[np.ndarray, "T F"], link: Float[np.ndarray, " T"], stiffness: float, rounds: int = 10
) -> Float[np.ndarray, " T"]:
    """Signs that make features which reverse with the body agree over the store and, by `link`, in time.

    Alternates the mean of the signed features (a template) with an exact search over signs, whose pairwise term is
    the continuity of the axis, `stiffness` times the typical strength of the unary one. Starts: continuity alone, and
    the leading eigenvector of the features' Gram matrix (synchronisation, Singer 2011); the better sum wins.
    """
    norm = np.linalg.norm(features, axis=1)
    features = features / np.maximum(np.median(norm), 1e-9)
    starts = [viterbi_signs(np.zeros(len(features)), link)[0]]
    leading = np.linalg.svd(features - 0.0, full_matrices=False)[2][0]
    starts.append(np.where(features @ leading >= 0, 1.0, -1.0))
    best, best_value = starts[0], -np.inf
    for signs in starts:
        for _ in range(rounds):
            template = (signs[:, None] * features).mean(0)
            unary = features @ template
            unary = unary / max(float(np.median(np.abs(unary))), 1e-9)
            found, value = viterbi_signs(np.clip(unary, -3, 3), stiffness * link)
            if (found == signs).all():
                break
            signs = found
        if value > best_value:
            best, best_value = signs, value
    return best


def walks_forward(
    centre: Float[np.ndarray, "T 2"], angle: Float[np.ndarray, " T"], follows: Bool[np.ndarray, " T"]
) -> float:
    """Agreement of displacement and heading in [-1, 1]: sum of forward steps over the sum of all steps' lengths.

    Steps are taken over the frames in which the animal moves most (the upper tenth), where noise plays no part.
    `centre` is in pixels of the video, because a crop that follows the animal hides its walk.
    """
    step = np.diff(centre, axis=0)
    heading = np.stack([np.cos(angle), np.sin(angle)], -1)
    heading = (heading[1:] + heading[:-1]) / 2
    length = np.where(follows[1:], np.linalg.norm(step, axis=1), 0.0)
    fast = length >= np.quantile(length, 0.9)
    return float((step * heading).sum(1)[fast].sum() / max(length[fast].sum(), 1e-9))


def odd_features(body: Float[np.ndarray, "T H W"], bins: int = 16) -> Float[np.ndarray, "T F"]:
    """Body pictures, averaged to `bins` squares a side, less the same turned by half a circle."""
    count, size = body.shape[:2]
    cut = size // bins
    small = body[:, : bins * cut, : bins * cut].reshape(count, bins, cut, bins, cut).mean((2, 4))
    return (small - small[:, ::-1, ::-1]).reshape(count, -1)


def oriented(pose: BodyPose, signs: Float[np.ndarray, " T"]) -> BodyPose:
    """The pose with its axis reversed where the sign is negative."""
    return pose.turned(signs < 0)
