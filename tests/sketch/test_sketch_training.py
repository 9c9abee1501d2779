"""Losses on drawings, the width schedule, and re-seeding of badly allocated keypoints."""

import math

import pytest
import torch

from articulate.errors import ConfigError
from articulate.sketch import (
    WidthSchedule,
    blurred_error,
    draw_tree,
    farthest_unexplained,
    gaussian_blur,
    plan_reseeding,
    pyramid_error,
    reseeding_error,
    stroke_cross_entropy,
)

STAR = torch.tensor([[0, 1], [0, 2], [0, 3]])


def test_blur_keeps_the_sum_and_spreads_by_sigma():
    image = torch.zeros(1, 1, 31, 31, dtype=torch.float64)
    image[0, 0, 15, 15] = 1.0
    blurred = gaussian_blur(image, 2.0)
    assert math.isclose(blurred.sum(), 1.0, rel_tol=1e-9)
    place = torch.arange(31, dtype=torch.float64) - 15
    assert math.isclose((blurred.sum((0, 1, 2)) * place.square()).sum(), 4.0, rel_tol=0.05)  # cut at three sigma


def test_errors_vanish_for_equal_drawings_and_order_unequal_ones():
    g = torch.Generator().manual_seed(0)
    target = torch.rand(2, 1, 16, 16, generator=g)
    other = (target + 0.2).clamp(max=1)
    for error in (lambda d: blurred_error(d, target, 1.0), lambda d: pyramid_error(d, target, 3)):
        assert error(target) == 0 < error(other)
    strokes = (target > 0.5).float()
    assert stroke_cross_entropy(strokes, strokes) < 2e-4 < stroke_cross_entropy(0.5 * strokes, strokes)


def test_missed_stroke_costs_more_than_stray_ink():
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1.0
    missed, stray = target.clone(), target.clone()
    missed[0, 0, 0, 0], stray[0, 0, 0, 3] = 0.0, 1.0
    assert math.isclose(stroke_cross_entropy(missed, target) / stroke_cross_entropy(stray, target), 4.0, rel_tol=1e-2)


def test_pyramid_refuses_more_levels_than_the_image_has():
    with pytest.raises(ConfigError, match="levels = 6"):
        pyramid_error(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), 6)


def test_width_falls_to_its_own():
    schedule = WidthSchedule(start=4.0, until=0.5)
    assert [schedule.factor(s) for s in (0.0, 0.25, 0.5, 1.0)] == [4.0, 2.0, 1.0, 1.0]


def test_farthest_pixel_is_the_tip_that_nothing_draws():
    points = torch.tensor([[[0.0, 0.0], [0.8, 0.0], [0.0, 0.8], [-0.8, 0.0]]])
    target = draw_tree(points, STAR, size=(40, 40), width=0.05)
    position, distance = farthest_unexplained(points, STAR[:2], target)
    assert (position - points[:, 3]).norm() < 0.1 and abs(float(distance) - 0.8) < 0.1


def test_the_doubled_keypoint_is_sent_to_the_missing_limb():
    tips = torch.tensor([[[0.0, 0.0], [0.8, 0.0], [0.0, 0.8], [-0.8, 0.0]]])
    target = draw_tree(tips, STAR, size=(40, 40), width=0.05)
    found = tips.clone()
    found[0, 3] = torch.tensor([0.4, 0.0])  # halfway along a limb that another keypoint draws already
    found.requires_grad_()
    plan = plan_reseeding(found.detach(), STAR, target, 0.05)
    assert plan is not None and plan.keypoint == 3
    reseeding_error(found, plan).backward()
    assert found.grad[0, 3, 0] > 0 and found.grad[0, :3].abs().max() == 0
    assert plan_reseeding(tips, STAR, target, 0.05) is None
