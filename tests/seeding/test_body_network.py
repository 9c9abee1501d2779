"""The network that corrects seeds: its targets and readings by closed form, and seeds with errors that it mends."""

import numpy as np
import torch
from drawn_bug import SIZE, drawn_animal

from articulate.seeding.body_assembly import Figure
from articulate.seeding.body_frame import BodyPose
from articulate.seeding.body_network import CELLS, read_maps, target_maps
from articulate.seeding.body_pictures import BodyPictures, levels_of, within
from articulate.seeding.body_refine import refined


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
    figure = Figure(seeds, np.ones((160, 8)), np.zeros((0, 2), np.int64), 6, mirror, np.arange(8) < 2)
    quality = np.where(flipped, 0.2, 1.0) + 0.01 * np.random.default_rng(1).standard_normal(160)
    result = refined(pictures, pose, quality, figure, 90, 3.0, np.random.default_rng(0))

    def misses(found: np.ndarray) -> float:
        return float((np.linalg.norm(found - points, axis=-1) > 0.1 * SIZE).mean())

    assert misses(seeds) > 0.05 and misses(result.points) < 0.01
    assert np.linalg.norm(result.points[flipped] - points[flipped], axis=-1).mean() < 0.05 * SIZE
