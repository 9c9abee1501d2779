"""The body-axis strategy: parts against independent answers, and a drawn animal whose landmarks are known."""

import heapq
import itertools

import numpy as np
import pytest
import torch
from drawn_bug import SIZE, drawn_animal, make_store

from articulate.data.store import ClipStore, StoreWriter
from articulate.evaluation.keypoints import match_keypoints, on_joint_scores
from articulate.seeding.body.axis import body_axis_seeds
from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.body.extremity_kernels import distance_within, peaks
from articulate.seeding.body.frame import BodyPose, body_from_image, body_pictures, image_from_body
from articulate.seeding.body.heading import viterbi_signs, walks_forward
from articulate.seeding.body.moments import body_moments
from articulate.seeding.body.outline import THICK, spread_ends, trunk_half_width, wide_parts
from articulate.seeding.body.template import congeal

SEARCH = BodyAxisConfig(network_steps=0)  # the network has tests of its own


@pytest.fixture(scope="module")
def bug(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipStore, torch.Tensor]:
    frames, masks, points, _ = drawn_animal(160, 0)
    store = make_store(tmp_path_factory.mktemp("bug") / "store", frames, masks)
    return store, torch.from_numpy((2 * points + 1) / SIZE - 1).float()


def test_landmarks_of_a_drawn_animal(bug: tuple[ClipStore, torch.Tensor]) -> None:
    store, truth = bug
    said: list[str] = []
    seeds = body_axis_seeds(store, 14, SEARCH, 0, said.append)
    assert seeds is not None and said
    assert seeds.xy.shape == (160, 14, 2) and seeds.xy.isfinite().all()
    assert seeds.confidence > 0.6
    scores = on_joint_scores(seeds.xy[80:], truth[80:], match=match_keypoints(seeds.xy[:80], truth[:80]))
    assert scores["error_body"] < 6
    # A tree over all keypoints: one limb fewer than keypoints, and connected.
    assert len(seeds.edges) == 13
    reached = {0}
    for _ in range(14):
        reached |= {b for a, b in seeds.edges.tolist() if a in reached} | {
            a for a, b in seeds.edges.tolist() if b in reached
        }
    assert reached == set(range(14))


def test_seeds_repeat_exactly(bug: tuple[ClipStore, torch.Tensor]) -> None:
    store, _ = bug
    one, two = (body_axis_seeds(store, 8, SEARCH, 3, lambda text: None) for _ in range(2))
    assert one is not None and two is not None
    assert torch.equal(one.xy, two.xy) and torch.equal(one.score, two.score) and torch.equal(one.edges, two.edges)


def test_an_animal_that_never_turns_is_said_to_have_no_axis(tmp_path) -> None:
    frames, masks, _, _ = drawn_animal(60, 1, circle=False)
    seeds = body_axis_seeds(make_store(tmp_path / "store", frames, masks), 9, SEARCH, 0, lambda text: None)
    assert seeds is not None
    assert "no body axis" in seeds.reason and seeds.confidence < 0.3
    assert seeds.xy.shape == (60, 9, 2) and seeds.xy.isfinite().all()


def test_a_store_without_masks_gives_none_and_says_why(tmp_path) -> None:
    back = np.tile([1.0, 0.0, 0.0], (3, 1))
    with (
        StoreWriter(tmp_path / "store", recipe="test", options={}, image_size=SIZE) as writer,
        writer.clip("bare", fps=30.0, source="none", source_size=(SIZE, SIZE), with_mask=False) as clip,
    ):
        clip.append(np.zeros((3, SIZE, SIZE, 3), np.uint8), np.arange(3), np.ones(3, bool), back, None)
    said: list[str] = []
    assert body_axis_seeds(ClipStore.open(tmp_path / "store"), 4, SEARCH, 0, said.append) is None
    assert "no foreground masks" in said[0]


def test_body_frame_round_trip() -> None:
    generator = np.random.default_rng(0)
    pose = BodyPose(generator.uniform(10, 50, (5, 2)), generator.uniform(-4, 4, 5), 20.0)
    points = generator.uniform(-1, 1, (5, 7, 2))
    np.testing.assert_allclose(body_from_image(image_from_body(points, pose), pose), points, atol=1e-12)
    # Forward is along the angle; right is a quarter turn from x towards y.
    ahead = image_from_body(
        np.array([[[1.0, 0.0], [0.0, 1.0]]]), BodyPose(np.zeros((1, 2)), np.array([np.pi / 2]), 3.0)
    )
    np.testing.assert_allclose(ahead[0], [[0, 3], [-3, 0]], atol=1e-12)


def test_body_pictures_do_not_depend_on_heading() -> None:
    frames, _, _, angle = drawn_animal(12, 2)
    pose = BodyPose(np.full((12, 2), SIZE / 2), angle, 30.0)
    still, _, _, _ = drawn_animal(12, 2)
    assert (frames == still).all()
    trunk = body_pictures(frames[..., 0], pose, 32)[:, 12:20, 8:24]
    assert np.abs(trunk - trunk.mean(0)).mean() < 25


