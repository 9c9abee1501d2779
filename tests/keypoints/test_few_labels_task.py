"""Labels of a few frames as a task: read in the store's frame, given to the right keypoints, learned."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from articulate.data.few_labels import keypoint_of_landmark, read_labelled_frames
from articulate.data.store import ClipStore, StoreWriter
from articulate.errors import ArticulateError, ConfigError, DataError
from articulate.records import Tracks
from run_pipeline import main
from stages.recipes import make_store

ROOT = Path(__file__).parents[2]


def store_of_dots(path: Path, length: int = 40) -> tuple[ClipStore, np.ndarray]:
    """A clip of 32 px from a video of 64 px in which two dots wander; their pixels in the video."""
    time = np.arange(length)
    xy = np.stack([np.stack([20 + 12 * np.sin(time / 5), 24 + 10 * np.cos(time / 7)], -1),
                   np.stack([44 + 9 * np.cos(time / 4), 42 + 12 * np.sin(time / 6)], -1)], 1)  # fmt: skip
    y, x = np.mgrid[:32, :32]
    frames = np.full((length, 32, 32, 3), 30, np.uint8)
    for t in range(length):
        for k, colour in enumerate(((250, 60, 60), (60, 60, 250))):
            place = (xy[t, k] + 0.5) / 2 - 0.5
            frames[t][(x - place[0]) ** 2 + (y - place[1]) ** 2 < 6] = colour
    with (
        StoreWriter(path, recipe="test", options={}, image_size=32) as writer,
        writer.clip("dots", fps=25, source="v", source_size=(64, 64), with_mask=False) as clip,
    ):
        clip.append(frames, time, np.ones(length, bool), np.tile([2.0, 0.0, 0.0], (length, 1)), None)
    return ClipStore.open(path), xy


def label(path: Path, xy: np.ndarray, frames: list[int]) -> Path:
    np.savez(path, xy=xy[frames], frame_idx=np.array(frames))
    return path


def test_labels_are_read_in_the_frame_of_the_store(tmp_path: Path) -> None:
    store, xy = store_of_dots(tmp_path / "store")
    found = read_labelled_frames(store, {"dots": label(tmp_path / "l.npz", xy, [3, 17, 99 % 40])})
    assert found.rows.tolist() == [3, 17, 19]
    pixel = (found.xy + 1) * 16 - 0.5
    np.testing.assert_allclose(pixel.numpy(), (xy[[3, 17, 19]] + 0.5) / 2 - 0.5, atol=1e-4)
    assert found.clips.frames.shape == (3, 1, 3, 32, 32)
    row, column = pixel[0, 0].round().int().flip(0).tolist()
    assert found.clips.frames[0, 0, 0, row, column] > 0.9  # the red dot lies where the label says


def test_what_is_wrong_with_labels_is_named(tmp_path: Path) -> None:
    store, xy = store_of_dots(tmp_path / "store")
    good = label(tmp_path / "l.npz", xy, [3])
    with pytest.raises(ConfigError, match="no clip `dot`"):
        read_labelled_frames(store, {"dot": good})
    np.savez(tmp_path / "bare.npz", xy=xy)
    with pytest.raises(DataError, match="lacks frame_idx"):
        read_labelled_frames(store, {"dots": tmp_path / "bare.npz"})
    np.savez(tmp_path / "late.npz", xy=xy[:1], frame_idx=np.array([400]))
    with pytest.raises(ArticulateError, match="none of its 1 frames"):
        read_labelled_frames(store, {"dots": tmp_path / "late.npz"})


def test_a_landmark_is_given_to_the_seed_that_follows_it() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(6, 3, 2, generator=generator)
    seeds = torch.full((6, 5, 2), torch.nan)
    seeds[:, [4, 0]] = labels[:, [0, 2]] + 0.01  # landmark 1 has no seed: it gets a keypoint that no seed holds
    found = keypoint_of_landmark(labels, seeds, 5)
    assert found[0] == 4 and found[2] == 0 and found[1] in (1, 2, 3)
    assert keypoint_of_landmark(labels, None, 5).tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="raise num_keypoints"):
        keypoint_of_landmark(labels, None, 2)


def test_a_detector_learns_landmarks_from_labels_alone(tmp_path: Path) -> None:
    """Eight labelled frames of an arm and nothing else: its joints are found on the others, give or take a pixel."""
    data = {"recipe": "synthetic", "family": "arm", "look": "capsules", "size": 32, "num_clips": 1, "num_frames": 40}
    store = make_store(data, tmp_path / "stores", "test", lambda text: None)
    with np.load(store.path / "truth" / f"{store.clips[0].name}.npz") as truth:
        true = truth["xy"]
    path = label(tmp_path / "labels.npz", (true + 1) * 16 - 0.5, list(range(0, 40, 5)))
    sections = {
        "name": "few",
        "data": data,
        "keypoints": {
            **{"num_keypoints": true.shape[1], "foreground": False, "mask_terms": False, "tasks": {}, "shapes": []},
            **{"detector": {"width": 0.5}, "labels": {store.clips[0].name: str(path)}},
        },
        "losses": {"labels": {"weight": 1.0}},
        "schedule": [{"stages": ["keypoints"], "steps": 150, "batch_size": 2}, {"stages": ["connectivity"]}],
    }
    config = tmp_path / "few.yaml"
    config.write_text(yaml.safe_dump(sections))
    folders = [f"runs={tmp_path / 'runs'}", f"stores={tmp_path / 'stores'}"]
    assert main([str(config), *folders, "--device", "cpu", "--threads", "1"]) == 0
    tracks = Tracks.load(tmp_path / "runs" / "few" / "records" / "group-0.Tracks.npz")
    error = 16 * np.linalg.norm(tracks.xy[0].numpy() - true, axis=-1)
    unlabelled = np.arange(40) % 5 != 0
    still = 16 * np.linalg.norm(true - true[::5].mean(0), axis=-1)  # each joint at its mean over the labels
    assert np.median(error[unlabelled]) < 1.0 < np.median(still[unlabelled])
