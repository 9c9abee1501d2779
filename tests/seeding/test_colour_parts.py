"""Parts by colour: shading does not matter, mixtures at seams are no parts."""

import numpy as np

from articulate.seeding.parts.colour import (
    UNSURE,
    chromaticity,
    drop_specks,
    find_colour_parts,
    foreground_colours,
    label_pixels,
)
from articulate.seeding.parts.contacts import contact_share, fill_unsure, find_contacts

RED, GREEN, BLUE = np.array([0.9, 0.2, 0.2]), np.array([0.2, 0.8, 0.3]), np.array([0.2, 0.3, 0.9])


def striped(num_frames=4, size=32):
    """Three shaded stripes side by side, their seams one mixed pixel wide, on grey."""
    image = np.full((num_frames, size, size, 3), 0.5)
    mask = np.zeros((num_frames, size, size), np.uint8)
    shade = np.linspace(0.5, 1.0, size)[:, None, None]
    for start, colour in ((4, RED), (12, GREEN), (20, BLUE)):
        image[:, 4:28, start : start + 8] = (shade * colour)[4:28]
    for seam in (12, 20):
        image[:, :, seam] = (image[:, :, seam - 1] + image[:, :, seam + 1]) / 2
    mask[:, 4:28, 4:28] = 255
    return np.rint(255 * image).astype(np.uint8), mask


def test_chromaticity_does_not_see_brightness():
    shades = np.array([0.2, 0.5, 1.0])[:, None] * RED
    assert np.allclose(chromaticity(shades), chromaticity(RED[None]))
    assert np.allclose(chromaticity(np.full((1, 3), 0.4)), 0.0)


def test_three_stripes_are_three_parts_and_seams_are_none():
    frames, masks = striped()
    chroma = chromaticity(foreground_colours(frames, masks)).astype(np.float32)
    parts = find_colour_parts(chroma, masks > 140)
    assert len(parts.centres) == 3
    labels = label_pixels(parts, chroma, masks > 140)
    assert (labels[:, 4:28, 12] == UNSURE).all() and (labels[:, 4:28, [8, 16, 24]] >= 0).all()
    left, middle, right = labels[0, 10, [8, 16, 24]]
    share = contact_share(find_contacts(fill_unsure(np.concatenate([labels, labels])), 3))
    assert share[left, middle] == share[middle, right] == 1.0 and share[left, right] == 0.0


def test_the_rim_of_the_body_is_cleared_of_the_background():
    frames = np.full((1, 8, 8, 3), 128, np.uint8)
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[0, 2:6, 2:6] = 255
    masks[0, 2:6, 2] = 153  # three fifths body
    frames[0, 2:6, 2:6] = np.rint(255 * RED)
    frames[0, 2:6, 2] = np.rint(0.6 * 255 * RED + 0.4 * 128)
    found = foreground_colours(frames, masks)
    assert np.abs(found[0, 3, 2] - RED).max() < 0.02


def test_a_small_limb_has_its_own_colour_beside_a_large_one_of_nearly_the_same():
    rng = np.random.default_rng(0)
    violet, pink = np.array([0.18, -0.16]), np.array([0.235, -0.09])  # 0.09 apart
    chroma = np.tile(violet, (4, 32, 32, 1))
    chroma[:, 8:28, 8:14] = pink  # one pixel for eight
    chroma += rng.normal(scale=0.005, size=chroma.shape)
    parts = find_colour_parts(chroma.astype(np.float32), np.ones((4, 32, 32), bool))
    assert len(parts.centres) == 2
    assert min(np.linalg.norm(parts.centres - pink, axis=1)) < 0.02


def test_a_rugged_streak_of_one_colour_is_one_part():
    rng = np.random.default_rng(0)
    paler = np.repeat(rng.uniform(0.5, 1.0, (4, 8, 8, 1)), 4, axis=1).repeat(
        4, axis=2
    )  # blocks, as video is compressed
    chroma = paler * np.array([0.5, 0.3]) + rng.normal(scale=0.005, size=(4, 32, 32, 2))
    parts = find_colour_parts(chroma.astype(np.float32), np.ones((4, 32, 32), bool))
    assert len(parts.centres) <= 2


def test_a_piece_cut_off_by_a_limb_in_front_is_kept_and_a_thin_one_is_not():
    labels = np.zeros((1, 12, 12), np.int64)
    labels[0, :, 7] = 1  # an arm before the chest
    labels[0, :, 10:] = 1
    labels[0, 5:, 8:10] = 1  # what is left beyond it is two pixels wide
    wide = labels.copy()
    wide[0, :3, 8:11] = 0
    drop_specks(labels)
    drop_specks(wide)
    assert (labels[0, :5, 8:10] == UNSURE).all()
    assert (wide[0, :3, 8:11] == 0).all()
    assert (labels[0, :, :7] == 0).all()
