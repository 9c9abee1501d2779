"""MuJoCo bodies: the tree of keypoints, exact truth against the pixels, and clear words where nothing can be drawn."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from articulate.data.mjcf.motion import smooth_signals, within
from articulate.data.mjcf.options import MujocoOptions
from articulate.data.mjcf.process import draw_clips, reason
from articulate.data.mjcf.tree import mirrored_pairs, reduce_tree
from articulate.data.store import ClipStore
from articulate.errors import DataError

DATASETS = Path(__file__).parents[2] / "datasets"
RADIUS = 0.05
# Two capsules of 0.5 and 0.3, a fixed bracket on the second, a floor and a lamp that do not belong to the body.
ARM = f"""<mujoco><worldbody>
<light pos="0 0 3"/><geom type="plane" size="5 5 0.1"/>
<body name="upper" pos="0 0 1"><joint type="ball" range="0 1" limited="true"/>
  <geom type="capsule" fromto="0 0 0 0.5 0 0" size="{RADIUS}"/>
  <body name="lower_left" pos="0.5 0 0"><joint name="bend" axis="0 1 0" range="-1 1" limited="true"/><geom size="0.01"/>
    <body name="double" pos="0 0 0"><joint axis="0 0 1" range="-0.5 0.5" limited="true"/>
      <geom type="capsule" fromto="0 0 0 0.3 0 0" size="{RADIUS}"/><body name="bracket"><geom size="0.02"/></body>
