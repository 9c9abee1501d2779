"""Whole clips of built-in data: cameras, truth, seeds, recorded motion, and the recipe that writes the store."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from articulate.data.store import ClipStore
from articulate.data.synthetic.clips import generate_clips, make_scene
from articulate.data.synthetic.mocap import load_recordings, side_pairs
from articulate.data.synthetic.options import SyntheticOptions
from articulate.errors import ConfigError, DataError
from articulate.evaluation.truth import load_truth


@pytest.fixture(scope="module")
def recipe():
    path = Path(__file__).parents[2] / "datasets" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("recipe_synthetic", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clips(**options):
    return list(generate_clips(SyntheticOptions(**({"size": 32, "num_frames": 12, "num_clips": 2} | options))))


@pytest.mark.parametrize("camera", ["orthographic", "perspective"])
@pytest.mark.parametrize("family", ["person", "stickman2d", "snake"])
def test_truth_agrees_with_itself(camera, family):
    for clip in clips(camera=camera, family=family):
        truth = clip.truth
        xyz, scale, centre = truth["xyz"], truth["camera_scale"], truth["camera_translation"]
        expected = scale * xyz[..., :2]
        if truth["camera_kind"] == "perspective":
            expected = expected * truth["camera_distance"] / xyz[..., 2:]
        np.testing.assert_allclose(truth["xy"], expected + centre, atol=1e-12)
        bones = np.linalg.norm(xyz[:, truth["edges"][:, 1]] - xyz[:, truth["edges"][:, 0]], axis=-1)
        lengths = truth["bone_lengths"][truth["edges"][:, 1]]
        np.testing.assert_allclose(bones, np.tile(lengths, (len(bones), 1)), rtol=1e-6)
        assert np.abs(truth["xy"]).max() < 1.0, "the default size keeps the whole figure in the frame"


@pytest.mark.parametrize("look", ["sticks", "capsules"])
@pytest.mark.parametrize("camera", ["orthographic", "perspective"])
def test_visible_keypoints_lie_on_the_drawn_figure(look, camera):
    for clip in clips(look=look, camera=camera, size=64, family="quadruped"):
        pixels = np.floor((clip.truth["xy"] + 1) * 32).astype(int)
        frame, keypoint = np.nonzero(clip.truth["visible"])
        x, y = pixels[frame, keypoint].T
        assert (clip.mask[frame, y, x] > 100).mean() > 0.97
        np.testing.assert_allclose(clip.truth["mask_area"], clip.mask.mean((1, 2)) / 255)


def test_yaw_covers_what_was_asked_and_starts_are_spread():
    options = SyntheticOptions(yaw_coverage=120.0, num_frames=31, num_clips=9)
    scenes = [make_scene(options, i) for i in range(9)]
    for scene in scenes:
        assert abs(scene.yaw[-1] - scene.yaw[0]) == pytest.approx(np.radians(120))
    starts = np.sort([scene.yaw[0] % (2 * np.pi) for scene in scenes])
    gaps = np.diff(np.append(starts, starts[0] + 2 * np.pi))
    assert gaps.max() < 2 * 2 * np.pi / 9
    # What the picture shows: the line across the hips turns with the yaw of the camera.
    fixed = make_scene(SyntheticOptions(yaw_start=0.0, yaw_coverage=0.0, elevation=0.0, activities=("squat",)), 0)
    across = fixed.xyz[:, 4] - fixed.xyz[:, 1]
    assert np.abs(across[:, 0] - 264).max() < 2, "facing the camera, the left hip is on the right of the image"
    turned = make_scene(SyntheticOptions(yaw_start=90.0, yaw_coverage=0.0, elevation=0.0, activities=("squat",)), 0)
    assert np.abs(np.abs((turned.xyz[:, 4] - turned.xyz[:, 1])[:, 2]) - 264).max() < 2


def test_elevation_looks_down():
    """From above, what is nearer to the camera stands lower in the image; camera y points down."""
    scene = make_scene(SyntheticOptions(yaw_start=0.0, yaw_coverage=0.0, elevation=60.0, family="snake"), 0)
    head, tail = scene.xyz[0, 0], scene.xyz[0, -1]
    assert head[2] < tail[2] and head[1] > tail[1]
    person = make_scene(SyntheticOptions(elevation=0.0), 0)
    assert (person.xyz[:, 9, 1] < person.xyz[:, 3, 1]).all(), "the head is above the feet"


def test_clips_follow_from_seed_and_number_alone():
    few, many = clips(num_clips=2, seed=7), clips(num_clips=4, seed=7)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.frames, b.frames)
        assert a.name == b.name and all((a.truth[k] == b.truth[k]).all() for k in a.truth)
    assert (few[0].frames != clips(num_clips=1, seed=8)[0].frames).any()


def test_chunks_do_not_show():
    whole = clips(num_frames=140, num_clips=1, size=16, noise=0.5)[0]
    assert len(whole.frames) == 140 and whole.truth["visible"].shape == (140, 16)


def test_size_scale_and_spread():
    areas = [clips(scale=s, num_clips=1)[0].truth["mask_area"].mean() for s in (0.4, 0.8)]
    assert areas[1] / areas[0] == pytest.approx(4.0, rel=0.1)
    options = SyntheticOptions(scale_spread=0.2, elevation_spread=10.0, num_frames=2)
    scenes = [make_scene(options, i) for i in range(3)]
    assert len({s.camera.scale for s in scenes}) == len({s.elevation for s in scenes}) == 3
    same = [make_scene(SyntheticOptions(num_frames=2), i) for i in range(3)]
    assert len({s.camera.scale for s in same}) == len({s.elevation for s in same}) == 1


def test_noise_moves_the_picture_and_not_the_truth():
    clean, shaken = clips(seed=1)[0], clips(seed=1, noise=1.0, pixel_noise=0.05)[0]
    np.testing.assert_array_equal(clean.truth["xy"], shaken.truth["xy"])
    assert np.abs(clean.mask.astype(int) - shaken.mask).mean() > 1
    assert clean.frames[:, 0, 0].std(0).max() == 0 and shaken.frames[:, 0, 0].std(0).min() > 3


def test_backgrounds():
    black, plain, clutter = (clips(background=b, num_clips=1)[0] for b in ("black", "plain", "clutter"))
    assert black.background.max() == 0 and plain.background.std() < clutter.background.std()
    outside = (clutter.mask == 0).all(0)
    assert (clutter.frames[:, outside] == clutter.background[outside]).all(), "the background does not move"


def write_recording(path: Path, up: str = "y", **changes) -> None:
    times = np.arange(90) / 60
    xyz = np.zeros((90, 4, 3))
    xyz[:, 1] = [0, 1, 0]
    xyz[:, 2] = xyz[:, 1] + np.stack([np.cos(times), np.sin(times), 0 * times], 1)
    xyz[:, 3] = xyz[:, 1] - np.stack([np.cos(times), np.sin(times), 0 * times], 1)
    xyz[..., 0] += 5 * times[:, None]
    if up == "z":
        xyz = np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1]], -1)
    arrays = {"xyz": xyz, "parents": np.array([-1, 0, 1, 1]), "fps": 60.0, "up_axis": up, "units": "metre"}
    np.savez(path, **(arrays | {"kp_names": np.array(["hip", "chest", "lHand", "rHand"])} | changes))


@pytest.mark.parametrize("up", ["y", "z"])
def test_recorded_motion_keeps_its_shape_and_frames(tmp_path, up):
    write_recording(tmp_path / "swing.npz", up)
    options = SyntheticOptions(motion=(str(tmp_path),), num_frames=20, fps=30.0, elevation=0.0, size=32)
    recordings = load_recordings(options.motion)
    scene = make_scene(options, 1, recordings)
    assert scene.fps == 30.0 and scene.family.pairs.tolist() == [[2, 3]]
    # Upright: the chest is one unit above the hip, and camera y points down.
    np.testing.assert_allclose(scene.xyz[:, 1] - scene.xyz[:, 0], np.tile([0, -1, 0], (20, 1)), atol=1e-9)
    original = recordings[0].xyz
    distances = np.linalg.norm(original[:, :, None] - original[:, None], axis=-1)
    start = next(
        s for s in range(90) if np.allclose(recordings[0].xyz[s, 2, 1], 1 - (scene.xyz[0, 2] - scene.xyz[0, 1])[1])
    )
    found = np.linalg.norm(scene.xyz[:, :, None] - scene.xyz[:, None], axis=-1)
    np.testing.assert_allclose(found, distances[start : start + 40 : 2], atol=1e-9)
    drawn = next(generate_clips(options))
    assert drawn.truth["activity"] == "swing" and drawn.truth["units"] == "metre" and drawn.mask.max() == 255


def test_recorded_motion_that_cannot_be_used(tmp_path):
    write_recording(tmp_path / "a.npz")
    write_recording(tmp_path / "b.npz", kp_names=np.array(["x", "y", "z", "w"]))
    with pytest.raises(DataError, match="different skeletons"):
        load_recordings([str(tmp_path / "*.npz")])
    with pytest.raises(DataError, match="no .npz recording"):
        load_recordings([str(tmp_path / "missing*")])
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="no readable"):
        load_recordings([str(tmp_path / "text.npz")])
    write_recording(tmp_path / "x.npz", up_axis="x")
    with pytest.raises(DataError, match="up_axis is 'x'"):
        load_recordings([str(tmp_path / "x.npz")])
    np.savez(tmp_path / "poor.npz", xyz=np.zeros((2, 3, 3)))
    with pytest.raises(DataError, match="parents"):
        load_recordings([str(tmp_path / "poor.npz")])


def test_real_recordings(shared_data):
    options = {"motion": [str(shared_data / "cmu_mocap" / "clips" / "salsa_0*.npz")], "look": "sticks"}
    for clip in clips(**options):
        assert clip.truth["xy"].shape == (12, 23, 2) and len(clip.truth["pairs"]) == 9
        assert np.abs(clip.truth["xy"]).max() < 1.05


def test_side_pairs_from_names():
    assert side_pairs(["lHand", "rHand", "head", "LeftFoot", "RightFoot", "EarL", "EarR"]).tolist() == [
        [0, 1], [3, 4], [5, 6],
    ]  # fmt: skip


def test_recipe_writes_a_store_with_truth_apart(recipe, tmp_path, capsys):
    out = tmp_path / "store"
    assert recipe.main(["--out", str(out), "family=hexapod", "size=32", "num_clips=2", "num_frames=5"]) == 0
    store = ClipStore.open(out)
    assert store.recipe == "synthetic" and store.num_frames == 10 and store.has_masks and store.image_size == 32
    expected = clips(family="hexapod", num_frames=5)[1]
    np.testing.assert_array_equal(store.frames(1), expected.frames)
    truth = load_truth(out / "truth" / f"{expected.name}.npz")
    assert len(truth.names) == 21 and truth.units == "mm" and len(truth.pairs) == 9
    assert "2 clips" in capsys.readouterr().out


def test_recipe_refuses_what_it_does_not_know(recipe, tmp_path, capsys):
    with pytest.raises(ConfigError, match="famly.*family"):
        recipe.parse(["famly=person"])
    with pytest.raises(ConfigError, match="key=value"):
        recipe.parse(["person"])
    assert recipe.main(["--out", str(tmp_path / "s"), "family=centaur"]) == 2
    assert "centaur" in capsys.readouterr().out and not (tmp_path / "s").exists()
