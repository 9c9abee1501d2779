"""Figures and their motion: trees, lengths, limits, smoothness, seeds, and the order of Human3.6M."""

import numpy as np
import pytest

from articulate.data.synthetic.clips import make_scene
from articulate.data.synthetic.families import FAMILIES, get_family
from articulate.data.synthetic.kinematics import forward_kinematics, lowest_height, rotation_from_angles, swing_frames
from articulate.data.synthetic.motion import smooth_limit, smooth_normal, smooth_uniform
from articulate.data.synthetic.options import SyntheticOptions
from articulate.data.synthetic.poses import pose_family
from articulate.errors import ConfigError

EVERY = [(name, activity) for name in FAMILIES for activity in FAMILIES[name]().activities]


def posed(name: str, activity: str, fps: float = 30.0, seed: int = 3):
    family = get_family(name)
    times = np.arange(int(4 * fps)) / fps
    return family, pose_family(family, activity, times, np.random.default_rng(seed), wander=0.08)


@pytest.mark.parametrize(("name", "activity"), EVERY)
def test_motion_keeps_lengths_limits_and_is_smooth(name, activity):
    family, poses = posed(name, activity)
    bones = np.linalg.norm(poses.points[:, family.edges[:, 1]] - poses.points[:, family.edges[:, 0]], axis=-1)
    np.testing.assert_allclose(bones, np.tile(family.bone_lengths[family.limb_child], (len(bones), 1)), rtol=1e-9)
    assert (poses.angles >= family.limits[..., 0] - 1e-12).all()
    assert (poses.angles <= family.limits[..., 1] + 1e-12).all()
    speed = np.linalg.norm(np.diff(poses.points, axis=0), axis=-1) * 30 / family.reference_size
    acceleration = np.linalg.norm(np.diff(poses.points, 2, axis=0), axis=-1) * 30**2 / family.reference_size
    assert 0.02 < speed.mean(0).max() < 3.5, "something moves, and nothing faster than a few bodies a second"
    assert acceleration.max() < 60.0


@pytest.mark.parametrize("name", FAMILIES)
def test_smoothness_does_not_depend_on_the_frame_rate(name):
    """Motion is a function of time: more frames a second show the same path, and accelerations converge."""
    activity = next(iter(get_family(name).activities))
    _, coarse = posed(name, activity, 60.0)
    family, fine = posed(name, activity, 240.0)
    np.testing.assert_allclose(fine.points[::4], coarse.points, atol=1e-9 * family.reference_size)
    slow = np.diff(coarse.points, 2, axis=0) * 60**2
    fast = np.diff(fine.points[::2], 2, axis=0)[1::2] * 120**2
    assert np.abs(slow - fast[: len(slow)]).max() < 0.15 * np.abs(slow).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_one_tree_with_mirrored_pairs(name):
    family = get_family(name)
    assert family.parents[0] == -1 and (family.parents[1:] >= 0).all()
    assert len(family.edges) == len(family.radii) == family.num_keypoints - 1
    assert len(set(family.names)) == family.num_keypoints
    assert (family.radii > 0).all() and (family.limits[..., 0] <= family.limits[..., 1]).all()
    for left, right in family.pairs:
        assert family.names[left][1:] == family.names[right][1:] and family.names[left][0] == "L"
        assert family.bone_lengths[left] == pytest.approx(family.bone_lengths[right])
        mirrored = family.limits[left] * np.array([1, -1, -1])[:, None]
        np.testing.assert_allclose(np.sort(mirrored, axis=1), family.limits[right], atol=1e-12)


def test_person_has_the_joints_of_human36m_in_their_order():
    """Golden: the 16-joint set in common use (17 joints without Neck/Nose), adult lengths in millimetres."""
    family = get_family("person")
    assert family.names == (
        "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Head",
        "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
    )  # fmt: skip
    assert family.parents.tolist() == [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14]
    assert family.units == "mm" and family.bone_lengths[2] == 443.0 and len(family.activities) == 10


def test_joints_bend_the_way_a_body_does():
    """Knees fold the foot backward, elbows the hand forward, for both sides (z forward)."""
    family = get_family("person")
    for joint, ends, direction in (("Foot", "Knee", -1), ("Wrist", "Elbow", 1)):
        for side in "LR":
            k = family.names.index(side + joint)
            angles = np.zeros((1, family.num_keypoints, 3))
            angles[0, k, 0] = family.limits[k, 0][np.argmax(np.abs(family.limits[k, 0]))] / 2
            points, _ = forward_kinematics(family.parents, family.offsets, angles, np.eye(3)[None], np.zeros((1, 3)))
            z = points[0, k, 2] - points[0, family.names.index(side + ends), 2]
            assert z * direction > 100.0