def test_congealing_recovers_shift_and_turn() -> None:
    frames, _, points, angle = drawn_animal(60, 3)
    contrast = (frames[..., 0].astype(int) // 2 + 108).astype(np.uint8)
    true_centre = points[:, :2].mean(1)
    generator = np.random.default_rng(0)
    start = BodyPose(true_centre + generator.normal(0, 1.5, (60, 2)), angle + generator.normal(0, 0.12, 60), 30.0)
    found = congeal(contrast, start)

    def spread(pose: BodyPose) -> float:
        return float(body_from_image(points[:, :2], pose).std(0).max())

    assert spread(found) < 0.4 * spread(start)


def test_signs_are_the_best_of_all() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        unary, link = generator.normal(size=7), generator.normal(size=7)
        _, value = viterbi_signs(unary, link)
        best = max(
            sum(s[t] * unary[t] for t in range(7)) + sum(s[t] * s[t - 1] * link[t] for t in range(1, 7))
            for s in itertools.product((-1, 1), repeat=7)
        )
        assert value == pytest.approx(best)


def test_walking_forward() -> None:
    angle = np.linspace(0, 3, 50)
    centre = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], -1), 0)
    follows = np.arange(50) > 0
    assert walks_forward(centre, angle, follows) > 0.99
    assert walks_forward(centre, angle + np.pi, follows) < -0.99


def test_distance_within_a_bent_corridor() -> None:
    inside = np.zeros((9, 9), bool)
    inside[1, 1:8] = True
    inside[1:8, 7] = True
    distance, parent = distance_within(inside, 1, 1)
    expected = {}
    queue = [(0.0, (1, 1))]
    while queue:
        value, place = heapq.heappop(queue)
        if place in expected:
            continue
        expected[place] = value
        for dy, dx in itertools.product((-1, 0, 1), repeat=2):
            y, x = place[0] + dy, place[1] + dx
            if (dy or dx) and inside[y, x]:
                heapq.heappush(queue, (value + np.hypot(dy, dx), (y, x)))
    for place, value in expected.items():
        assert distance[place] == pytest.approx(value)
    assert distance[5, 3] == -1 and parent[1, 1] == -1


def test_peaks_of_a_cross_are_its_ends() -> None:
    inside = np.zeros((21, 21), bool)
    inside[10, 2:17] = True  # arms of 8 and 6 pixels
    inside[6:20, 10] = True  # arms of 4 and 9 pixels
    distance, _ = distance_within(inside, 10, 10)
    numbers, heights = peaks(distance, 2.0)
    ends = {divmod(int(n), 21) for n in numbers}
    assert ends == {(10, 2), (10, 16), (6, 10), (19, 10)}
    assert max(heights) == pytest.approx(9)


def test_moments_ignore_a_tail() -> None:
    mask = np.zeros((1, SIZE, SIZE), np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    mask[0][((x - 30) / 14) ** 2 + ((y - 32) / 8) ** 2 < 1] = 255
    bare = body_moments(mask, 0.5)
    mask[0][20:23, 40:63] = 255
    mask[0][20:32, 40:43] = 255
    tailed = body_moments(mask, 0.5)
    np.testing.assert_allclose(bare.centre[0], [30, 32], atol=0.5)
    np.testing.assert_allclose(tailed.centre[0], bare.centre[0], atol=1.5)
    assert abs(np.sin(tailed.angle[0])) < 0.2


def test_a_fat_leg_is_no_wide_part_and_a_spread_wing_has_a_tip() -> None:
    # Trunk of half width 8, a leg of half width 1.5 and a wing of half width 5 that sticks out to the right.
    y, x = np.mgrid[:SIZE, :SIZE]
    trunk = (np.abs(x - 32) <= 24) & (np.abs(y - 32) <= 8)
    leg = (np.abs(x - 48) <= 1.5) & (y < 32) & (y > 6)
    wing = (np.abs(x - 28) <= 5) & (y > 32) & (y < 62)
    pose = BodyPose(np.array([[32.0, 32.0]]), np.zeros(1), 32.0)
    solid = np.zeros((96, 96), bool)
    solid[36:61, 12:85] = True
    mask = np.where(trunk | leg | wing, 255, 0).astype(np.uint8)[None]
    wide = wide_parts(mask, THICK * trunk_half_width(solid, pose))
    assert not wide[0, 10:18, 48].any() and wide[0, 40:58, 28].all()
    ends, is_spread = spread_ends(wide, pose, solid)
    assert is_spread["rear_right"].all() and not is_spread["rear_left"].any()
    assert abs(ends["rear_right"][0, 1] - 61) <= 2 and abs(ends["rear_right"][0, 0] - 28) <= 6
    assert abs(ends["rear_left"][0, 0] - 8) <= 2  # nothing sticks out there but a leg: the end of the body
