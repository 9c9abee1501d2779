"""Seeds of a whole store: joints and tree of a built-in figure without training; silence where there are no parts."""

import numpy as np
import pytest
import torch
from seed_scene import make_store

from articulate.config import validate
from articulate.errors import ConfigError
from articulate.evaluation.keypoints import match_keypoints, on_joint_scores
from articulate.evaluation.tree import edge_scores, map_edges
from articulate.evaluation.truth import load_truth
from articulate.seeding import SeedConfig, find_seeds
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.tree import Connection, keypoints_of_ends
from articulate.seeding.seeds import with_lengths_of

QUICK = SeedConfig(decide_steps=40, steps=40)


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("seeds") / "arm", family="arm", look="sticks", cue="colours")


@pytest.fixture(scope="module")
def found(arm):
    return find_seeds(arm, 7, QUICK, 0, lambda text: None)


def test_joints_and_tree_of_an_arm(arm, found):
    truths = [load_truth(arm.truth_path(i)) for i in range(len(arm.clips))]
    xy, visible = (torch.cat([getattr(t, name) for t in truths]) for name in ("xy", "visible"))
    match = match_keypoints(found.xy, xy, visible)
    scores = on_joint_scores(found.xy, xy, visible, match)
    assert scores["unmatched"] == 0 and scores["error_body"] < 3.0
    assert edge_scores(map_edges(found.edges, match), truths[0].edges)["exact"] == 1.0


def test_records_are_whole_and_repeat(arm, found):
    assert found.xy.shape == (arm.num_frames, 7, 2) and found.xy.isfinite().all()
    assert found.score.shape == (arm.num_frames, 7) and found.score.min() >= 0 and found.score.max() <= 1
    assert 0 < found.confidence <= 1 and "6 parts by colour" in found.reason
    again = find_seeds(arm, 7, QUICK, 0, lambda text: None)
    assert torch.equal(again.xy, found.xy) and torch.equal(again.edges, found.edges)


def test_an_upper_bound_is_kept_and_room_is_filled_on_request(arm, found):
    few = find_seeds(arm, 5, SeedConfig(decide_steps=30, steps=5), 0, lambda text: None)
    assert few.xy.shape[1] == 5 and len(few.edges) == 4
    kept = find_seeds(arm, 9, SeedConfig(decide_steps=30, steps=5, hidden_limb=1e6), 0, lambda text: None)
    assert kept.xy.shape[1] == 7
    split = SeedConfig(decide_steps=30, steps=5, hidden_limb=1e6, when_fewer="split")
    assert find_seeds(arm, 9, split, 0, lambda text: None).xy.shape[1] == 9


def test_a_body_of_one_colour_has_no_seeds_and_says_why(tmp_path):
    store = make_store(tmp_path / "white", family="arm", look="sticks", cue="none", num_clips=1, num_frames=12)
    said = []
    assert find_seeds(store, 7, SeedConfig(), 0, said.append) is None
    assert len(said) == 1 and "distinct colours" in said[0]


def test_ends_that_meet_are_one_keypoint():
    chain = [Connection((0, 1), (1, 0), 0.1), Connection((1, 1), (2, 0), 0.1)]
    index = keypoints_of_ends(3, chain)
    assert index[0, 1] == index[1, 0] and index[1, 1] == index[2, 0] and len(np.unique(index)) == 4


def test_a_part_that_a_fit_shrinks_to_a_stub_keeps_its_own_ends():
    """Limb 0-1 moves, limb 1-2 shrinks beside it, limb 3-4 shrinks alone; 2-3 has no part, so it may be any length."""
    edges, parts = np.array([[0, 1], [1, 2], [3, 4], [2, 3]]), np.array([0, 1, 2, -1])
    before = np.array([[0, 0], [10, 0], [20, 0], [30, 0], [40, 0]], float)[None].repeat(3, 0)
    after = np.array([[1, 0], [11, 0], [12, 0], [31, 0], [30, 0]], float)[None].repeat(3, 0)
    figures = [Figure(points, edges, np.ones((4, 2)), parts) for points in (before, after)]
    found = with_lengths_of(*figures).points[0, :, 0]
    assert found.tolist() == [1, 11, 20, 30, 40]
    assert with_lengths_of(figures[0], figures[0]).points.tolist() == before.tolist()


def test_unknown_keys_are_errors():
    with pytest.raises(ConfigError, match="leest_parts"):
        validate(SeedConfig, {"leest_parts": 2}, "seeds")