def test_stickman_is_the_figure_of_the_source():
    family, poses = posed("stickman2d", "pose")
    root, head, hip = poses.points[:, 0], poses.points[:, 1], poses.points[:, 2]
    assert family.num_keypoints == 7 and np.ptp(poses.points[..., 2]) == 0
    np.testing.assert_allclose(head - root, np.tile([0, 0.24, 0], (len(root), 1)), atol=1e-12)
    np.testing.assert_allclose(root - hip, np.tile([0, 0.44, 0], (len(root), 1)), atol=1e-12)
    assert np.abs(poses.points).max() < 1.0, "always inside the frame"


def test_a_feet_on_the_floor_person_stays_on_it():
    family, poses = posed("person", "squat")
    assert np.abs(poses.points[..., 1].min(1)).max() < 0.06 * family.reference_size


def test_smooth_limit_is_the_identity_inside_and_bounded_outside():
    limits = np.array([[-1.0, 3.0]] * 3)
    angles = np.linspace(-9, 9, 4001)[:, None].repeat(3, 1)
    kept = smooth_limit(angles, limits)
    inside = np.abs(angles - 1.0) < 1.6
    np.testing.assert_array_equal(kept[inside], angles[inside])
    assert kept.min() >= -1.0 and kept.max() <= 3.0
    assert np.abs(np.diff(kept[:, 0], 2)).max() < 1e-4, "no corner"
    np.testing.assert_array_equal(smooth_limit(angles, np.zeros((3, 2))), 0.0)


def test_random_signals_have_the_stated_spread():
    times = np.arange(40000) / 10.0
    signal = np.concatenate([smooth_normal(times, np.random.default_rng(s), 0.5) for s in range(5)])
    assert abs(signal.mean()) < 0.02 and abs(signal.std() - 1) < 0.02
    spread = smooth_uniform(times, np.random.default_rng(1), 0.5, 2.0, 6.0)
    counts, _ = np.histogram(spread, 8, (2, 6))
    assert counts.min() > 0.75 * counts.mean() and counts.max() < 1.25 * counts.mean()


def test_rotation_order_and_forward_kinematics_by_hand():
    """Two bones of length 2 and 1 along x; 90 degrees about z at the second: up by 1 from (2, 0, 0)."""
    angles = np.zeros((1, 3, 3))
    angles[0, 2, 2] = np.pi / 2
    offsets = np.array([[0.0, 0, 0], [2, 0, 0], [1, 0, 0]])
    points, _ = forward_kinematics(np.array([-1, 0, 1]), offsets, angles, np.eye(3)[None], np.zeros((1, 3)))
    np.testing.assert_allclose(points[0], [[0, 0, 0], [2, 0, 0], [2, 1, 0]], atol=1e-12)
    # Twist first, then flexion, then abduction: x -> -z (twist 90) -> y (flexion 90) -> -x (abduction 90).
    turned = rotation_from_angles(np.full(3, np.pi / 2)) @ np.array([1.0, 0, 0])
    np.testing.assert_allclose(turned, [-1, 0, 0], atol=1e-12)


def test_lowest_height_is_a_smooth_minimum():
    heights = np.array([[0.0, 5.0, 9.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(lowest_height(heights, 0.01), [0.0, 3.0], atol=0.02)


def test_swing_frames_follow_their_limbs():
    family, poses = posed("person", "dance")
    frames = swing_frames(poses.points, family.parents, family.edges)
    direction = poses.points[:, family.edges[:, 1]] - poses.points[:, family.edges[:, 0]]
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    np.testing.assert_allclose(frames[..., 1], direction, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0, atol=1e-9)


def test_same_seed_same_motion_and_another_seed_another():
    first, second = (make_scene(SyntheticOptions(num_frames=20, seed=4), 1).xyz for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - make_scene(SyntheticOptions(num_frames=20, seed=5), 1).xyz).max() > 10


def test_body_spread_changes_lengths_alike_on_both_sides():
    options = SyntheticOptions(num_frames=4, body_spread=0.1)
    bodies = [make_scene(options, i).family for i in range(2)]
    assert np.abs(bodies[0].bone_lengths - bodies[1].bone_lengths).max() > 5
    for left, right in bodies[0].pairs:
        assert bodies[0].bone_lengths[left] == pytest.approx(bodies[0].bone_lengths[right])


def test_unknown_names_are_refused_with_what_exists():
    with pytest.raises(ConfigError, match="centaur.*person"):
        get_family("centaur")
    with pytest.raises(ValueError, match="moonwalk.*walk"):
        SyntheticOptions(activities=("moonwalk",))
