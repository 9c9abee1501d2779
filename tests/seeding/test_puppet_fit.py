"""The fit of one pose: its normal equations against numerical derivatives, and a bent arm that is found again."""

import numpy as np
import pytest
from test_puppet_outline import drawn

from articulate.seeding.puppet.kernels import assemble
from articulate.seeding.puppet.model import Puppet, limb_lengths
from articulate.seeding.puppet.outline import read_outline
from articulate.seeding.puppet.polish import polish
from articulate.seeding.puppet.shape import joints_to_drop, prune_joints, straighten
from articulate.seeding.puppet.track import TrackSettings, fit_to, follow_both_ways
from articulate.seeding.puppet.twins import twins_alike, twins_of

ARM = np.array([[0, 1], [1, 2]])


def puppet_of(longest=(22.0, 22.0)):
    return Puppet(ARM, np.array([1.2, 1.2]), np.array(longest))


def bent(angle):
    """Shoulder, elbow and wrist of an arm that bends by `angle`, with limbs of 20 pixels."""
    elbow = np.array([28.0, 32.0])
    return np.array([[8.0, 32.0], elbow, elbow + 20 * np.array([np.cos(angle), np.sin(angle)])])


def test_gradient_of_all_costs():
    pose, prior = bent(0.4) + np.array([[0.3, 1.2], [-0.7, 2.1], [1.4, -0.9]]), bent(0.5)
    puppet, outline = puppet_of((18.0, 19.0)), read_outline(drawn(bent(0.7), ARM))
    matrix, vector = np.zeros((6, 6)), np.zeros(6)

    def cost(points):
        return sum(
            assemble(
                points, ARM, puppet.triples, puppet.radii, puppet.longest, outline.pixels, 0.4, outline.depth,
                prior, np.full(3, 0.3), 1.0, 0.0, matrix, vector,
            )
        )  # fmt: skip

    cost(pose)
    found = 2 * vector.copy()
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-5
        number = (cost(pose + step.reshape(3, 2)) - cost(pose - step.reshape(3, 2))) / 2e-5
        assert found[i] == pytest.approx(number, rel=0.05, abs=0.1)  # samples along a limb move when it grows


def test_a_bent_arm_is_found_from_a_straight_one():
    true = bent(0.9)
    settings = TrackSettings(prediction=0.0, rounds=30)
    fit = fit_to(puppet_of(), read_outline(drawn(true, ARM)), bent(0.3), bent(0.3), settings)
    # A free end may stand out by half a width here; the polish that follows takes it back.
    assert np.linalg.norm(fit.pose - true, axis=1).max() < 2.0
    polished = polish(puppet_of(), fit.pose[None], drawn(true, ARM)[None], np.zeros(1, int))[0]
    assert np.linalg.norm(polished - true, axis=1).max() < 0.7


def test_an_arm_is_followed_both_ways_and_keeps_its_lengths():
    angles = np.linspace(-1.2, 1.2, 15)
    outlines = [read_outline(drawn(bent(a), ARM)) for a in angles]
    poses, costs = follow_both_ways(puppet_of((20.5, 20.5)), outlines, 7, bent(0.0), TrackSettings())
    true = np.array([bent(a) for a in angles])
    assert poses.shape == true.shape and len(costs) == 15
    assert np.linalg.norm(poses - true, axis=-1).max() < 2.0
    assert limb_lengths(poses, ARM).max() < 22.0


def test_a_straightened_joint_leaves_one_limb_between_its_neighbours():
    puppet, pose = straighten(puppet_of((20.0, 24.0)), np.array([bent(0.2)]), 1)
    assert puppet.edges.tolist() == [[0, 1]] and puppet.longest.tolist() == [44.0]
    np.testing.assert_array_equal(pose, np.array([bent(0.2)])[:, [0, 2]])


def test_the_joint_that_never_bends_goes():
    # Four limbs in a line; only the joint between the second and the third bends.
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    poses = []
    for angle in (0.9, 1.2, -1.1, 0.7):
        way = np.array([np.cos(angle), np.sin(angle)])
        elbow = np.array([32.0, 32.0])
        poses.append(np.array([[10.0, 32], [21, 32], elbow, elbow + 9 * way, elbow + 18 * way]))
    outlines = [read_outline(drawn(pose, edges)) for pose in poses]
    puppet = Puppet(edges, np.full(4, 1.2), np.array([12.0, 12, 10, 10]))
    pruned, kept = prune_joints(puppet, np.array(poses), outlines, np.arange(4), 3, TrackSettings(prediction=0.001))
    assert pruned.num_points == 3
    middle = int(pruned.triples[0, 1])
    assert np.linalg.norm(kept[:, middle] - [32, 32], axis=-1).max() < 1.5


def test_twins_hang_on_one_branch_and_are_built_alike():
    # Two legs of two limbs at point 1, an arm of one limb, a tail as long as a leg at the other end.
    edges = np.array([[0, 1], [1, 2], [2, 3], [1, 4], [4, 5], [1, 6], [0, 7], [0, 8]])
    puppet = Puppet(edges, np.ones(8), np.array([9.0, 10, 12, 11, 13, 4, 22, 3]))
    assert sorted(map(sorted, twins_of(puppet))) == [[(1, 2), (3, 4)]]
    alike = twins_alike(puppet)
    assert alike.longest.tolist() == [9.0, 10.5, 12.5, 10.5, 12.5, 4.0, 22.0, 3.0]
    assert sorted(joints_to_drop(puppet)[0]) == [2, 4]
