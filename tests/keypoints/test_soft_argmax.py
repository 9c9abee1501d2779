"""Soft-argmax: exact on Gaussians, blind to leaked mass, right at the border, differentiable; cleaned heatmaps."""

import pytest
import torch
from pydantic import ValidationError

from articulate.errors import ConfigError
from articulate.keypoints.detector import KeypointDetectorConfig
from articulate.keypoints.hourglass import Hourglass
from articulate.keypoints.soft_argmax import METHODS, draw_gaussians, read_heatmaps


def log_gaussians(xy: torch.Tensor, size: tuple[int, int], sigma: float, leak: float = 0.0) -> torch.Tensor:
    """Logits whose softmax is a Gaussian plus uniformly leaked mass."""
    mass = draw_gaussians(xy, size, sigma)
    mass = mass / mass.sum((-2, -1), keepdim=True)
    return ((1 - leak) * mass + leak / (size[0] * size[1])).clamp_min(1e-30).log()


def points(number: int, reach: float) -> torch.Tensor:
    return (torch.rand(number, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1) * reach


@pytest.mark.parametrize("method", METHODS)
def test_reads_gaussians_away_from_the_border(method: str) -> None:
    xy = points(20, 0.7)
    reading = read_heatmaps(log_gaussians(xy, (32, 48), 1.0), method=method)
    assert reading.xy.dtype == torch.float64
    assert (reading.xy - xy).abs().max() < 2e-4
    # Variance of a Gaussian of 1 px: (2 / 48)^2 and (2 / 32)^2 in frame units.
    expected = torch.tensor([[(2 / 48) ** 2, 0.0], [0.0, (2 / 32) ** 2]], dtype=torch.float64)
    assert (reading.covariance - expected).abs().max() < 2e-5
    assert reading.score.min() > 0.99


def test_leaked_mass_shrinks_plain_by_the_leak_and_leaves_the_window_alone() -> None:
    xy = points(20, 0.7)
    logits = log_gaussians(xy, (32, 32), 1.0, leak=0.3)
    assert torch.allclose(read_heatmaps(logits, method="plain").xy, 0.7 * xy, atol=1e-6)
    assert (read_heatmaps(logits, method="windowed").xy - xy).abs().max() < 2e-4
    assert (read_heatmaps(logits).score - 0.7).abs().max() < 0.05


def test_a_second_peak_does_not_pull() -> None:
    first, second = torch.tensor([[[-0.5, 0.0]]]).double(), torch.tensor([[[0.5, 0.0]]]).double()
    mass = 0.6 * draw_gaussians(first, (32, 32), 1.0) + 0.4 * draw_gaussians(second, (32, 32), 1.0)
    logits = mass.clamp_min(1e-30).log()
    assert abs(float(read_heatmaps(logits, method="plain").xy[0, 0, 0]) + 0.1) < 1e-6
    assert (read_heatmaps(logits).xy - first).abs().max() < 1e-3


def test_border_correction_beats_the_clipped_mean_tenfold() -> None:
    # One to two cells from the left edge of 32: x in [-1 + 2/32, -1 + 4/32].
    x = torch.linspace(-1 + 2 / 32, -1 + 4 / 32, 21, dtype=torch.float64)
    xy = torch.stack([x, torch.zeros_like(x)], -1)[:, None]
    logits = log_gaussians(xy, (32, 32), 1.0)
    clipped = (read_heatmaps(logits, method="windowed").xy - xy).norm(dim=-1).mean()
    corrected = (read_heatmaps(logits, method="corrected").xy - xy).norm(dim=-1).mean()
    assert corrected < 0.1 * clipped


def test_padding_is_a_margin_outside_the_frame() -> None:
    # A map of 40 with 4 cells of padding shows the frame of 32; cell 4 is the frame's first: (2 * 0 + 1) / 32 - 1.
    logits = torch.full((1, 1, 40, 40), -30.0)
    logits[0, 0, 20, 4] = 0
    assert torch.allclose(read_heatmaps(logits, padding=4).xy[0, 0], torch.tensor([1 / 32 - 1, 1 / 32]), atol=1e-3)
    logits[0, 0, 20, 0] = 30
    assert read_heatmaps(logits, padding=4, method="windowed").xy[0, 0, 0] < -1


@pytest.mark.parametrize("method", METHODS)
def test_gradient_is_finite_on_flat_peaked_and_huge_maps(method: str) -> None:
    for logits in (torch.zeros(1, 2, 16, 16), 1e4 * torch.rand(1, 2, 16, 16), torch.randn(1, 2, 16, 16)):
        logits = logits.requires_grad_()
        reading = read_heatmaps(logits, method=method)
        (reading.xy.sum() + reading.covariance.sum()).backward()
        assert torch.isfinite(reading.xy).all() and logits.grad is not None and torch.isfinite(logits.grad).all()


def test_a_logit_right_of_the_mode_pulls_right() -> None:
    logits = log_gaussians(torch.zeros(1, 1, 2), (16, 16), 1.0).requires_grad_()
    read_heatmaps(logits).xy[0, 0, 0].backward()
    assert logits.grad is not None and logits.grad[0, 0, 8, 9] > 0 > logits.grad[0, 0, 8, 5]


def test_drawing_equals_the_formula() -> None:
    xy = points(2, 1.0)
    drawn = draw_gaussians(xy, (12, 20), 1.3)
    x, y = (xy[1, 2, 0] + 1) * 10 - 0.5, (xy[1, 2, 1] + 1) * 6 - 0.5
    expected = torch.exp(-((3 - x) ** 2 + (7 - y) ** 2) / (2 * 1.3**2))
    assert torch.allclose(drawn[1, 2, 7, 3], expected)
    assert torch.allclose(draw_gaussians(-xy, (12, 20), 1.3), drawn.flip(-1, -2))


def test_unknown_method_and_temperature_are_refused() -> None:
    with pytest.raises(ValidationError, match="'plain', 'windowed' or 'corrected'"):
        KeypointDetectorConfig(num_keypoints=3, method="fancy")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="keypoint_count"):
        KeypointDetectorConfig(keypoint_count=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="above 0"):
        read_heatmaps(torch.zeros(1, 1, 8, 8), temperature=0.0)


@pytest.mark.parametrize("skip", ["full", "half"])
def test_hourglass_keeps_the_size_and_has_the_layers_of_the_source(skip: str) -> None:
    net = Hourglass(7, channels=1, skip=skip)
    assert net(torch.rand(2, 1, 28, 20)).shape == (2, 7, 28, 20)
    layers = [(c.in_channels, c.out_channels) for c in net.children()]
    assert layers == [(1, 20), (20, 48), (48, 64), (48, 48), (64, 64), (64, 64), (64, 48), (48, 20), (20, 7)]
    with pytest.raises(ConfigError, match="30 x 28.*divisible by 4"):
        net(torch.rand(1, 1, 30, 28))


def test_hourglass_width_scales_channels_and_every_layer_gets_a_gradient() -> None:
    net = Hourglass(3, width=0.5)
    assert net.conv2.out_channels == 24
    net(torch.rand(1, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
