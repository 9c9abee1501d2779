"""Pixels too far from their part are dropped, where it is covered too; a part in two places keeps both."""

import numpy as np

from articulate.seeding.parts.colour import OUTSIDE, UNSURE
from articulate.seeding.parts.strays import drop_strays, measures

SIZE, FRAMES = 32, 20
CLIP = np.zeros(FRAMES, np.int64)


def walking_limb() -> np.ndarray:
    """A bar of four by two pixels that moves one pixel a frame to the right."""
    labels = np.full((FRAMES, SIZE, SIZE), OUTSIDE)
    for t in range(FRAMES):
        labels[t, 4:8, t : t + 2] = 0
    return labels


def test_pixels_across_the_body_are_dropped_even_where_nothing_else_shows():
    labels = walking_limb()
    truth = labels.copy()
    labels[3, 25:27, 20] = 0  # beside the part in full
    labels[10:13] = OUTSIDE
    labels[11, 28, 10:13] = 0  # and where it is covered
    truth[10:13] = OUTSIDE
    truth[3, 25:27, 20], truth[11, 28, 10:13] = UNSURE, UNSURE
    drop_strays(labels, CLIP, 2)  # the second part shows nowhere
    assert np.array_equal(labels, truth)


def test_what_peeps_out_of_a_cover_is_kept_as_far_as_the_part_may_have_moved():
    labels = walking_limb()
    labels[10:16] = OUTSIDE
    labels[13, 5, 13 + 2], labels[12, 4, 12 + 6] = 0, 0
    kept = labels.copy()
    drop_strays(labels, CLIP, 1)
    assert np.array_equal(labels, kept)


def test_a_part_that_always_shows_in_two_places_keeps_both():
    labels = walking_limb()
    labels[:, 25:28, 3:5] = 0
    kept = labels.copy()
    drop_strays(labels, CLIP, 1)
    assert np.array_equal(labels, kept)


def test_a_clip_that_never_shows_the_part_well_stays_as_it_is():
    labels = np.concatenate([walking_limb(), np.full((2, SIZE, SIZE), OUTSIDE)])
    labels[-1, 30, 1] = 0
    kept = labels.copy()
    drop_strays(labels, np.append(CLIP, [1, 1]), 1)
    assert np.array_equal(labels, kept)


def test_measures_are_those_of_every_part_alone():
    draw = np.random.default_rng(0)
    frame, part = draw.integers(0, 3, 60), draw.integers(0, 4, 60)
    frame[part == 2] = 1
    place = draw.uniform(0, 9, (60, 2))
    count, middle, extent = measures(frame, part, place, 3, 4)
    for t in range(3):
        for p in range(4):
            own = place[(frame == t) & (part == p)]
            assert count[t, p] == len(own)
            if len(own):
                assert np.allclose(middle[t, p], np.sort(own, axis=0)[(len(own) - 1) // 2])
                assert np.isclose(extent[t, p], np.linalg.norm(np.ptp(own, axis=0) + 1))
            else:
                assert np.isnan(extent[t, p])