</body></body></body></worldbody></mujoco>"""


def recipe():
    spec = importlib.util.spec_from_file_location("tested_mujoco", DATASETS / "mujoco.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def make(out: Path, **options) -> ClipStore:
    module = recipe()
    try:
        module.make(module.Options(**options), out, lambda text: None)
    except DataError as error:
        if "articulate-models[" in str(error):
            pytest.skip(str(error))
        raise
    return ClipStore.open(out)


@pytest.fixture(scope="module")
def arm(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("arm") / "arm.xml"
    path.write_text(ARM)
    return path


def truth_of(store: ClipStore) -> dict[str, np.ndarray]:
    with np.load(next((store.path / "truth").glob("*.npz"))) as stored:
        return {key: stored[key] for key in stored.files}


@pytest.mark.parametrize("camera", ["orthographic", "perspective"])
def test_truth_agrees_with_the_pixels(camera, arm, tmp_path):
    store = make(tmp_path / "s", model=arm, size=64, num_clips=1, num_frames=3, fps=2, camera=camera, scale=0.8)
    truth = truth_of(store)
    assert list(truth["keypoint_names"]) == ["upper", "lower_left", "double_end"]
    assert truth["parents"].tolist() == [-1, 0, 1] and truth["edges"].tolist() == [[0, 1], [1, 2]]
    lengths = np.linalg.norm(truth["xyz"][:, 1:] - truth["xyz"][:, :-1], axis=-1)
    assert lengths[:, 0] == pytest.approx(0.5)
    # The end is the mean of the outermost points, so within a radius of the tip of 0.3 + RADIUS.
    assert np.ptp(lengths[:, 1]) < 1e-9 and 0.3 - RADIUS < lengths[0, 1] < 0.3 + RADIUS
    assert truth["visible"].any()
    # A capsule's outline is that of its two spheres; the tip is where the chain continues to 0.3.
    xyz = truth["xyz"]
    tip = xyz[:, 1] + (xyz[:, 2] - xyz[:, 1]) * (0.3 / lengths[:, 1, None])
    joints = np.concatenate([xyz[:, :2], tip[:, None]], axis=1)
    depth = joints[..., 2:] if camera == "perspective" else 1.0
    focal = truth["camera_scale"] * (truth["camera_distance"] if camera == "perspective" else 1.0)
    centre, radius = focal * joints[..., :2] / depth + truth["camera_translation"], focal * RADIUS / depth
    for t, mask in enumerate(store.masks(0)):
        row, column = np.nonzero(mask > 127)
        box = np.array([[column.min(), row.min()], [column.max() + 1, row.max() + 1]]) / 32 - 1
        expected = np.stack([(centre - radius)[t].min(0), (centre + radius)[t].max(0)])
        np.testing.assert_allclose(box, expected, atol=1.6 / 32)
        plain = np.asarray(store.frames(0)[t])[mask == 0]
        assert (plain == 102).all()


def test_the_recipe_runs_as_a_script_beside_the_library_it_is_named_after(arm, tmp_path):
    command = [sys.executable, "mujoco.py", "--out", str(tmp_path / "s"), f"model={arm}", "size=16", "num_clips=2"]
    done = subprocess.run([*command, "num_frames=2"], cwd=DATASETS, capture_output=True, text=True, timeout=120)
    if "articulate-models[" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    store = ClipStore.open(tmp_path / "s")
    assert len(store.clips) == 2 and store.has_masks


def test_strong_lamps_do_not_overexpose(tmp_path):
    """A limb of one colour keeps its hue where a lamp shines on it from the front."""
    path = tmp_path / "arm.xml"
    ways = ("0 0 -1", "0 1 0", "0 -1 0")
    lamps = "".join(f'<light directional="true" dir="{way}" diffuse="1 1 1"/>' for way in ways)
    path.write_text(ARM.replace('<light pos="0 0 3"/>', lamps))
    store = make(tmp_path / "store", model=path, size=48, num_clips=1, num_frames=4, colours="limbs")
    masks = store.masks(0)
    assert masks is not None
    inside = np.asarray(store.frames(0))[np.asarray(masks) == 255]
    assert (inside.max(1) == 255).mean() < 0.05


def test_the_models_at_hand(shared_data, tmp_path):
    hand = shared_data / "models_dev" / "shadow_hand" / "right_hand.xml"
    if not hand.is_file():
        pytest.skip(f"{hand} is not there")
    store = make(tmp_path / "s", model=hand, size=32, num_clips=1, num_frames=2, max_keypoints=12, colours="limbs")
    truth = truth_of(store)
    assert truth["xy"].shape == (2, 12, 2) and len(truth["edges"]) == 11
    assert (np.abs(truth["xy"]) < 1).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [("<mujoco", ["bad.xml", "MuJoCo cannot load"]),
     ("<mujoco><worldbody><body><geom size='1'/></body></worldbody></mujoco>", ["no body has a joint"])],
)  # fmt: skip
def test_a_model_that_cannot_be_used_is_said(text, words, tmp_path):
    path = tmp_path / "bad.xml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        list(draw_clips(MujocoOptions(model=path)))
    if "articulate-models[" in str(caught.value):
        pytest.skip(str(caught.value))
    assert all(word in str(caught.value) for word in words)


def test_where_nothing_can_be_drawn_the_extra_is_named(arm, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(DataError, match=r"articulate-models\[mujoco\]"):
        list(draw_clips(MujocoOptions(model=arm)))
    assert "[mujoco]" in reason(1, "ModuleNotFoundError: No module named 'mujoco'")
    assert "signal 11" in reason(-11, "")


def test_options_name_the_mistake(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        next(draw_clips(MujocoOptions(model=tmp_path / "absent.xml")))
    with pytest.raises(ValueError, match="not both"):
        MujocoOptions()


def test_coincident_candidates_are_one_keypoint_and_short_bones_go_first():
    # 0 - 1 (same place as 0) - 2; 3 hangs on 1 and lies where 2 is; 4 hangs on 3.
    points = np.array([[[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0.001], [1, 0.1, 0]]], dtype=float)
    parents = np.array([-1, 0, 1, 1, 3])
    found = reduce_tree(points, parents, 0.01, 10)
    assert found.kept.tolist() == [0, 2, 4] and found.parents.tolist() == [-1, 0, 1]
    assert found.keypoint_of.tolist() == [0, 0, 1, 1, 2]
    fewer = reduce_tree(points, parents, 0.01, 2)
    assert fewer.kept.tolist() == [0, 2] and fewer.keypoint_of.tolist() == [0, 0, 1, 1, 1]
    apart = np.concatenate([points, points + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]])])
    assert reduce_tree(apart, parents, 0.01, 10).kept.tolist() == [0, 2, 3, 4]


def test_motion_is_smooth_and_stays_within_the_range():
    times = np.arange(300) / 30
    values = within(smooth_signals(6, times, 1.0, np.random.default_rng(0)), np.full(6, -1.0), np.full(6, 3.0), 0.5)
    assert values.min() >= 0 and values.max() <= 2 and np.ptp(values, axis=0).min() > 1.5
    assert np.abs(np.diff(values, axis=0)).max() < 0.25


def test_left_and_right_are_paired_by_name():
    assert mirrored_pairs(("torso", "leg_left", "leg_right", "toe_R", "toe_L")).tolist() == [[1, 2], [4, 3]]
