"""`Result`: round trip, pixels of the original video, several clips, messages."""

import dataclasses
import json

import pytest
import torch

from articulate.errors import ConfigError, DataError
from articulate.result import Result


def test_round_trip(result, tmp_path):
    result.save(tmp_path)
    again = Result.load(tmp_path)
    assert torch.equal(again.xy, result.xy) and torch.equal(again.xyz, result.xyz)
    assert again.names == result.names and again.clips == result.clips and again.store == result.store
    assert torch.equal(again.skeleton.edges, result.skeleton.edges) and again.provenance == result.provenance
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "articulation.npz", "clips.json", "motion.npz", "provenance.json", "skeleton.npz", "source_from_store.npz",
        "tracks.npz",
    ]  # fmt: skip


def test_without_lifting(result, tmp_path):
    flat = dataclasses.replace(result, motion=None, articulation=None)
    flat.save(tmp_path)
    again = Result.load(tmp_path)
    assert again.xyz is None and again.names[3] == "keypoint_03"


def test_pixels_are_those_of_the_original_video(result):
    """Row 42 is frame 2 of the second clip: scale 2, crop at (12, 6); image (0, 0) is the middle of 48 pixels."""
    middle = dataclasses.replace(
        result, tracks=dataclasses.replace(result.tracks, xy=torch.zeros_like(result.tracks.xy))
    )
    # Store pixel 23.5 -> 2 * 24 - 0.5 + 12 = 59.5 and 53.5.
    assert middle.xy[42, 0].tolist() == [59.5, 53.5]


def test_rows_of_a_clip(result):
    assert result.rows(1).tolist() == list(range(40, 80)) and result.frame[40].item() == 3


def test_messages(result, tmp_path):
    with pytest.raises(ConfigError, match="unknown format `dcl`; known: skeleton"):
        result.to("dcl", tmp_path / "x")
    with pytest.raises(DataError, match="no such run folder"):
        Result.load(tmp_path / "absent")
    result.save(tmp_path)
    about = json.loads((tmp_path / "clips.json").read_text())
    (tmp_path / "clips.json").write_text(json.dumps(about | {"schema": 9}))
    with pytest.raises(DataError, match="schema 9"):
        Result.load(tmp_path)
    (tmp_path / "clips.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Result.load(tmp_path)
