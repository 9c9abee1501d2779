"""A drawn worm that curls while it crawls: its points are found and keep their order from head to tail."""

import numpy as np
import torch
from drawn_bug import make_store

from articulate.evaluation.keypoints import match_keypoints, on_joint_scores
from articulate.seeding.body.axis import body_axis_seeds
from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.body.line import held_share, is_line

SIZE, POINTS = 64, 9


def drawn_worm(num_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, masks and points (pixels, head first) of a tube whose bend wanders; it faces every direction."""
    generator = np.random.default_rng(seed)
    share = np.linspace(0, 1, 60)
    frames = np.full((num_frames, SIZE, SIZE, 3), 40, np.uint8)
    masks, truth = np.zeros((num_frames, SIZE, SIZE), np.uint8), np.zeros((num_frames, POINTS, 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    for t in range(num_frames):
        bend = 2.2 * np.sin(2 * np.pi * (share - t / 25)) * np.sin(t / 40)
        angle = 2 * np.pi * t / num_frames + bend
        line = -np.cumsum(np.stack([np.cos(angle), np.sin(angle)], -1), 0) * 44 / 60
        line += SIZE / 2 - line.mean(0) + generator.normal(0, 0.5, 2)
        far = np.hypot(x[..., None] - line[:, 0], y[..., None] - line[:, 1])
        inside = (far < 2.8 - 0.8 * share).any(-1)  # a little thinner towards the tail
        masks[t] = np.where(inside, 255, 0)
        frames[t][inside] = 180
        frames[t][(far[..., :10] < 2.5).any(-1)] = 230  # a bright head
        truth[t] = line[np.linspace(0, 59, POINTS).round().astype(int)]
    return frames, masks, truth


def test_points_of_a_worm(tmp_path) -> None:
    frames, masks, points = drawn_worm(160, 0)
    assert is_line(masks)
    store = make_store(tmp_path / "store", frames, masks)
    said: list[str] = []
    seeds = body_axis_seeds(store, POINTS, BodyAxisConfig(), 0, said.append)
    assert seeds is not None and "a line that bends" in said[0] and seeds.confidence > 0.6
    truth = torch.from_numpy((2 * points + 1) / SIZE - 1).float()
    match = match_keypoints(seeds.xy[:80], truth[:80])
    assert match.tolist() in (list(range(POINTS)), list(range(POINTS))[::-1])
    assert on_joint_scores(seeds.xy[80:], truth[80:], match=match)["error_body"] < 6
    assert seeds.edges.tolist() == [[k, k + 1] for k in range(POINTS - 1)]


def test_a_body_with_legs_is_no_line() -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    trunk = ((x - 32) / 14) ** 2 + ((y - 32) / 5) ** 2 < 1
    legs = (np.abs(y - 32) < 18) & (np.isin(x, (24, 25, 32, 33, 40, 41)))
    tail = (np.abs(y - 32) < 1) & (x < 32)
    for mask in (trunk, trunk | legs, trunk | tail):
        assert not is_line(np.repeat(np.where(mask, 255, 0).astype(np.uint8)[None], 30, 0))


def test_what_is_held_at_one_end_is_told_from_what_crawls() -> None:
    generator = np.random.default_rng(0)
    angle = generator.normal(0, 0.4, (200, 6)).cumsum(1)
    line = np.stack([np.cos(angle), np.sin(angle)], -1).cumsum(1)
    clip = np.arange(200) // 100
    base = np.where(clip == 0, 3.0, 8.0)[:, None, None]  # another place in the other clip
    held = base + np.concatenate([np.zeros((200, 1, 2)), line], 1)
    turned = np.where(generator.random(200) < 0.5, -1, 1)
    held[turned < 0] = held[turned < 0, ::-1]  # which end is the first does not matter
    assert held_share(held, clip) > 0.99
    walk = generator.normal(0, 0.5, (200, 1, 2)).cumsum(0)
    assert held_share(held + walk, clip) < 0.55
