"""Every registered lifter: the interface, missing points, determinism, finite gradients, and that it learns."""

import pytest
import torch

from articulate.lifting.inputs import clip_scales, prepare, subject_scale
from articulate.lifting.registry import LIFTERS, build_lifter, default_config

K = 6
EDGES = torch.tensor([[0, 1], [1, 2], [0, 3], [3, 4], [0, 5]])


def poses(n: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, K, 2, generator=torch.Generator().manual_seed(seed))


def make(name: str, seed: int = 0):
    return build_lifter(K, default_config(name), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LIFTERS)
def test_joints_keep_the_unit_and_losses_are_finite(name):
    lifter, xy = make(name), poses()
    lifter.calibrate(xy)
    terms = lifter.losses(xy, None, EDGES)
    assert terms and all(t.ndim == 0 and torch.isfinite(t) for t in terms.values())
    small = make(name)
    small.calibrate(0.1 * xy)
    assert torch.allclose(small(0.1 * xy), 0.1 * lifter(xy), atol=1e-5)
    assert lifter(xy)[..., 2].mean(1).abs().max() < 1e-4


@pytest.mark.parametrize("name", LIFTERS)
def test_missing_points_do_not_reach_the_result(name):
    lifter, xy = make(name), poses()
    lifter.calibrate(xy)
    score = torch.ones(len(xy), K)
    score[:, 2] = 0
    broken = xy.clone()
    broken[:, 2] = torch.nan
    assert torch.equal(lifter(xy, score), lifter(broken, score))
    terms = lifter.losses(broken, score, EDGES)
    sum(terms.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in lifter.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", LIFTERS)
def test_frame_without_any_point_is_finite(name):
    lifter, xy = make(name), poses()
    lifter.calibrate(xy)
    xy[3] = torch.nan
    assert torch.isfinite(lifter(xy)).all()


@pytest.mark.parametrize("name", LIFTERS)
def test_same_generator_same_training_and_the_loss_falls(name):
    runs = []
    for _ in range(2):
        lifter, xy = make(name), poses(64)
        optimiser = torch.optim.Adam([{**g, "lr": 1e-3} for g in lifter.parameter_groups()])
        values = []
        for _ in range(20):
            total = sum(lifter.losses(xy, None, EDGES).values())
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            values.append(total.item())
        runs.append(values)
    assert runs[0] == runs[1]
    assert sum(runs[0][-5:]) < sum(runs[0][:5])


@pytest.mark.parametrize("name", LIFTERS)
def test_state_round_trip(name):
    first, second, xy = make(name), make(name, 1), poses()
    first.calibrate(xy)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(xy), second(xy))


def test_prepare_is_undone_by_its_centre_and_scale():
    xy = poses().double()
    p = prepare(xy, None, torch.tensor(2.5, dtype=torch.float64))
    assert p.points.dtype == torch.float64
    assert torch.allclose(p.centre + p.scale[:, None, None] * p.points, xy)


def test_subject_scale_scales():
    assert torch.allclose(subject_scale(3 * poses()), 3 * subject_scale(poses()))
    assert subject_scale(torch.full((2, K, 2), torch.nan)) == 1


def test_one_scale_per_clip_from_limbs():
    xy = torch.cat([poses(200), 2 * poses(200)])
    clip = torch.arange(2).repeat_interleave(200) * 7
    scale = clip_scales(xy, None, clip, EDGES)
    assert len(torch.unique(scale)) == 2
    assert abs(scale[-1] / scale[0] - 2) < 1e-4
