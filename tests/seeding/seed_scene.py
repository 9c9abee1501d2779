"""A small store of a built-in figure, and how far keypoints are from its joints."""

from pathlib import Path

import numpy as np

from articulate.data.store import ClipStore, StoreWriter
from articulate.data.synthetic.clips import generate_clips
from articulate.data.synthetic.options import SyntheticOptions


def make_store(path: Path, **options) -> ClipStore:
    """Clips of `options` with masks and truth."""
    chosen = SyntheticOptions(**{"num_clips": 2, "num_frames": 40, "fps": 10, **options})
    with StoreWriter(path, recipe="synthetic", options=chosen.model_dump(), image_size=chosen.size) as store:
        for clip in generate_clips(chosen):
            length, side = len(clip.frames), chosen.size
            with store.clip(clip.name, fps=clip.fps, source="", source_size=(side, side), with_mask=True) as writer:
                valid, place = np.ones(length, dtype=bool), np.tile([1.0, 0.0, 0.0], (length, 1))
                writer.append(clip.frames, np.arange(length), valid, place, clip.mask)
                writer.background(clip.background)
                writer.truth(clip.truth)
    return ClipStore.open(path)
