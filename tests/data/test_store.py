"""The clip store: what is written is read back, in bounded memory, and nothing that was there is lost."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from articulate.data.npy_stream import NpyStream
from articulate.data.store import ClipStore, StoreWriter, store_matches
from articulate.errors import DataError


def fill(
    path: Path, options: dict | None = None, seed: int = 0, recipe: str = "test", fail_at: int | None = None
) -> None:
    """Write a store of two clips (5 frames with masks, 3 without)."""
    rng = np.random.default_rng(seed)
    with StoreWriter(path, recipe=recipe, options=options or {"size": 8}, image_size=8) as writer:
        with writer.clip("a", fps=25, source="a.mp4", source_size=(20, 10), with_mask=True) as clip:
            for start in (0, 2):
                n = 2 if start == 0 else 3
                frames = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
                mask = rng.integers(0, 256, (n, 8, 8), dtype=np.uint8)
                index = np.arange(start, start + n) * 2
                clip.append(frames, index, index != 6, np.tile([2.0, 1.0, 3.0], (n, 1)), mask)
                if fail_at == start:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            clip.truth({"joints": np.ones((5, 2))})
            clip.background(np.full((10, 20, 3), 7, np.uint8))
            clip.warn("the camera moves")
        with writer.clip("b", fps=30, source="b.mp4", source_size=(8, 8)) as clip:
            clip.append(np.zeros((3, 8, 8, 3), np.uint8), np.arange(3), np.ones(3, bool), np.zeros((3, 3)))


def test_round_trip(tmp_path):
    fill(tmp_path / "s")
    store = ClipStore.open(tmp_path / "s")
    assert [c.name for c in store.clips] == ["a", "b"] and store.num_frames == 8 and store.image_size == 8
    assert isinstance(store.frames(0), np.memmap)
    expected = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(store.frames(0)[:2], expected)
    np.testing.assert_array_equal(store.frame_index(0), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(store.valid(0), [True, True, True, False, True])
    np.testing.assert_array_equal(store.source_from_store(0)[4], [2, 1, 3])
    assert store.masks(0).shape == (5, 8, 8) and store.masks(1) is None and not store.has_masks
    assert store.background(0).shape == (10, 20, 3) and store.background(1) is None
    assert store.clips[0].undecodable == 1 and store.clips[0].source_size == (20, 10)
    assert store.warnings == ["a: the camera moves"] and store.clips[0].has_truth and not store.clips[1].has_truth
    assert store_matches(tmp_path / "s", "test", {"size": 8}) and not store_matches(tmp_path / "s", "test", {"size": 9})


def test_fingerprint_follows_the_pixels(tmp_path):
    for name, seed in (("s", 0), ("t", 0), ("u", 1)):
        fill(tmp_path / name, seed=seed)
    first, same, other = (ClipStore.open(tmp_path / name).fingerprint for name in "stu")
    assert first == same != other


def test_same_recipe_replaces_and_another_is_refused(tmp_path):
    fill(tmp_path / "s")
    before = ClipStore.open(tmp_path / "s").fingerprint
    fill(tmp_path / "s", seed=3)
    assert ClipStore.open(tmp_path / "s").fingerprint != before
    with pytest.raises(DataError, match="other options; nothing was changed"):
        fill(tmp_path / "s", options={"size": 9})
    with pytest.raises(DataError, match="recipe `test`"):
        fill(tmp_path / "s", recipe="another")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="is no clip store"):
        fill(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("seed", [0, 4])
def test_failure_midway_keeps_what_was_there(tmp_path, seed):
    fill(tmp_path / "s")
    before = ClipStore.open(tmp_path / "s").fingerprint
    with pytest.raises(OSError, match="No space"):
        fill(tmp_path / "s", seed=seed, fail_at=2)
    assert ClipStore.open(tmp_path / "s").fingerprint == before
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("existing", [True, False])
def test_full_disk_is_one_message(tmp_path, monkeypatch, existing):
    if existing:
        fill(tmp_path / "s")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    append = NpyStream.append

    def full(self, rows):
        if self.num_rows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, rows)

    monkeypatch.setattr(NpyStream, "append", full)
    with pytest.raises(DataError, match="the disk is full. Nothing was changed"):
        fill(tmp_path / "s", seed=1)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_full_disk_at_close(tmp_path, monkeypatch):
    def full(self):
        self.file.close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(NpyStream, "close", full)
    with pytest.raises(DataError, match="the disk is full"):
        fill(tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_missing_store_says_which_command_makes_it(tmp_path):
    with pytest.raises(DataError, match=r"python datasets/video_folder.py --out .*nowhere"):
        ClipStore.open(tmp_path / "nowhere")


def test_damaged_store(tmp_path):
    fill(tmp_path / "s")
    frames = tmp_path / "s" / "clips" / "a" / "frames.npy"
    whole = frames.read_bytes()
    frames.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="frames.npy: the store is damaged"):
        ClipStore.open(tmp_path / "s")
    frames.write_bytes(whole)
    manifest = tmp_path / "s" / "store.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"schema_version": 99}))
    with pytest.raises(DataError, match="schema version 99"):
        ClipStore.open(tmp_path / "s")
    del content["clips"][0]["fps"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(DataError, match="fps"):
        ClipStore.open(tmp_path / "s")
    manifest.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        ClipStore.open(tmp_path / "s")


def test_clip_without_frames_and_store_without_clips(tmp_path):
    with (
        pytest.raises(DataError, match="no frame could be read"),
        StoreWriter(tmp_path / "s", recipe="test", options={}, image_size=8) as writer,
        writer.clip("a", fps=1, source="empty.mp4", source_size=(1, 1)),
    ):
        pass
    with (
        pytest.raises(DataError, match="gave no clip"),
        StoreWriter(tmp_path / "s", recipe="test", options={}, image_size=8),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_names_are_made_unique_and_safe(tmp_path):
    with StoreWriter(tmp_path / "s", recipe="test", options={}, image_size=4) as writer:
        for name in ("fly 1", "fly 1", "../x"):
            with writer.clip(name, fps=1, source="v", source_size=(4, 4)) as clip:
                clip.append(np.zeros((1, 4, 4, 3), np.uint8), np.arange(1), np.ones(1, bool), np.zeros((1, 3)))
    assert [c.name for c in ClipStore.open(tmp_path / "s").clips] == ["fly_1", "fly_1-2", "_x"]


def test_unfinished_stores_of_dead_processes_are_removed(tmp_path):
    (tmp_path / ".s.partial-999999999").mkdir()
    fill(tmp_path / "s")
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
