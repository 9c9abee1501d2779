"""Keeping to a number of keypoints: join over the shortest limbs, or halve the longest."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from articulate.seeding.capsule_fit import Figure


def limb_lengths(figure: Figure, quantile: float = 0.9) -> Float[np.ndarray, " L"]:
    """Length of every limb in pixels when it is seen well (a quantile over frames)."""
    span = figure.points[:, figure.edges[:, 0]] - figure.points[:, figure.edges[:, 1]]
    return np.quantile(np.linalg.norm(span, axis=-1), quantile, axis=0)


def contract_shortest(figure: Figure, num_keypoints: int) -> Figure:
    """The figure with at most `num_keypoints` points: its shortest limbs become points, at their middle.

    A last limb vanishes into the joint that it hangs on.
    """
    while figure.points.shape[1] > max(2, num_keypoints):
        # A disc is a limb from a point to itself, and there is nothing to join.
        disc = figure.edges[:, 0] == figure.edges[:, 1]
        limb = int(np.argmin(np.where(disc, np.inf, limb_lengths(figure))))
        a, b = sorted(map(int, figure.edges[limb]))
        degree = np.bincount(figure.edges.reshape(-1), minlength=figure.points.shape[1])
        points = figure.points.copy()
        if degree[a] > 1 and degree[b] > 1:
            points[:, a] = (points[:, a] + points[:, b]) / 2
        elif degree[a] == 1:
            points[:, a] = points[:, b]
        keep = np.arange(len(figure.edges)) != limb
        edges = np.where(figure.edges == b, a, figure.edges)
        edges = np.where(edges > b, edges - 1, edges)[keep]
        points = np.delete(points, b, axis=1)
        figure = Figure(points, edges, figure.radii[keep], figure.parts[keep])
    return figure


def split_longest(
    figure: Figure, score: Float[np.ndarray, "T K"], num_keypoints: int
) -> tuple[Figure, Float[np.ndarray, "T N"]]:
    """The figure with N = `num_keypoints` points: the longest limbs are halved, the middle scores as its worse end."""
    while figure.points.shape[1] < num_keypoints:
        limb = int(np.argmax(limb_lengths(figure)))
        a, b = figure.edges[limb]
        new = figure.points.shape[1]
        middle = figure.points[:, [a]] / 2 + figure.points[:, [b]] / 2
        edges = np.concatenate([figure.edges, [[new, b]]])
        edges[limb] = (a, new)
        half = figure.radii[limb].mean()
        radii = np.concatenate([figure.radii, [[half, figure.radii[limb, 1]]]])
        radii[limb, 1] = half
        parts = np.concatenate([figure.parts, figure.parts[[limb]]])
        score = np.concatenate([score, np.minimum(score[:, [a]], score[:, [b]])], axis=1)
        figure = replace(
            figure, points=np.concatenate([figure.points, middle], 1), edges=edges, radii=radii, parts=parts
        )
    return figure, score
