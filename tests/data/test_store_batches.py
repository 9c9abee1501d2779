"""Batches of a store: a function of (seed, step) alone, every window once per epoch, no window over a gap."""

import numpy as np
import pytest
import torch

from articulate.data.frames import FrameBatches, iterate, windows
from articulate.data.store import ClipStore, StoreWriter
from articulate.errors import DataError


def make(path, ordered=True, step=1) -> ClipStore:
    """Two clips of 10 and 5 frames whose pixels tell clip and position; position 6 of the first is undecodable."""
    with StoreWriter(path, recipe="test", options={}, image_size=4) as writer:
        for c, length in enumerate((10, 5)):
            with writer.clip(f"c{c}", fps=25, source="v", source_size=(4, 4), with_mask=True, ordered=ordered) as clip:
                frames = np.zeros((length, 4, 4, 3), np.uint8)
                frames[..., 0], frames[..., 1] = c * 100, np.arange(length)[:, None, None] * 10
                valid = np.ones(length, bool)
                valid[6:7] = length == 5
                mask = np.full((length, 4, 4), 255, np.uint8)
                clip.append(frames, np.arange(length) * step, valid, np.ones((length, 3)), mask)
    return ClipStore.open(path)


def test_a_batch_depends_on_seed_and_step_alone(tmp_path):
    store = make(tmp_path / "s")
    first, second = FrameBatches(store, 4, seed=1), FrameBatches(store, 4, seed=1)
    steps = list(range(9))
    wanted = [first.batch(step) for step in steps]
    for step in reversed(steps):
        again = second.batch(step)
        assert torch.equal(again.frames, wanted[step].frames)
        assert torch.equal(again.index.frame, wanted[step].index.frame)
    other = FrameBatches(store, 4, seed=2)
    assert any(not torch.equal(other.batch(step).frames, wanted[step].frames) for step in steps)
    assert torch.equal(first[3].frames, wanted[3].frames)


def test_an_epoch_holds_every_good_frame_once(tmp_path):
    batches = FrameBatches(make(tmp_path / "s"), 7, seed=0)
    assert len(batches) == 2  # 9 + 5 good frames
    seen = [
        (int(c), int(f))
        for b in (batches.batch(0), batches.batch(1))
        for c, f in zip(b.index.clip, b.index.frame, strict=True)
    ]
    assert sorted(seen) == [(0, i) for i in range(10) if i != 6] + [(1, i) for i in range(5)]


@pytest.mark.parametrize("step", [1, 3])
def test_windows_are_consecutive_and_hold_the_right_pixels(tmp_path, step):
    store = make(tmp_path / "s", step=step)
    assert windows(store, 3, 1).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 7], [1, 0], [1, 1], [1, 2]]
    assert windows(store, 2, 3).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]]
    clips = FrameBatches(store, 5, clip_length=2, stride=3).batch(0)
    assert clips.frames.shape == (5, 2, 3, 4, 4) and clips.frames.dtype == torch.float32
    assert torch.equal(clips.index.frame[:, 1] - clips.index.frame[:, 0], torch.full((5,), 3 * step))
    red, green = clips.frames[:, :, 0, 0, 0] * 255, clips.frames[:, :, 1, 0, 0] * 255
    assert torch.equal(red.round().long(), clips.index.clip * 100)
    assert torch.equal(green.round().long(), clips.index.frame // step * 10)
    assert torch.equal(clips.mask, torch.ones(5, 2, 1, 4, 4))


def test_impossible_windows(tmp_path):
    store = make(tmp_path / "s")
    with pytest.raises(DataError, match="no window of 8 frames.*longest clip has 9"):
        FrameBatches(store, 2, clip_length=8)
    with pytest.raises(DataError, match="unordered images"):
        FrameBatches(make(tmp_path / "t", ordered=False), 2, clip_length=2)


def test_iterate_gives_every_frame_in_order(tmp_path):
    store = make(tmp_path / "s")
    chunks = list(iterate(store, 4))
    assert [chunk.frames.shape[1] for chunk in chunks] == [4, 4, 2, 4, 1]
    places = torch.cat([torch.stack([c.index.clip[0], c.index.frame[0]], 1) for c in chunks]).tolist()
    assert places == [[0, i] for i in range(10)] + [[1, i] for i in range(5)]
    undecodable = torch.cat([c.frames[0].isnan().flatten(1).all(1) for c in chunks])
    assert undecodable.nonzero().flatten().tolist() == [6]
    assert not torch.cat([c.frames[0] for c in chunks])[~undecodable].isnan().any()
