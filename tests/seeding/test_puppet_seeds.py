"""A white arm and its tree from silhouettes alone; the stage takes it where colours and a body axis say nothing."""

import numpy as np
import pytest
import torch
from seed_scene import make_store

from articulate.data.store import ClipStore, StoreWriter
from articulate.evaluation.keypoints import match_keypoints, on_joint_scores
from articulate.evaluation.tree import edge_scores, map_edges
from articulate.evaluation.truth import load_truth
from articulate.seeding.puppet.config import PuppetConfig
from articulate.seeding.puppet.seeds import puppet_seeds

QUICK = PuppetConfig(templates=2, hypotheses=3, rounds=1, alike=1)


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    place = tmp_path_factory.mktemp("puppet") / "arm"
    return make_store(place, family="arm", look="sticks", cue="none", num_frames=20, fps=15, seed=0)


def test_joints_and_tree_of_a_white_arm(arm):
    said = []
    found = puppet_seeds(arm, 7, QUICK, 0, said.append)
    assert not said and found.xy.shape == (arm.num_frames, 7, 2) and found.xy.isfinite().all()
    assert 0.5 < found.confidence <= 0.7 and "7 keypoints" in found.reason
    truths = [load_truth(arm.truth_path(i)) for i in range(len(arm.clips))]
    xy, visible = (torch.cat([getattr(t, name) for t in truths]) for name in ("xy", "visible"))
    match = match_keypoints(found.xy, xy, visible)
    scores = on_joint_scores(found.xy, xy, visible, match)
    assert scores["unmatched"] == 0 and scores["error_body"] < 6.0
    assert edge_scores(map_edges(found.edges, match), truths[0].edges)["f1"] > 0.6
    again = puppet_seeds(arm, 7, QUICK, 0, said.append)
    assert torch.equal(again.xy, found.xy)


def test_a_ball_has_no_limbs_and_it_is_said(tmp_path):
    size, row = 32, np.arange(32)
    ball = (np.hypot(row[:, None] - 16, row - 16) < 8).astype(np.uint8) * 255
    mask = np.repeat(ball[None], 10, axis=0)
    with (
        StoreWriter(tmp_path / "ball", recipe="test", options={}, image_size=size) as store,
        store.clip("ball", fps=10, source="", source_size=(size, size), with_mask=True) as writer,
    ):
        frames = np.repeat(mask[..., None], 3, axis=-1)
        writer.append(frames, np.arange(10), np.ones(10, bool), np.tile([1.0, 0.0, 0.0], (10, 1)), mask)
    said = []
    assert puppet_seeds(ClipStore.open(tmp_path / "ball"), 7, QUICK, 0, said.append) is None
    assert len(said) == 1 and "no frame shows" in said[0]
