"""Which way is up in a picture of a motion."""

import dataclasses

import numpy as np
import torch

from articulate.export.viewpoint import view_of
from articulate.lifting.in_plane import seen_from_above


def bodies(angles: np.ndarray) -> np.ndarray:
    """A long body, five points, at the given angles in the picture."""
    body = np.stack([np.linspace(-1, 1, 5), [0.1, -0.1, 0.2, -0.1, 0.1]], -1)
    c, s = np.cos(angles), np.sin(angles)
    turn = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return np.einsum("tij,kj->tki", turn, body)


def test_a_body_that_points_everywhere_is_seen_from_above():
    generator = np.random.default_rng(0)
    assert seen_from_above(bodies(generator.uniform(0, 2 * np.pi, 300)))
    assert not seen_from_above(bodies(generator.normal(1.4, 0.3, 300)))
    # Facing left or right is one direction of the long axis.
    assert not seen_from_above(bodies(np.repeat([0.0, np.pi], 50)))
    assert not seen_from_above(np.full((4, 5, 2), np.nan))


def test_from_above_the_line_of_sight_becomes_down(result):
    upright = view_of(result)
    assert not upright.from_above and upright.poses.shape == (80, 7, 3)
    generator = np.random.default_rng(1)
    xy = torch.from_numpy(bodies(generator.uniform(0, 2 * np.pi, 80))).float().repeat(1, 2, 1)[None, :, :7]
    turned = view_of(dataclasses.replace(result, tracks=dataclasses.replace(result.tracks, xy=xy)))
    assert turned.from_above
    assert np.allclose(turned.poses[..., 1], upright.poses[..., 2])
    # A rotation, no reflection: the handedness of three bones stays.
    assert np.allclose(np.linalg.det(turned.poses[:, :3]), np.linalg.det(upright.poses[:, :3]))
    assert view_of(dataclasses.replace(result, motion=None)) is None
