"""Foreground: the empty scene, flicker, shadows, touching animals, and the decision between scene and colour."""

import numpy as np
import pytest

from articulate.data.foreground.appearance import border_colour, scene_difference
from articulate.data.foreground.background import RunningBackground, gain, occupied_share, temporal_median
from articulate.data.foreground.components import Thresholds, bodies, otsu, subject
from articulate.data.foreground.crop import SquareBox, consecutive_runs, following, take, whole
from articulate.data.foreground.model import fit_foreground, padding
from articulate.data.probe import probe
from articulate.errors import DataError
from articulate.video import VideoWriter


def disc(centre, radius=8, size=64, level=40, ground=200, noise=0) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), float(ground))
    image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = level
    image += np.random.default_rng(noise).normal(0, 2, image.shape)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def wandering(count=40) -> list[np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [disc((32 + 20 * np.cos(a), 32 + 20 * np.sin(a)), noise=i) for i, a in enumerate(angles)]


def test_median_shows_the_empty_scene():
    assert np.abs(temporal_median(wandering(), rows=10).astype(int) - 200).max() < 8


def test_wandering_subject_and_followed_subject_are_told_apart():
    assert occupied_share(wandering()) < 0.1
    # A subject that turns in the middle of a crop that follows it.
    turning = [disc((32 + 6 * np.cos(a), 32 + 6 * np.sin(a)), 14) for a in np.linspace(0, 6.28, 40)]
    assert occupied_share(turning) > 0.3
    assert fit_foreground(wandering()).method == "median" and fit_foreground(turning).method == "colour_key"
    assert fit_foreground(turning).colour.polarity == -1


def test_flicker_is_taken_out():
    scene = disc((-99, -99))
    darker = (disc((30, 30), noise=1) * 0.8).astype(np.uint8)
    np.testing.assert_allclose(gain(darker.astype(np.float32), scene.astype(np.float32)), 0.8, atol=0.02)
    difference = scene_difference(darker, scene)
    assert np.percentile(difference[:15], 99) < 12 and difference[30, 30] > 90


def test_a_coloured_shadow_counts_little_and_a_coloured_subject_fully():
    scene = np.tile(np.array([180, 140, 90], np.uint8), (40, 40, 1))
    image = scene.copy()
    image[5:15, 5:15] = (scene[5:15, 5:15] * 0.7).astype(np.uint8)
    image[25:35, 25:35] = [60, 120, 160]
    difference = scene_difference(image, scene)
    assert difference[10, 10] < 15 and difference[30, 30] > 100


def test_touching_animals_are_cut_and_the_expected_one_is_kept():
    image = np.maximum(
        200 - disc((20, 32), 11, ground=200, level=20).mean(2), 200 - disc((44, 32), 11, level=20).mean(2)
    )
    image[31:34, 28:38] = 150  # they touch
    limits = Thresholds(20.0, 90.0)
    assert bodies(image, limits)[1] == 2
    for x in (20, 44):
        mask, centre, count = subject(image, limits, np.array([x, 32.0]))
        assert count == 2 and abs(centre[0] - x) < 2 and mask[32, x] == 255 and mask[32, 64 - x] == 0
        assert abs((mask > 0).sum() / (np.pi * 121) - 1) < 0.15


def test_a_spread_wing_is_no_second_animal():
    image = np.zeros((64, 64))
    image[20:50, 10:30] = 150
    image[30:32, 30:38] = 60  # the hinge is thin and faint
    image[26:38, 38:58] = 150  # a wing of 0.4 of the body's area
    mask, centre, count = subject(image, Thresholds(20.0, 90.0), np.array([20.0, 35.0]))
    assert count == 1 and mask[32, 50] > 0 and abs(centre[0] - 19.5) < 2
    image[26:38, 38:64] = 150  # reaching over the edge, it is another animal
    mask, _, count = subject(image, Thresholds(20.0, 90.0), np.array([20.0, 35.0]))
    assert count == 2 and mask[32, 50] == 0


def test_thin_limbs_hang_on_the_body():
    image = np.zeros((64, 64))
    image[24:40, 24:40] = 150
    image[31, 40:60] = 30  # a faint leg
    image[5, 5:20] = 30  # a faint scratch on the floor
    mask, centre, count = subject(image, Thresholds(15.0, 80.0))
    assert count == 1 and mask[31, 59] > 0 and mask[5, 10] == 0 and abs(centre[0] - 31.5) < 1


def test_nothing_in_view():
    mask, centre, count = subject(np.zeros((20, 20)), Thresholds(10.0, 50.0))
    assert count == 0 and centre is None and not mask.any()


def test_running_background_follows_slow_light():
    running = RunningBackground(np.full((8, 8, 3), 100, np.uint8), rate=0.5)
    subject_mask = np.zeros((8, 8), bool)
    subject_mask[0, 0] = True
    for _ in range(60):
        running.update(np.full((8, 8, 3), 120, np.uint8), subject_mask)
    assert running.image[4, 4, 0] == 120 and running.image[0, 0, 0] == 100


def test_otsu_between_two_levels():
    values = np.concatenate([np.full(300, 10.0), np.full(100, 90.0)])
    assert 10 < otsu(values) < 90


def test_border_colour_ignores_a_second_animal_at_the_border():
    frames = [disc((32, 32), 14, level=180, ground=5) for _ in range(4)]
    frames[0][:20, :5] = 180
    found = border_colour(frames)
    assert abs(found.colour.mean() - 5) < 3 and found.polarity == 1


@pytest.mark.parametrize("box", [SquareBox(3, 5, 32), SquareBox(-8, 40, 48)])
def test_crop_and_its_way_back(box):
    image = np.zeros((64, 64, 3), np.uint8)
    image[47:51, 19:23] = 255  # centre (20.5, 48.5)
    crop = take(image, box, 24)
    weight = crop[..., 0].astype(float)
    y, x = np.mgrid[:24, :24]
    scale, x0, y0 = box.source_from_store(24)
    if box.y0 == 40:
        centre = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(scale * (centre + 0.5) - 0.5 + [x0, y0], [20.5, 48.5], atol=0.1)
    else:
        assert weight.sum() == 0  # outside this box


def test_boxes_have_one_side_and_do_not_smooth_over_jumps():
    frames = np.concatenate([np.arange(20), 500 + np.arange(20)])
    runs = consecutive_runs(frames)
    assert runs == [slice(0, 20), slice(20, 40)]
    centres = np.concatenate([np.full((20, 2), 30.0), np.full((20, 2), 90.0)])
    centres[5] = np.nan
    boxes = following(centres, np.full(40, 10.0), runs, 128, 128)
    assert (
        {b.side for b in boxes} == {23} and boxes[5] == boxes[0] and boxes[19].x0 == boxes[0].x0 and boxes[20].x0 == 79
    )


def test_probe_warns_before_training(tmp_path):
    with VideoWriter(tmp_path / "still.mp4", 25) as writer:
        for _ in range(20):
            writer.write(disc((32, 32)))
    with VideoWriter(tmp_path / "walk.mp4", 25) as writer:
        for frame in wandering():
            writer.write(np.minimum(frame, disc((10, 10), 7)))
    report = probe([str(tmp_path / "still.mp4"), str(tmp_path / "walk.mp4")])
    assert any(text.startswith("still.mp4: almost nothing moves") for text in report.warnings)
    assert any("only 20 frames" in text for text in report.warnings)
    assert not any(text.startswith("walk.mp4: almost nothing") for text in report.warnings)
    assert report.clips[1].method == "median" and 0.02 < report.clips[1].area < 0.12
    assert report.lines()[-1].startswith("suggested: data.size=64")
    with pytest.raises(DataError, match="absent"):
        probe([str(tmp_path / "absent.mp4")])


def video_of_no_plain_ground(path) -> str:
    # A part turns on the spot before a ramp of light: neither an empty scene nor one background colour.
    ramp = np.tile(np.linspace(20, 235, 64, dtype=np.uint8)[None, :, None], (48, 1, 3))
    with VideoWriter(path, 25) as writer:
        for t in range(30):
            frame = ramp.copy()
            frame[10:38, 20:44] = 255 if t % 2 else 0
            writer.write(frame)
    return str(path)


def test_a_mask_of_the_whole_view_is_said(tmp_path):
    report = probe([video_of_no_plain_ground(tmp_path / "spot.mp4")])
    assert any("covers" in text and "`data.mask`" in text for text in report.warnings)
    assert "data.mask=" in report.lines()[-1]


def test_padding_has_the_colour_of_the_background():
    frame = np.full((20, 40, 3), 200, np.uint8)
    frame[5:15, 15:25] = 30
    model = fit_foreground([frame] * 6, "colour_key", (200, 190, 180))
    assert padding(model, frame) == (200, 190, 180)
    padded = take(frame, whole(40, 20), 40, padding(model, frame))
    mask = model.subject(padded, np.array([20.0, 20.0]))[0]
    assert (mask > 0)[10:30].any() and not mask[:9].any() and not mask[31:].any()


def test_probe_on_a_fly_followed_by_its_crop(shared_data):
    report = probe([str(shared_data / "fly24_pair" / "fly1.mp4")])
    assert report.clips[0].method == "colour_key"
    assert any("background moves" in text for text in report.warnings)
    assert any("several subjects" in text for text in report.warnings)
