"""From the ends of parts to keypoints and a tree: which ends meet, and where a limb must be hidden between two ends."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.seeding.capsule_fit import Evidence, Figure, FitSettings, evaluate, fit_figure

End = tuple[int, int]  # part, 0 or 1


@dataclass(frozen=True)
class Connection:
    """Two ends of different parts that belong together, and how far apart they usually are, in half-widths."""

    first: End
    second: End
    distance: float


def end_distances(
    ends: Float[np.ndarray, "T P 2 2"],
    radii: Float[np.ndarray, "P 2"],
    visible: Bool[np.ndarray, "T P"],
    share: Float[np.ndarray, "P P"],
    least: float,
) -> dict[tuple[End, End], float]:
    """Typical distance, in half-widths, of every two ends of parts that touch in the share `least` of frames."""
    num_parts = ends.shape[1]
    result = {}
    for p in range(num_parts):
        for q in range(p + 1, num_parts):
            both = visible[:, p] & visible[:, q]
            if both.sum() < 5 or share[p, q] < least:
                continue
            for e in range(2):
                for f in range(2):
                    apart = np.linalg.norm(ends[both, p, e] - ends[both, q, f], axis=-1)
                    # A joint is close always; ends that merely pass each other are not: the mean of the median
                    # and a high quantile, divided by how surely the parts touch.
                    typical = 0.5 * (np.median(apart) + np.quantile(apart, 0.8))
                    # The end of a thick part, hidden in its neighbours, is known less well than that of a thin one.
                    scale = 1.0 + radii[p, e] + radii[q, f]
                    result[(p, e), (q, f)] = float((typical + 4.0 * (1.0 - share[p, q])) / scale)
    return result


def connect_ends(distances: dict[tuple[End, End], float], num_parts: int) -> list[Connection]:
    """Minimum spanning tree of the parts over the distances of their ends (Kruskal 1956)."""
    body = list(range(num_parts))

    def root(p: int) -> int:
        while body[p] != p:
            p = body[p]
        return p

    found = []
    for (first, second), distance in sorted(distances.items(), key=lambda item: item[1]):
        a, b = root(first[0]), root(second[0])
        if a != b:
            body[a] = b
            found.append(Connection(first, second, distance))
    return found


def keypoints_of_ends(num_parts: int, merged: list[Connection]) -> Int[np.ndarray, "P 2"]:
    """Keypoint of each end when the ends of every merged connection are one point; numbered by first appearance."""
    group = {(p, e): (p, e) for p in range(num_parts) for e in range(2)}

    def root(end: End) -> End:
        while group[end] != end:
            end = group[end]
        return end

    for connection in merged:
        group[root(connection.first)] = root(connection.second)
    names: dict[End, int] = {}
    return np.array([[names.setdefault(root((p, e)), len(names)) for e in range(2)] for p in range(num_parts)])


def assemble(
    ends: Float[np.ndarray, "T P 2 2"],
    weights: Float[np.ndarray, "T P"],
    radii: Float[np.ndarray, "P 2"],
    merged: list[Connection],
    links: list[Connection],
) -> Figure:
    """Figure in which merged ends are their weighted mean; links become limbs without a part."""
    num_parts = ends.shape[1]
    index = keypoints_of_ends(num_parts, merged)
    num_keypoints = int(index.max()) + 1
    total, weight = np.zeros((len(ends), num_keypoints, 2)), np.zeros((len(ends), num_keypoints, 1))
    for p in range(num_parts):
        for e in range(2):
            total[:, index[p, e]] += weights[:, p, None] * ends[:, p, e]
            weight[:, index[p, e]] += weights[:, p, None]
    hidden = [(int(index[c.first]), int(index[c.second])) for c in links]
    edges = np.concatenate([index, np.array(hidden, dtype=np.int64).reshape(-1, 2)])
    parts = np.concatenate([np.arange(num_parts), np.full(len(hidden), -1, np.int64)])
    radii = np.concatenate([radii, np.ones((len(hidden), 2))])
    return Figure(total / weight, edges, radii, parts)


def fit_parts(
    ends: Float[np.ndarray, "T P 2 2"],
    radii: Float[np.ndarray, "P 2"],
    evidence: Evidence,
    settings: FitSettings,
) -> Figure:
    """Every part on its own."""
    num_parts = ends.shape[1]
    edges = np.arange(2 * num_parts).reshape(-1, 2)
    return fit_figure(Figure(ends.reshape(len(ends), -1, 2), edges, radii, np.arange(num_parts)), evidence, settings)


def part_points(figure: Figure, num_parts: int) -> Float[np.ndarray, "T P 2 2"]:
    """Both ends of every part in a figure."""
    return figure.points[:, figure.edges[:num_parts]]


def misfit_per_frame(figure: Figure, evidence: Evidence, settings: FitSettings) -> Float[np.ndarray, " T"]:
    """Misfit of all parts in pixels, with the price of a limb that reaches over pixels of other parts."""
    return evaluate(figure, evidence, settings.softness[1], settings.foreign)[0].sum((1, 2))
