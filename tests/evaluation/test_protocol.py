"""The protocol on a figure whose answers are known: perfect records, wrong ones, and those without truth."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from figure_scene import EDGES, NAMES, make_scene

from articulate.errors import DataError
from articulate.evaluation.protocol import evaluate_run
from articulate.evaluation.sequences import join_truths, labels_of_run, truth_of_run
from articulate.evaluation.truth import load_labels, load_truth


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return make_scene(tmp_path_factory.mktemp("scene") / "store")


def test_a_perfect_run_scores_perfectly_and_beats_every_floor(scene):
    found = evaluate_run(*scene)
    json.dumps(found, allow_nan=False)
    ours = found["keypoints"]["ours"]
    assert ours["error_image"] < 1e-4 and ours["pck_05"] == 100 and ours["switches_per_1000"] == 0
    assert ours["left_right_flips"] == 0
    for floor in found["keypoints"]["floors"].values():
        assert floor["error_body"] is None or floor["error_body"] > 1
    assert set(found["keypoints"]["floors"]) == {"mean_pose", "centroid_axes", "extremities"}
    assert found["tree"]["ours"]["exact"] == 1 and found["tree"]["ours"]["rigid_exact"] == 1
    depth = found["pose3d"]
    assert depth["ours"]["mpjpe_d"] < 1e-3 and depth["ours"]["sign_accuracy"] == 1
    assert depth["floors"]["flat"]["mpjpe_d"] > depth["floors"]["oracle_signs"]["mpjpe_d"] > depth["ours"]["mpjpe_d"]


def test_keypoint_order_is_free_and_depth_may_be_reversed_once(scene):
    store, tracks, skeleton, motion = scene
    order = torch.randperm(len(NAMES), generator=torch.Generator().manual_seed(0))
    inverse = torch.argsort(order)
    shuffled = dataclasses.replace(
        tracks, xy=tracks.xy[:, :, order], score=tracks.score[:, :, order], covariance=tracks.covariance[:, :, order]
    )
    tree = dataclasses.replace(skeleton, edges=inverse[EDGES], probability=None)
    lifted = dataclasses.replace(motion, joints=(motion.joints * torch.tensor([1.0, 1, -1]))[:, :, order])
    found = evaluate_run(store, shuffled, tree, lifted)
    assert found["keypoints"]["ours"]["error_image"] < 1e-4 and found["tree"]["ours"]["exact"] == 1
    assert found["pose3d"]["ours"]["mpjpe_d"] < 1e-3


def test_the_symmetric_reading_is_an_option_and_needs_both(scene):
    store, tracks, skeleton, motion = scene
    order = torch.tensor([0, 1, 2, 4, 3, 6, 5])
    second = (tracks.index.clip[0] == 1)[None, :, None, None]
    xy = torch.where(second, tracks.xy[:, :, order], tracks.xy)
    mirrored = torch.where(second, (motion.joints * torch.tensor([1.0, 1, -1]))[:, :, order], motion.joints)
    swapped = dataclasses.replace(tracks, xy=xy)
    strict = evaluate_run(store, swapped, skeleton, dataclasses.replace(motion, joints=mirrored))
    assert strict["keypoints"]["ours"]["error_body"] > 2
    lenient = evaluate_run(store, swapped, skeleton, dataclasses.replace(motion, joints=mirrored), symmetric=True)
    assert lenient["keypoints"]["ours"]["error_body"] < 1e-3 and lenient["pose3d"]["ours"]["mpjpe_d"] < 1e-3
    only_2d = evaluate_run(store, swapped, skeleton, motion, symmetric=True)
    assert only_2d["pose3d"]["ours"]["mpjpe_d"] > 1


def test_label_free_metrics_of_a_perfect_run(scene):
    free = evaluate_run(*scene)["label_free"]
    assert free["on_animal"] > 95 and free["num_dead"] == 0 and free["lost_frames"] == 0
    assert free["rigidity_3d_mean"] < 0.01 < max(free["rigidity_2d"]) and free["reprojection_image"] < 1e-4
    assert free["edge_probability"] == pytest.approx([0.91] * 6) and free["bone_confidence"] == pytest.approx([0.8] * 6)


def test_points_beside_the_animal_show_in_the_label_free_metrics(scene):
    store, tracks, *_ = scene
    xy = tracks.xy.clone()
    xy[:, :, 2] = -0.97
    xy[:, 5] = float("nan")
    free = evaluate_run(store, dataclasses.replace(tracks, xy=xy))["label_free"]
    assert free["dead"]["off"] == [2] and free["dead"]["still"] == [2] and free["lost_frames"] == 1
    assert free["on_animal_per_keypoint"][2] == 0


def test_without_truth_only_label_free_metrics(tmp_path):
    store, *records = make_scene(tmp_path / "store", num_clips=1, num_frames=12, with_truth=False)
    found = evaluate_run(store, *records)
    assert found["ground_truth"] is False and set(found) == {"label_free", "ground_truth"}


def test_labels_in_source_pixels_come_to_the_stored_frame(scene, tmp_path):
    """The source is twice as large, its crop moves a pixel a frame, and the label file counts true frames."""
    store, tracks, *_ = scene
    truth = truth_of_run(store, tracks).truth
    pixels = ((truth.xy[:40] + 1) * 48 - 1) / 2
    source = 2.0 * (pixels + 0.5) - 0.5 + torch.stack([10.0 + torch.arange(40), torch.full((40,), 6.0)], -1)[:, None]
    path = tmp_path / "labels.npz"
    np.savez(
        path,
        kp_names=np.array(NAMES),
        xy=source.numpy(),
        vis=np.ones((40, 7), bool),
        frame_idx=np.arange(3, 43),
        edges=EDGES.numpy(),
        parents=truth.parents.numpy(),
    )
    labels = load_labels(path, store.frame_index(0), store.source_from_store(0), 48)
    assert torch.allclose(labels.xy, truth.xy[:40], atol=1e-5) and labels.visible.all()
    part = labels_of_run(store, tracks, {0: path})
    assert evaluate_run(store, tracks, part=part)["keypoints"]["ours"]["error_image"] < 1e-3


def test_real_labels_load(shared_data: Path):
    for path in sorted(shared_data.glob("*/labels*.npz")):
        with np.load(path) as stored:
            if "xy" not in stored.files or "fly32" in str(path):
                continue
            frame = stored["frame_idx"]
        truth = load_labels(path, frame, np.tile([2.0, 0.0, 0.0], (len(frame), 1)), 128)
        assert truth.visible.any() and truth.xy[truth.visible].isfinite().all()


def test_errors_name_the_file_and_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="no ground truth"):
        load_truth(tmp_path / "absent.npz")
    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="not a readable"):
        load_truth(tmp_path / "broken.npz")
    np.savez(tmp_path / "poor.npz", xy=np.zeros((2, 3, 2)))
    with pytest.raises(DataError, match="no `parents`"):
        load_truth(tmp_path / "poor.npz")


def test_clips_of_different_things_are_refused(scene):
    truth = truth_of_run(scene[0], scene[1]).truth
    with pytest.raises(DataError, match="different landmarks"):
        join_truths([truth, dataclasses.replace(truth, names=tuple("abcdefg"))])
