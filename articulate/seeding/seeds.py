"""First guesses of keypoints and tree for a whole clip store, from frames and masks alone and without training."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.records import DepthOrder
from articulate.seeding.appearance import Appearance, read_appearance
from articulate.seeding.budget import contract_shortest, split_longest
from articulate.seeding.capsule_fit import Figure, FitSettings, evaluate, fit_figure
from articulate.seeding.config import SeedConfig
from articulate.seeding.depth_order import find_depth_order
from articulate.seeding.parts.contacts import visible_share
from articulate.seeding.parts.figure import PartFigure, decide_figure
from articulate.seeding.parts.hubs import with_fewer_points
from articulate.seeding.parts.rigid import keep_on_hubs
from articulate.seeding.spells import mend_spells

HIDDEN_SCORE = 0.05
# Share of the price for reaching over other parts that is left when the last fit ends: joints then lie where covered
# limbs would meet, not where they cease to show. Some of it must stay, or limbs that never show drift.
RELEASE = 0.04
KEPT_LENGTH = 0.5  # a fit hardly shortens what was measured from a part's own pixels, unless it fails


@dataclass(frozen=True)
class Seeds:
    """Keypoints of all frames of a store in order (image frame), how well each is seen (0 to 1), limbs between them.

    `xy` is NaN only in frames without a body; a hidden keypoint is interpolated and has a score of at most 0.05.
    `confidence` in [0, 1]: share of the body that has one of its colours, times how well the capsules cover it.
    `order` names the limbs that cover others, where the strategy can tell.
    """

    xy: Float[Tensor, "N K 2"]
    score: Float[Tensor, "N K"]
    edges: Int[Tensor, "L 2"]
    confidence: float
    reason: str
    order: DepthOrder | None = None


def find_seeds(
    store: ClipStore,
    num_keypoints: int,
    config: SeedConfig,
    seed: int,
    say: Callable[[str], None],
) -> Seeds | None:
    """Keypoints and tree from parts of different colour; None, with the reason said, where there are none.

    At most `num_keypoints` keypoints come back: too many are joined over the shortest limbs; for too few see
    `SeedConfig.when_fewer`. Deterministic; `seed` is kept for strategies that draw. Reads frames and masks only.
    """
    del seed
    if config.strategy == "none":
        return None
    found = read_appearance(store, config)
    if isinstance(found, str):
        say(f"seeds by colour: none ({found})")
        return None
    decided = decide_figure(found, num_keypoints, config)
    if isinstance(decided, str):
        say(f"seeds by colour: none ({decided})")
        return None
    return finish_seeds(store, found, decided, num_keypoints, config)


def finish_seeds(
    store: ClipStore,
    found: Appearance,
    decided: PartFigure,
    num_keypoints: int,
    config: SeedConfig,
) -> Seeds:
    """The decided figure fitted to all frames, within the number of keypoints, in the image frame."""
    settings = FitSettings(steps=config.steps, release=RELEASE)
    spare = len(decided.hubs) + len(decided.heels)
    figure = contract_shortest(decided.figure_of_all_frames(found), num_keypoints + spare)
    fitted = mend_spells(fit_figure(figure, found.evidence, settings), found.evidence, settings)
    figure = with_lengths_of(figure, fitted)
    loss, _, _ = evaluate(figure, found.evidence, settings.softness[1], settings.foreign)
    misfit = float(loss.sum() / max(1.0, found.evidence.mask.sum()))
    confidence = found.explained * float(np.exp(-2.0 * misfit))
    score = keypoint_scores(figure, found)
    order = find_depth_order(figure, found.evidence, found.rows, store.image_size)
    figure, score, order = with_fewer_points(figure, score, order, decided.hubs, decided.heels)
    figure, score, order = keep_on_hubs(figure, score, order, found.evidence.clip)
    if config.when_fewer == "split":
        figure, score = split_longest(figure, score, num_keypoints)
    size = store.image_size
    xy = np.full((store.num_frames, figure.points.shape[1], 2), np.nan)
    scores = np.zeros(xy.shape[:2])
    xy[found.rows] = (figure.points + 0.5) * 2.0 / size - 1.0
    scores[found.rows] = score
    reason = (
        f"{decided.num_parts} parts by colour, {len(decided.links)} hidden limbs, "
        f"{figure.points.shape[1]} keypoints of {num_keypoints}; "
        f"{100 * found.explained:.0f} % of the body explained, misfit {misfit:.3f} of its area, "
        f"confidence {confidence:.2f}"
    )
    return Seeds(
        xy=torch.from_numpy(xy).float(),
        score=torch.from_numpy(scores).float(),
        edges=torch.from_numpy(figure.edges[figure.edges[:, 0] != figure.edges[:, 1]].astype(np.int64)),
        confidence=confidence,
        reason=reason,
        order=order,
    )


def with_lengths_of(measured: Figure, fitted: Figure) -> Figure:
    """The fitted figure, but parts that shrank to less than half their length have their own ends as measured.

    A limb of a pixel's width, half of whose pixels have no colour, is covered as well by a stub that points anywhere.
    Ends that such a part shares with others stay where the others were fitted.
    """
    own = fitted.parts >= 0
    before, after = (
        np.median(np.linalg.norm(np.diff(one.points[:, one.edges], axis=2)[:, :, 0], axis=-1), axis=0)
        for one in (measured, fitted)
    )
    shrunk = own & (after < KEPT_LENGTH * before)
    alone = np.setdiff1d(fitted.edges[shrunk], fitted.edges[own & ~shrunk])
    points = fitted.points.copy()
    points[:, alone] = measured.points[:, alone]
    return replace(fitted, points=points)


def keypoint_scores(figure: Figure, found: Appearance) -> Float[np.ndarray, "T K"]:
    """How much of the best seen limb at a keypoint shows, as a share of what it usually shows."""
    share = visible_share(found.contacts)
    score = np.full(figure.points.shape[:2], HIDDEN_SCORE)
    for (a, b), part in zip(figure.edges, figure.parts, strict=True):
        if part >= 0:
            for k in (a, b):
                score[:, k] = np.maximum(score[:, k], share[:, part])
    return score
