"""Motion capture: a fabricated BVH against positions derived by hand, npz errors, and the camera frame's handedness."""

import numpy as np
import pytest

from articulate.errors import DataError
from stages.recipes import load_recipe

# By path: with datasets/ on the path its mujoco.py would hide the library of that name.
MOCAP = load_recipe("mocap")
MocapRecipe, Recording, read_recordings = MOCAP.MocapRecipe, MOCAP.Recording, MOCAP.read_recordings

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.05
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 0 0
0 0 0 90 0 0 0 90 0
"""


def test_bvh_forward_kinematics(tmp_path):
    (tmp_path / "walk.bvh").write_text(BVH)
    (found,) = read_recordings(MocapRecipe(paths=(tmp_path,)))
    assert found.joint_names == ("Hips", "Chest", "Chest_end") and found.fps == 20
    assert found.parents.tolist() == [-1, 0, 1] and found.edges().tolist() == [[0, 1], [1, 2]]
    # Frame 1: +90 degrees about z takes y to -x. Frame 2: about z, then the chest's +90 about its own x takes y to z.
    expected = [
        [[0, 0, 0], [0, 2, 0], [0, 3, 0]],
        [[1, 2, 3], [-1, 2, 3], [-2, 2, 3]],
        [[0, 0, 0], [-2, 0, 0], [-2, 0, 1]],
    ]
    assert np.allclose(found.xyz, expected)


def test_step_and_end_sites(tmp_path):
    (tmp_path / "walk.bvh").write_text(BVH)
    (found,) = read_recordings(MocapRecipe(paths=(tmp_path / "walk.bvh",), step=2, drop_end_sites=True))
    assert found.xyz.shape == (2, 2, 3) and found.fps == 10


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_camera_frame_is_a_proper_rotation_with_up_at_the_top(up):
    basis = np.eye(3)[None]
    found = Recording("basis", basis, np.array([-1, 0, 0]), ("x", "y", "z"), up, 30.0)
    rotated = found.camera_frame()[0].T
    assert np.linalg.det(rotated) == pytest.approx(1)
    sign = -1 if up.startswith("-") else 1
    assert (rotated @ (sign * np.eye(3)["xyz".index(up[-1])])).tolist() == [0, -1, 0]


@pytest.mark.parametrize(
    ("broken", "words"),
    [("HIERARCHY", "MOTION section"), (BVH.replace("Frames: 3", "Frames: 4"), r"expected \(4, 9\)")],
)
def test_broken_bvh_is_named(tmp_path, broken, words):
    (tmp_path / "bad.bvh").write_text(broken)
    with pytest.raises(DataError, match=words):
        read_recordings(MocapRecipe(paths=(tmp_path,)))


def test_npz_that_lacks_an_entry_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", xyz=np.zeros((2, 3, 3)), parents=np.array([-1, 0, 1]))
    with pytest.raises(DataError, match="lacks up_axis, fps"):
        read_recordings(MocapRecipe(paths=(tmp_path,)))


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no .bvh or .npz"):
        read_recordings(MocapRecipe(paths=(tmp_path,)))


def test_real_clips_are_read(shared_data):
    found = read_recordings(MocapRecipe(paths=(shared_data / "cmu_mocap" / "clips",)))
    assert len(found) == 33 and {r.xyz.shape[1] for r in found} == {23, 28, 31}
    heads = found[0].camera_frame()
    assert np.isfinite(heads).all()
