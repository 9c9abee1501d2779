"""Seeds from silhouettes alone: for bodies whose limbs differ in nothing but their place."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float

from articulate.data.store import ClipStore
from articulate.seeding.appearance import frame_rows
from articulate.seeding.puppet.config import PuppetConfig
from articulate.seeding.puppet.model import Puppet
from articulate.seeding.puppet.outline import Outline, read_outline
from articulate.seeding.puppet.polish import polish
from articulate.seeding.puppet.search import search_puppet
from articulate.seeding.puppet.sides import settle_sides
from articulate.seeding.seeds import HIDDEN_SCORE, Seeds

NEAR = 1.0  # pixels that a limb may miss a pixel by, and still explain it


def puppet_seeds(
    store: ClipStore,
    num_keypoints: int,
    config: PuppetConfig,
    seed: int,
    say: Callable[[str], None],
) -> Seeds | None:
    """Keypoints and tree from the silhouettes; None, with the reason said, where they show no limbs.

    Left and right are kept apart within a clip by the order in time; between clips nothing but the pose tells them.
    Deterministic; `seed` is kept for strategies that draw. Reads masks only.
    """
    del seed
    if not store.has_masks:
        say("puppet seeds: none (the store has no foreground masks)")
        return None
    rows, clip, frame = frame_rows(store)
    if len(rows) < 8:
        say(f"puppet seeds: none (only {len(rows)} frames show a body)")
        return None
    block = -(-store.image_size // config.work_size)
    mask = np.stack([reduced_mask(store, int(n), int(t), block) for n, t in zip(clip, frame, strict=True)])
    clips = [[read_outline(m) for m in mask[clip == n]] for n in np.unique(clip)]
    found = search_puppet(clips, num_keypoints, config)
    if isinstance(found, str):
        say(f"puppet seeds: none ({found})")
        return None
    puppet, poses = found[0], np.concatenate([settle_sides(found[0], part) for part in found[1]])
    outlines = [outline for one in clips for outline in one]
    covered, within = fit_shares(puppet, poses, outlines)
    explained, inside = float(covered.mean()), float(within.mean())
    if explained < config.least_explained:
        say(f"puppet seeds: none (the best puppet explains {100 * explained:.0f} % of the body)")
        return None
    poses = polish(puppet, poses, mask, clip)
    xy = np.full((store.num_frames, puppet.num_points, 2), np.nan)
    scores = np.zeros(xy.shape[:2])
    xy[rows] = image_frame(poses, block, store.image_size)
    scores[rows] = np.maximum((covered * within) ** 2, HIDDEN_SCORE)[:, None]
    # Where limbs lie over each other a silhouette is explained by wrong poses too: never as sure as colours are.
    confidence = 0.7 * explained * inside
    reason = (
        f"puppet of {puppet.num_points} keypoints in silhouettes; {100 * explained:.0f} % of the body explained, "
        f"{100 * inside:.0f} % of its limbs within, confidence {confidence:.2f}; left and right may differ by clip"
    )
    return Seeds(
        xy=torch.from_numpy(xy).float(),
        score=torch.from_numpy(scores).float(),
        edges=torch.from_numpy(puppet.edges),
        confidence=confidence,
        reason=reason,
    )


def reduced_mask(store: ClipStore, clip: int, frame: int, block: int) -> Float[np.ndarray, "S S"]:
    """Soft mask (0 to 1) of one frame, reduced by averaging blocks of pixels."""
    masks = store.masks(clip)
    assert masks is not None
    mask = masks[frame].astype(np.float32) / 255.0
    if block == 1:
        return mask
    whole = np.pad(mask, (0, -len(mask) % block))
    side = len(whole) // block
    return whole.reshape(side, block, side, block).mean((1, 3))


def image_frame(poses: Float[np.ndarray, "T K 2"], block: int, size: int) -> Float[np.ndarray, "T K 2"]:
    """From reduced pixels to [-1, 1] over the stored frame."""
    return (poses + 0.5) * block * 2.0 / size - 1.0


def fit_shares(
    puppet: Puppet, poses: Float[np.ndarray, "T K 2"], outlines: list[Outline]
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Share of the body's pixels near a limb, and share of the limbs' length within the body, in every frame."""
    covered, within = np.zeros(len(poses)), np.zeros(len(poses))
    at = (np.arange(9) + 0.5) / 9
    for t, (pose, outline) in enumerate(zip(poses, outlines, strict=True)):
        a, b = pose[puppet.edges[:, 0]], pose[puppet.edges[:, 1]]
        covered[t] = near_limbs(outline.pixels, a, b, puppet.radii + NEAR).mean() if len(outline.pixels) else 0.0
        places = a[:, None] + at[:, None] * (b - a)[:, None]
        column, row = np.clip(np.rint(places), 0, len(outline.depth) - 1).astype(np.int64).transpose(2, 0, 1)
        weight = np.linalg.norm(b - a, axis=1) + 1e-6
        within[t] = float(((outline.depth[row, column] > -NEAR).mean(1) * weight).sum() / weight.sum())
    return covered, within


def near_limbs(
    pixels: Float[np.ndarray, "N 2"],
    a: Float[np.ndarray, "L 2"],
    b: Float[np.ndarray, "L 2"],
    reach: Float[np.ndarray, " L"],
) -> Bool[np.ndarray, " N"]:
    """Whether a pixel is within reach of any limb's axis."""
    along = b - a
    squared = np.maximum((along**2).sum(-1), 1e-9)  # a limb seen end on is a dot
    foot = np.clip(((pixels[:, None] - a) * along).sum(-1) / squared, 0.0, 1.0)
    apart = np.linalg.norm(pixels[:, None] - a - foot[..., None] * along, axis=-1)
    return (apart <= reach).any(1)
