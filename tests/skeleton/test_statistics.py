"""Limb statistics: equal to NumPy, to themselves however the frames are split, and honest about noise and gaps."""

import numpy as np
import pytest
import torch

from articulate.errors import ConfigError, DataError
from articulate.skeleton import ConnectivityConfig, LimbStatistics, limb_cost, mixed_cost, pair_statistics
from articulate.skeleton.statistics import distance_noise, median_variance, pair_distances


def random_points(frames: int = 60, size: int = 5, axes: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(frames, size, axes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_equals_numpy() -> None:
    points = random_points()
    found = pair_statistics(points)
    distance = np.linalg.norm(points.numpy()[:, :, None] - points.numpy()[:, None], axis=-1)
    np.testing.assert_allclose(found.variance, distance.var(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.mean, distance.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.high, np.quantile(distance, 0.95, axis=0), rtol=1e-12, atol=1e-15)
    step = np.diff(points.numpy(), axis=0)
    velocity = np.sqrt(((step[:, :, None] - step[:, None]) ** 2).sum(-1).mean(0))
    np.testing.assert_allclose(found.velocity, velocity, rtol=1e-12)


def test_any_split_over_batches_and_workers_gives_the_same_moments() -> None:
    points, score = random_points(), torch.rand(60, 5, generator=torch.Generator().manual_seed(1))
    whole = pair_statistics(points, score)
    first, second = LimbStatistics(5), LimbStatistics(5)
    for rows in (slice(0, 7), slice(7, 30)):
        first.update(points[rows], score[rows])
    second.update(points[30:], score[30:])
    first.merge(second)
    torch.testing.assert_close(first.pooled().variance, whole.variance, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(first.pooled().mean, whole.mean, rtol=1e-12, atol=1e-14)
    blocks = LimbStatistics(5, num_blocks=2)
    blocks.update(points[:30], score[:30], block=0)
    blocks.update(points[30:], score[30:], block=1)
    torch.testing.assert_close(blocks.pooled().variance, whole.variance, rtol=1e-12, atol=1e-14)
    twice = blocks.pooled(torch.tensor([0, 0]))
    torch.testing.assert_close(twice.variance, pair_statistics(points[:30], score[:30]).variance)


def test_gaps_are_skipped_and_counted() -> None:
    points = random_points()
    holed = points.clone()
    holed[10:15, 2] = torch.nan
    statistics = LimbStatistics(5)
    statistics.update(holed)
    assert statistics.skipped.tolist() == [0, 0, 5, 0, 0]
    found, whole = statistics.pooled(), pair_statistics(points)
    torch.testing.assert_close(found.variance[0, 1], whole.variance[0, 1])
    keep = torch.tensor([n for n in range(60) if not 10 <= n < 15])
    torch.testing.assert_close(found.variance[2], pair_statistics(points[keep]).variance[2])


def test_noise_floor_is_that_of_the_covariance() -> None:
    """A rigid pair under noise of known covariance is left with almost none of the variance that noise gave it."""
    generator = torch.Generator().manual_seed(2)
    sd = torch.tensor([0.02, 0.01], dtype=torch.float64)
    truth = torch.zeros(4000, 3, 2, dtype=torch.float64)
    truth[:, 1, 0] = 1.0
    truth[:, 2] = torch.randn(4000, 2, dtype=torch.float64, generator=generator)
    noisy = truth + sd * torch.randn(truth.shape, dtype=torch.float64, generator=generator)
    covariance = torch.diag(sd**2).expand(4000, 3, 2, 2)
    raw, clean = pair_statistics(noisy), pair_statistics(noisy, covariance=covariance)
    assert float(distance_noise(truth, covariance)[0, 0, 1]) == pytest.approx(2 * 0.02**2)
    assert float(raw.variance[0, 1]) == pytest.approx(2 * 0.02**2, rel=0.1)
    assert 0 < float(clean.variance[0, 1]) < 0.1 * float(raw.variance[0, 1])
    assert float(clean.variance[0, 2]) == pytest.approx(float(raw.variance[0, 2]), rel=0.02)


def test_robust_forms_ignore_outliers_and_agree_on_normal_data() -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.zeros(5000, 2, 2, dtype=torch.float64)
    points[:, 1, 0] = 1 + 0.1 * torch.randn(5000, dtype=torch.float64, generator=generator)
    clean = float(pair_statistics(points, trim=0.1).variance[0, 1])
    assert clean == pytest.approx(0.01, rel=0.08)
    assert float(median_variance(pair_distances(points))[0, 1]) == pytest.approx(0.01, rel=0.08)
    points[::50, 1] = 30.0
    assert float(pair_statistics(points, trim=0.1).variance[0, 1]) == pytest.approx(0.01, rel=0.2)
    assert float(pair_statistics(points).variance[0, 1]) > 1.0


def test_momentum_forgets() -> None:
    statistics = LimbStatistics(2, momentum=0.1)
    still, moved = torch.zeros(20, 2, 2), torch.zeros(20, 2, 2)
    still[:, 1], moved[:, 1] = 1.0, 3.0
    statistics.update(still)
    for _ in range(10):
        statistics.update(moved)
    assert float(statistics.pooled().mean[0, 1]) == pytest.approx(3 * 2**0.5, rel=1e-6)
    assert float(statistics.pooled().variance[0, 1]) < 1e-6


def test_state_round_trip_and_messages() -> None:
    statistics, again = LimbStatistics(4, num_blocks=3), LimbStatistics(4, num_blocks=3)
    statistics.update(random_points(size=4), block=1, consecutive=True)
    again.load_state_dict(statistics.state_dict())
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in statistics.state_dict().items())
    state = statistics.state_dict()
    del state["mean"]
    with pytest.raises(DataError, match="`mean` needs shape"):
        again.load_state_dict(state)
    with pytest.raises(DataError, match="cannot merge statistics of 5 keypoints"):
        again.merge(LimbStatistics(5, num_blocks=3))


def test_costs() -> None:
    points = random_points()
    found = pair_statistics(points)
    torch.testing.assert_close(limb_cost(found, "variance_mean", 0.5), found.variance + 0.5 * found.mean**2)
    torch.testing.assert_close(limb_cost(found, "high_velocity"), found.high * found.velocity)
    support = torch.rand(5, 5, dtype=torch.float64)
    torch.testing.assert_close(limb_cost(found, "mask_support", mask_support=support), 1 - support)
    mixed = mixed_cost(found, ConnectivityConfig(mix={"variance": 1.0}))
    order = torch.triu_indices(5, 5, offset=1)
    assert torch.equal(mixed[order[0], order[1]].argsort(), found.variance[order[0], order[1]].argsort())
    with pytest.raises(ConfigError, match="needs its matrix"):
        limb_cost(found, "joint_residual")
    with pytest.raises(ConfigError, match="temporal order"):
        limb_cost(pair_statistics(points, consecutive=False), "velocity")
    with pytest.raises(ValueError, match="allowed kinds"):
        ConnectivityConfig(mix={"varience": 1.0})
