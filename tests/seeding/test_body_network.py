"""The network that corrects seeds: its targets and readings by closed form, and seeds with errors that it mends."""

import numpy as np
import pytest
import torch
from drawn_bug import SIZE, drawn_animal

from articulate.seeding.body import refine as body_refine
from articulate.seeding.body.assembly import Figure
from articulate.seeding.body.frame import BodyPose
from articulate.seeding.body.network import CELLS, BodyNetwork, read_maps, target_maps
from articulate.seeding.body.pictures import BodyPictures, levels_of, within
from articulate.seeding.body.refine import refined


def test_reading_a_target_gives_the_point_back() -> None:
    points = torch.tensor([[[0.0, 0.0], [0.51, -0.33], [-0.7, 0.2]]])
    maps = target_maps(points)
    torch.testing.assert_close(maps.sum(-1), torch.ones(1, 3))
    found, mass = read_maps(maps.log().unflatten(-1, (CELLS, CELLS)))
    assert (found - points).abs().max() < 0.01  # the window is cut at two deviations
    assert mass.min() > 0.9


def test_swapped_legs_and_a_wrong_heading_are_mended() -> None:
    frames, mask, points, angle = drawn_animal(160, 0)
    grey = levels_of(frames, mask)
    rows = np.arange(160)
    pictures = BodyPictures(rows, rows > 0, mask, within(grey, mask), grey)
    seeds, wrong = points.copy(), np.random.default_rng(0).random(160) < 0.2
    seeds[wrong] = seeds[wrong][:, [0, 1, 3, 2, 4, 5, 6, 7]]  # two feet of one side change places
    flipped = (rows >= 60) & (rows < 66)  # for a while the head is taken for the tail
    centre = points[:, :2].mean(1)
    pose = BodyPose(centre, angle + np.pi * flipped, 30.0)
    seeds[flipped] = 2 * centre[flipped, None] - seeds[flipped]
    mirror = np.array([0, 1, 5, 6, 7, 2, 3, 4])
    figure = Figure(
        seeds, np.ones((160, 8)), np.zeros((0, 2), np.int64), 6, mirror, np.arange(8) < 2, np.zeros((160, 8), bool)
    )
    quality = np.where(flipped, 0.2, 1.0) + 0.01 * np.random.default_rng(1).standard_normal(160)
    result = refined(pictures, pose, quality, figure, 90, 3.0, np.random.default_rng(0))

    def misses(found: np.ndarray) -> float:
        return float((np.linalg.norm(found - points, axis=-1) > 0.1 * SIZE).mean())

    assert misses(seeds) > 0.05 and misses(result.points) < 0.01
    assert np.linalg.norm(result.points[flipped] - points[flipped], axis=-1).mean() < 0.05 * SIZE


def test_what_the_outline_leaves_no_doubt_about_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    count, size = 40, 32
    points = np.full((count, 2, 2), 10.0)
    evident = np.zeros((count, 2), bool)
    evident[5:9, 1] = True  # a wing that is seldom spread, of which the network has learned nothing
    free, mirror = np.zeros(2, bool), np.array([0, 1])
    figure = Figure(points, np.ones((count, 2)), np.zeros((0, 2), np.int64), 0, mirror, free, evident)
    picture = np.full((count, size, size), 255, np.uint8)
    pictures = BodyPictures(np.arange(count), np.arange(count) > 0, picture, picture, picture)
    elsewhere = np.full((count, 2, 2), 20.0), np.ones((count, 2))
    taught: list[np.ndarray] = []

    def teach(frames: object, points: np.ndarray, weight: np.ndarray, *rest: object) -> BodyNetwork:
        taught.append(weight)
        return BodyNetwork(2)

    monkeypatch.setattr(body_refine, "taught_network", teach)
    monkeypatch.setattr(body_refine, "read_network", lambda *given: elsewhere)
    pose = BodyPose(np.full((count, 2), 16.0), np.zeros(count), 16.0)
    result = refined(pictures, pose, np.where(evident[:, 1], 0.6, 0.97), figure, 2, 3.0, np.random.default_rng(0))
    np.testing.assert_array_equal(result.points[evident], points[evident])
    np.testing.assert_array_equal(result.points[~evident], 20.0)
    assert all(weight[evident].all() for weight in taught), "they teach, although such frames look unlike the others"
