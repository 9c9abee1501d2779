"""What the frames of a store say about the parts of the body: colours, labels, contacts, ends."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from articulate.data.store import ClipStore
from articulate.seeding.capsule_fit import Evidence
from articulate.seeding.config import SeedConfig
from articulate.seeding.parts.colour import (
    UNSURE,
    chromaticity,
    find_colour_parts,
    foreground_colours,
    label_pixels,
)
from articulate.seeding.parts.contacts import Contacts, fill_unsure, find_contacts, shown
from articulate.seeding.parts.ends import Moments, fill_gaps, oriented_axes, part_ends, part_moments
from articulate.seeding.parts.merge import shades_of_one
from articulate.seeding.parts.mixtures import drop_mixtures
from articulate.seeding.parts.strays import drop_strays

INSIDE = 140  # a pixel of which little more than half is body still shows the body's colour
CHUNK = 64


@dataclass(frozen=True)
class Appearance:
    """Everything by frame of the store that has a body (`rows`: its number in the store), and part."""

    rows: Int[np.ndarray, " T"]
    evidence: Evidence
    contacts: Contacts
    moments: Moments
    visible: Bool[np.ndarray, "T P"]
    ends: Float[np.ndarray, "T P 2 2"]
    explained: float

    @property
    def num_parts(self) -> int:
        """P."""
        return self.visible.shape[1]


def frame_rows(store: ClipStore) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
    """Store row, clip and frame in its clip of every frame that could be decoded and whose mask is not empty."""
    rows, clips, frames = [], [], []
    start = 0
    for i, clip in enumerate(store.clips):
        masks = store.masks(i)
        assert masks is not None
        valid = store.valid(i)
        for t in range(clip.num_frames):
            if valid[t] and (masks[t] > INSIDE).any():
                rows.append(start + t)
                clips.append(i)
                frames.append(t)
        start += clip.num_frames
    return np.array(rows, np.int64), np.array(clips, np.int64), np.array(frames, np.int64)


def read_frames(store: ClipStore, clips: Int[np.ndarray, " N"], frames: Int[np.ndarray, " N"]):
    """RGB and masks of single frames."""
    rgb = np.stack([store.frames(int(c))[int(t)] for c, t in zip(clips, frames, strict=True)])
    masks = np.stack([store.masks(int(c))[int(t)] for c, t in zip(clips, frames, strict=True)])  # type: ignore[index]
    return rgb, masks


def read_appearance(store: ClipStore, config: SeedConfig) -> Appearance | str:
    """Parts by colour and all that is measured of them; a sentence instead where the body has no parts of its own."""
    if not store.has_masks:
        return "the store has no foreground masks"
    rows, clip, frame = frame_rows(store)
    if len(rows) < 8:
        return f"only {len(rows)} frames show a body"
    some = np.unique(np.linspace(0, len(rows) - 1, min(config.sample_frames, len(rows))).astype(np.int64))
    rgb, masks = read_frames(store, clip[some], frame[some])
    chroma = chromaticity(foreground_colours(rgb, masks)).astype(np.float32)
    parts = find_colour_parts(chroma, masks > INSIDE, config.least_share)
    if len(parts.centres) < config.least_parts:
        return f"the body has {len(parts.centres)} distinct colours, at least {config.least_parts} are needed"
    labels, mask = [], []
    for start in range(0, len(rows), CHUNK):
        rgb, masks = read_frames(store, clip[start : start + CHUNK], frame[start : start + CHUNK])
        chroma = chromaticity(foreground_colours(rgb, masks)).astype(np.float32)
        labels.append(label_pixels(parts, chroma, masks > INSIDE))
        drop_mixtures(labels[-1], chroma, parts)
        mask.append(masks.astype(np.float32) / 255.0)
    evidence = Evidence(np.concatenate(labels), np.concatenate(mask), clip)
    drop_strays(evidence.labels, clip, len(parts.centres))
    explained = 1.0 - float((evidence.labels == UNSURE).sum() / max(1, (evidence.mask > INSIDE / 255.0).sum()))
    if explained < config.least_explained:
        return f"only {100 * explained:.0f} % of the body show one of its {len(parts.centres)} colours"
    found = measure(rows, evidence, len(parts.centres), explained)
    shade = shades_of_one(parts.centres, found.contacts, found.moments)
    if shade.max() + 1 == found.num_parts:
        return found
    labels_of_limbs = np.where(evidence.labels >= 0, shade[evidence.labels], evidence.labels)
    return measure(rows, replace(evidence, labels=labels_of_limbs), int(shade.max()) + 1, explained)


def measure(rows: Int[np.ndarray, " T"], evidence: Evidence, num_parts: int, explained: float) -> Appearance:
    """Contacts, moments and ends of the labelled parts."""
    filled = fill_unsure(evidence.labels)
    contacts = find_contacts(filled, num_parts)
    visible = shown(contacts)
    moments = part_moments(filled, num_parts, visible)
    ends = part_ends(moments, contacts, oriented_axes(moments, contacts, evidence.clip))
    flat = fill_gaps(ends.reshape(len(ends), -1, 2), evidence.clip)
    return Appearance(rows, evidence, contacts, moments, visible, flat.reshape(ends.shape), explained)
