"""Twins that were exchanged by mistake come back, and legs stay on the side of their arms."""

import numpy as np

from articulate.seeding.puppet.model import Puppet
from articulate.seeding.puppet.sides import settle_sides, twin_points

# A trunk 0 - 1; two arms of two limbs at 0, two legs of two limbs at 1; a head at 0.
EDGES = np.array([[0, 1], [0, 2], [2, 3], [0, 4], [4, 5], [1, 6], [6, 7], [1, 8], [8, 9], [0, 10]])
PUPPET = Puppet(EDGES, np.ones(10), np.array([20.0, 5, 9, 5, 9, 4, 14, 4, 14, 6]))
ARMS, LEGS = [[2, 3], [4, 5]], [[6, 7], [8, 9]]


def turning_walker(frames=60):
    """A figure that turns once about its height while its arms and legs swing."""
    t = np.arange(frames)
    turn, swing = 2 * np.pi * t / frames, 6 * np.sin(2 * np.pi * t / 20)
    poses = np.full((frames, 11, 2), 32.0)
    poses[:, 0, 1], poses[:, 1, 1], poses[:, 10, 1] = 20, 40, 14
    for (side, arm), leg in zip(((-1, ARMS[0]), (1, ARMS[1])), LEGS, strict=True):
        for points, half, top, length, phase in ((arm, 5.0, 20, 9, 1), (leg, 4.0, 40, 14, -1)):
            root = 32 + side * half * np.cos(turn)
            poses[:, points[0]] = np.stack([root, np.full(frames, top + 1.0)], -1)
            end = root + side * phase * swing * np.sin(turn)
            poses[:, points[1]] = np.stack([end, np.full(frames, top + 1.0 + length)], -1)
    return poses


def exchanged(poses, frames, pair):
    result = poses.copy()
    result[np.ix_(frames, pair[0] + pair[1])] = poses[np.ix_(frames, pair[1] + pair[0])]
    return result


def test_pairs_of_twins():
    assert sorted(sorted(p.tolist()) for p in twin_points(PUPPET)) == [ARMS, LEGS]


def test_an_exchange_in_the_middle_is_taken_back():
    true = turning_walker()
    wrong = exchanged(exchanged(true, np.arange(15, 45), ARMS), np.arange(30, 60), LEGS)
    found = settle_sides(PUPPET, wrong)
    mirrored = exchanged(exchanged(true, np.arange(60), ARMS), np.arange(60), LEGS)
    assert min(np.abs(found - true).max(), np.abs(found - mirrored).max()) == 0


def test_legs_follow_the_side_of_the_arms():
    true = turning_walker()
    found = settle_sides(PUPPET, exchanged(true, np.arange(60), LEGS))
    assert ((found[:, 4] - found[:, 2]) * (found[:, 8] - found[:, 6])).sum(-1).mean() > 0


def test_nothing_changes_without_twins():
    chain = Puppet(np.array([[0, 1], [1, 2]]), np.ones(2), np.ones(2))
    poses = np.random.default_rng(0).normal(size=(5, 3, 2))
    assert settle_sides(chain, poses) is poses
