"""Evaluations of a detector: known answers on keypoints that do or do not carry the label."""

import math

import pytest
import torch

from articulate.errors import DataError
from articulate.evaluation.detector import (
    action_accuracy,
    class_accuracy,
    heatmap_elongation,
    landmark_regression_error,
    occlusion_error,
    rotation_error,
)
from articulate.keypoints.soft_argmax import draw_gaussians
from articulate.seeds import torch_generator


def test_class_from_keypoints_that_carry_it_and_from_noise() -> None:
    generator = torch_generator(0, "class")
    label = torch.randint(4, (1200,), generator=generator)
    xy = 0.1 * torch.randn(1200, 3, 2, generator=generator)
    noise = class_accuracy(xy[:1000], label[:1000], xy[1000:], label[1000:], generator, epochs=3)
    assert noise < 0.4
    xy[:, 0, 0] += label * 0.4
    told = class_accuracy(xy[:1000], label[:1000], xy[1000:], label[1000:], generator, epochs=10)
    assert told > 0.9


def test_action_needs_the_order_of_frames() -> None:
    generator = torch_generator(0, "action")
    label = torch.randint(2, (240,), generator=generator)
    angle = torch.linspace(0, 2 * math.pi, 16) * (2 * label[:, None] - 1) + 6.28 * torch.rand(
        240, 1, generator=generator
    )
    xy = torch.stack([angle.cos(), angle.sin()], -1)[:, :, None]
    assert action_accuracy(xy[:200], label[:200], xy[200:], label[200:], generator, epochs=15, hidden=24) > 0.9


def test_linear_regression_recovers_a_linear_map_and_says_when_it_cannot() -> None:
    generator = torch_generator(0, "regression")
    xy = torch.rand(200, 3, 2, generator=generator)
    landmarks = xy[:, :2] @ torch.tensor([[0.5, 0.1], [0.2, 0.7]]) + 0.1
    assert landmark_regression_error(xy[:100], landmarks[:100], xy[100:], landmarks[100:], ridge=1e-9) < 1e-3
    landmarks[:, 1] = float("nan")
    with pytest.raises(DataError, match="landmark 1 is labelled in 0 frames"):
        landmark_regression_error(xy[:100], landmarks[:100], xy[100:], landmarks[100:])


def test_elongation_of_known_gaussians() -> None:
    x = torch.arange(33, dtype=torch.float64) - 16
    round_, long = -(x**2 + x[:, None] ** 2) / 4, -(x**2 / 8 + x[:, None] ** 2 / 2)
    ratio = heatmap_elongation(torch.stack([round_, long])[None])
    # Variances 2 and 2; 4 and 1.
    assert torch.allclose(ratio, torch.tensor([1.0, 4.0]).double(), atol=0.01)


def brightest(images: torch.Tensor) -> torch.Tensor:
    """Centre of brightness as the only keypoint."""
    mass = images.mean(1)
    mass = mass / mass.sum((-2, -1), keepdim=True)
    axis = (2 * torch.arange(images.shape[-1]) + 1) / images.shape[-1] - 1
    return torch.stack([mass.sum(-2) @ axis, mass.sum(-1) @ axis], -1)[:, None]


def test_robustness_of_a_detector_that_follows_and_one_that_does_not() -> None:
    images = draw_gaussians(torch.rand(6, 1, 2, generator=torch_generator(0, "r")) - 0.5, (32, 32), 2.0)
    angles = [0.0, math.pi / 2, 1.0]
    assert max(rotation_error(brightest, images, angles).values()) < 0.5
    fixed = torch.tensor([[[0.5, 0.0]]]).expand(6, 1, 2)
    # A point that stays at (0.5, 0) is 0.5 * sqrt(2) away from where a quarter turn takes it: 35 % of the side.
    assert rotation_error(lambda _: fixed, images, angles)[math.pi / 2] == pytest.approx(35.36, abs=0.01)
    assert occlusion_error(lambda _: fixed, images, 0.3, torch_generator(1, "o")) == 0
