"""Points that hang on one part: what hides of them is known from what shows, because the part is rigid.

The hips of a root are covered by the root and by the limbs that hang on it, often all but one or two at a time, and a
covered end of a limb is fitted several times as badly as one that shows. Their places on the part are the same in all
frames, and under a camera far away a flat part moves affinely (Tomasi & Kanade 1992): three points tell where all are.
What stands out of the plane counts as noise of its point, because a third dimension explains any five points.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.linalg import solveh_banded

from articulate.records import DepthOrder
from articulate.seeding.budget import limb_lengths
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.hubs import LEAST_LINKS

ROUNDS = 10
FREEDOM = 1.0  # of Student's t: a covered end goes anywhere at times
BINS = 10  # of the share that shows; from the last one on a point counts as shown
LAG = 5  # frames
LEAST_NOISE = 0.2  # pixels, of a point that shows
TYPICAL = 0.6745  # median of |x| in standard deviations
TYPICAL_SQUARE = np.log(2)  # median of |x|^2 / 2 in the plane, in variances per coordinate


@dataclass(frozen=True)
class Shape:
    """Places [u, v, 1] of points on a flat part, its views in all frames, and variances per coordinate in pixels^2.

    Point g of frame t lies at `places[g] @ views[t]`. Where it shows it is off that by the variance `own[g]`, because
    it is not quite a place on the part; `fitted` is the variance with which it was found in the frame.
    """

    places: Float[np.ndarray, "G 3"]
    views: Float[np.ndarray, "T 3 2"]
    own: Float[np.ndarray, " G"]
    fitted: Float[np.ndarray, "T G"]

    @property
    def points(self) -> Float[np.ndarray, "T G 2"]:
        """Where the part has its points."""
        return np.einsum("ga,tad->tgd", self.places, self.views)

    def mended(self, points: Float[np.ndarray, "T G 2"]) -> Float[np.ndarray, "T G 2"]:
        """The mean of where points were found and where the part has them, weighed by precision."""
        share = self.fitted / (self.fitted + self.own)
        return points + share[..., None] * (self.points - points)


def keep_on_hubs(
    figure: Figure, score: Float[np.ndarray, "T K"], order: DepthOrder, clip: Int[np.ndarray, " T"]
) -> tuple[Figure, Float[np.ndarray, "T K"], DepthOrder]:
    """The figure, points that hang on one part where the part has them; how well each is known; what covers what.

    A limb that never shows has no pixels but the part's, and its ends are places on it. So is the far end of a round
    limb beside it, the housing of a hip, which stays within the limb's half-width of a place on the part: it turns
    about its own axis at most. A point of the part is known as well as the third best of them, which show its view.
    """
    points, score, done = figure.points.copy(), score.copy(), np.zeros(figure.points.shape[1], bool)
    for group in sorted(points_on_hubs(figure), key=len, reverse=True):
        if done[group].any():
            continue
        shape = fit_shape(points[:, group], score[:, group], clip)
        beside = [k for k, radius in beside_hub(figure, group) if stays(shape, points[:, k], score[:, k]) < radius]
        if beside:
            group = np.concatenate([group, beside])
            shape = fit_shape(points[:, group], score[:, group], clip)
        points[:, group] = shape.mended(points[:, group])
        score[:, group] = np.maximum(score[:, group], np.sort(score[:, group], axis=1)[:, [-3]])
        order = without_housings(order, figure, group)
        done[group] = True
    return replace(figure, points=points), score, order


def without_housings(order: DepthOrder, figure: Figure, group: Int[np.ndarray, " G"]) -> DepthOrder:
    """The order without entries about limbs that lie on a hub and those that meet them and do not.

    Which covers the other there tells where the housing of a hip stands out, not which leans towards the camera
    (MuJoCo's barkour: 55 % right; of other limbs that meet 81 %, of limbs apart 98 %).
    """
    on_hub = np.isin(figure.edges, group).all(1) & (figure.edges[:, 0] != figure.edges[:, 1]) & (figure.parts >= 0)
    housings = torch.as_tensor(figure.edges[on_hub])
    pairs = torch.stack([order.front, order.behind], 1)  # [V, limb, end]
    housing = (pairs[:, :, None] == housings).all(3).any(2)
    elsewhere = ~torch.isin(pairs, torch.as_tensor(group)).all(2)
    return order.only(~(order.meet() & (housing & elsewhere.flip(1)).any(1)))


def points_on_hubs(figure: Figure) -> list[Int[np.ndarray, " G"]]:
    """For every hub, which is one point: that point and the far ends of the hidden limbs that hang on it.

    Of one or two hidden limbs the picture does not say on which of the two parts beside them they sit, and a part with
    ends of its own is fitted to more than it hides (hexapods gain nothing).
    """
    hidden, groups = figure.edges[figure.parts < 0], []
    for middle, other in figure.edges[figure.parts >= 0]:
        here = hidden[(hidden == middle).any(1)]
        if middle == other and len(here) >= LEAST_LINKS:
            groups.append(np.unique(here))
    return groups


def beside_hub(figure: Figure, group: Int[np.ndarray, " G"]) -> Iterable[tuple[int, float]]:
    """Far ends of round limbs at the points of a group, with half-widths; in most frames round as seen.

    In the quarter of the frames in which it is longest, an end of a limb that short may be anywhere within its cover.
    """
    lengths = limb_lengths(figure, 0.75)
    for edge, part, radius, length in zip(figure.edges, figure.parts, figure.radii.mean(1), lengths, strict=True):
        far = edge[~np.isin(edge, group)]
        if part >= 0 and len(far) == 1 and length < 2.0 * radius:
            yield int(far[0]), float(radius)


def stays(shape: Shape, points: Float[np.ndarray, "T 2"], score: Float[np.ndarray, " T"]) -> float:
    """How far a further point is from a place on the part, where it shows, in pixels (standard deviation)."""
    weight = score**2
    place = np.r_[least_squares(shape.views[:, :2], points - shape.views[:, 2], weight), 1.0]
    square = ((points - place @ shape.views) ** 2).mean(-1)
    shown = shown_share(score) == BINS - 1
    return float(np.sqrt(np.median(square[shown]) / TYPICAL_SQUARE)) if shown.any() else np.inf


def shown_share(score: Float[np.ndarray, "*any"]) -> Int[np.ndarray, "*any"]:
    """Number of the bin of a share."""
    return np.minimum((score * BINS).astype(np.int64), BINS - 1)


def fit_shape(
    points: Float[np.ndarray, "T G 2"], score: Float[np.ndarray, "T G"], clip: Int[np.ndarray, " T"]
) -> Shape:
    """Places and views in turn, each by least squares given the other; then variances, by how much of a point shows.

    Views change no faster than the points that show do; a covered point has heavy tails.
    """
    bins = shown_share(score)
    accel = typical_acceleration(points, bins, clip)
    weight = np.maximum(score, 1.0 / 64) ** 2
    places = first_places(points, weight)
    for _ in range(ROUNDS):
        size = float(np.sqrt((places[:, :2] ** 2).mean(0).max()))
        views = fit_views(points, weight, places, clip, accel * np.array([1.0 / size, 1.0 / size, 1.0]))
        views, places = with_unit_views(views, places)
        for g in range(len(places)):
            places[g, :2] = least_squares(views[:, :2], points[:, g] - views[:, 2], weight[:, g])
        square = ((points - np.einsum("ga,tad->tgd", places, views)) ** 2).mean(-1)
        own, fitted = variances(square, bins)
        weight = 1.0 / (own + fitted)
        weight *= (FREEDOM + 2.0) / (FREEDOM + 2.0 * square * weight)
    return Shape(places, views, own, fitted)


def typical_acceleration(
    points: Float[np.ndarray, "T G 2"], bins: Int[np.ndarray, "T G"], clip: Int[np.ndarray, " T"]
) -> float:
    """Standard deviation of independent second differences that add up to what points that show do over `LAG` frames.

    That is 2/3 LAG^3 times their variance; from frame to frame the noise of the fit would be most of it.
    """
    bend = points[2 * LAG :] - 2 * points[LAG:-LAG] + points[: -2 * LAG]
    ends = np.minimum(bins[2 * LAG :], bins[: -2 * LAG])
    inner = (clip[2 * LAG :] == clip[: -2 * LAG])[:, None] & (np.minimum(ends, bins[LAG:-LAG]) == BINS - 1)
    if not inner.any():
        return LEAST_NOISE
    return max(0.01 * LEAST_NOISE, float(np.median(np.abs(bend[inner])) / TYPICAL / np.sqrt(2 / 3 * LAG**3)))


def first_places(points: Float[np.ndarray, "T G 2"], weight: Float[np.ndarray, "T G"]) -> Float[np.ndarray, "G 3"]:
    """Places by the singular values of the weighted points about their middle."""
    middle = (weight[..., None] * points).sum(1) / weight.sum(1)[:, None]
    apart = (points - middle[:, None]) * np.sqrt(weight / weight.mean())[..., None]
    _, size, axes = np.linalg.svd(apart.transpose(0, 2, 1).reshape(-1, points.shape[1]), full_matrices=False)
    return np.concatenate([axes[:2].T * size[:2] / np.sqrt(2 * len(points)), np.ones((points.shape[1], 1))], 1)


def fit_views(
    points: Float[np.ndarray, "T G 2"],
    weight: Float[np.ndarray, "T G"],
    places: Float[np.ndarray, "G 3"],
    clip: Int[np.ndarray, " T"],
    accel: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "T 3 2"]:
    """The likeliest views: the two axes of the part of unit size a priori, second differences of size `accel`."""
    views = np.zeros((len(points), 3, 2))
    normal = np.einsum("tg,ga,gb->tab", weight, places, places) + np.diag([1.0, 1.0, 1e-6])
    right = np.einsum("tg,ga,tgd->tad", weight, places, points)
    for name in np.unique(clip):
        rows = np.flatnonzero(clip == name)
        num = len(rows)
        band = np.zeros((7, num, 3))  # band[d, t, a]: row 3 t + a + d, column 3 t + a
        for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
            band[b - a, :, a] = normal[rows, a, b]
        for ahead, factors in ((0, (1.0, 4.0, 1.0)), (1, (-2.0, -2.0)), (2, (1.0,))):
            for later, factor in enumerate(factors):
                band[3 * ahead, later : later + max(0, num - 2)] += factor / accel**2
        views[rows] = solveh_banded(band.reshape(7, -1), right[rows].reshape(-1, 2), lower=True).reshape(-1, 3, 2)
    return views


def with_unit_views(
    views: Float[np.ndarray, "T 3 2"], places: Float[np.ndarray, "G 3"]
) -> tuple[Float[np.ndarray, "T 3 2"], Float[np.ndarray, "G 3"]]:
    """The same points, the two axes of the part uncorrelated and of unit size over all frames."""
    spread = np.einsum("tad,tbd->ab", views[:, :2], views[:, :2]) / (2 * len(views))
    root = np.linalg.cholesky(spread + 1e-9 * np.eye(2))  # a part whose points lie on a line has one axis
    views, places = views.copy(), places.copy()
    views[:, :2] = np.einsum("ab,tbd->tad", np.linalg.inv(root), views[:, :2])
    places[:, :2] = places[:, :2] @ root
    return views, places


def least_squares(
    axes: Float[np.ndarray, "T 2 2"], arm: Float[np.ndarray, "T 2"], weight: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " 2"]:
    """The place [u, v] whose views are nearest to `arm`."""
    normal = np.einsum("t,tad,tbd->ab", weight, axes, axes) + 1e-6 * np.eye(2)
    return np.linalg.solve(normal, np.einsum("t,tad,td->a", weight, axes, arm))


def variances(
    square: Float[np.ndarray, "T G"], bins: Int[np.ndarray, "T G"]
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "T G"]]:
    """Variance of every point where it shows, and how much more it has by the share of it that shows."""
    shown = bins == BINS - 1
    medians = [np.median(s[b]) if b.any() else np.nan for s, b in zip(square.T, shown.T, strict=True)]
    own = np.array(medians) / TYPICAL_SQUARE
    own = np.maximum(np.nan_to_num(own, nan=np.nanmax(own) if shown.any() else LEAST_NOISE**2), 0.2 * LEAST_NOISE**2)
    more = np.maximum(square - own, 0.0)
    by_bin = np.array([more[bins == b].mean() if (bins == b).any() else 0.0 for b in range(BINS)])
    by_bin = np.maximum.accumulate(np.maximum(by_bin[::-1], LEAST_NOISE**2))[::-1]
    return own, by_bin[bins]
