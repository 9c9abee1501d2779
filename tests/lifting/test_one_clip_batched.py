"""The sign search as tensors: against all states enumerated, and against the compiled search."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_one_clip import EDGES, FAST, walker

from articulate.errors import ConfigError
from articulate.lifting.one_clip import OneClipConfig, solve_clip
from articulate.lifting.one_clip.batched import BatchedMoves, Chains, energies, flip_costs
from articulate.lifting.one_clip.moves import pose_costs
from articulate.lifting.one_clip.parallel_order import best_orders, scan, transition_costs
from articulate.lifting.one_clip.pose_prior import PosePrior
from articulate.lifting.one_clip.viterbi import best_order, jump_costs
from articulate.seeds import numpy_generator


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 13])
def test_scan_gives_all_prefixes_of_an_operation_that_does_not_commute(length):
    draw = numpy_generator(0, "scan", length)
    maps = torch.as_tensor(draw.integers(0, 5, (length, 5)))
    found = scan(lambda first, second: second.gather(-1, first), maps)
    expected = torch.arange(5)
    for step, now in zip(maps, found, strict=True):
        expected = step[expected]
        assert torch.equal(now, expected)


@pytest.mark.parametrize("num_groups", [1, 2])
def test_orders_equal_those_of_the_compiled_search(num_groups):
    draw = numpy_generator(0, "orders", num_groups)
    unary, jumps = draw.random((3, 2**num_groups, 41)), draw.random((3, num_groups, 2, 2, 41))
    found = best_orders(torch.as_tensor(unary), torch.as_tensor(jumps), 0.0)
    for path, u, j in zip(found.numpy(), unary, jumps, strict=True):
        assert np.array_equal(path, best_order(u, j, 0.0))


def test_samples_follow_the_boltzmann_distribution():
    draw = numpy_generator(0, "chain")
    unary, jumps = torch.as_tensor(draw.random((1, 2, 4))), torch.as_tensor(2 * draw.random((1, 1, 2, 2, 4)))
    table = transition_costs(jumps)[0]
    paths = list(itertools.product(range(2), repeat=4))
    cost = [sum(unary[0, s, t] for t, s in enumerate(p)) + table[2][p[:3]] + table[3][p[1:]] for p in paths]
    expected = torch.softmax(-torch.stack(cost) / 0.7, 0)
    many = 20000
    generator = torch.Generator().manual_seed(0)
    drawn = best_orders(unary.expand(many, -1, -1), jumps.expand(many, -1, -1, -1, -1), 0.7, generator)
    number = (drawn * torch.tensor([8, 4, 2, 1])).sum(1)
    share = torch.bincount(number, minlength=16) / many
    assert torch.allclose(share.double(), expected, atol=4 * 0.5 / many**0.5)


def chains_of(num: int = 3, bones: int = 4, frames: int = 9) -> Chains:
    """Random chains with positive definite covariances."""
    draw = numpy_generator(0, "chains")
    root = draw.normal(size=(num, 3 * bones, 3 * bones))
    parts = [draw.normal(size=(frames, bones, 2)), draw.normal(size=(num, bones, frames))]
    parts += [draw.normal(size=(num, bones, 3)), root @ root.transpose(0, 2, 1), draw.random((num, bones)) + 0.5]
    return Chains(*(torch.as_tensor(part) for part in parts), floor=0.5, shrinkage=0.1)


def test_gaussians_follow_those_of_the_compiled_search():
    chains, trust = chains_of(), numpy_generator(0, "trust").random(9) + 0.1
    priors = [chains.prior(i) for i in range(3)]
    bones = chains.vectors().numpy()
    for rate in (1.0, 0.4):
        rotation = chains.update(torch.as_tensor(trust), rate)
        for i, prior in enumerate(priors):
            assert np.allclose(prior.update(bones[i], trust, rate), rotation[i])
            assert np.allclose(prior.regularised(), chains.regularised()[i])
            assert np.allclose(prior.weight, chains.weight[i])


def test_costs_of_flips_and_jumps_equal_the_compiled_ones():
    draw = numpy_generator(0, "flips")
    depth, slope, half = draw.normal(size=(4, 6)), draw.normal(size=(4, 6)), draw.normal(size=(4, 4, 6))
    curvature = half + half.transpose(1, 0, 2)
    group, jerk = np.array([0, -1, 1, 1]), draw.random(4) + 0.1
    tensors = [torch.as_tensor(part)[None] for part in (-2 * depth, slope, curvature)]
    member = torch.as_tensor(np.stack([group == 0, group == 1], -1)[None].astype(float))
    assert np.allclose(flip_costs(*tensors, member)[0], pose_costs(depth, slope, curvature, group))
    whole = torch.ones(6, dtype=torch.float64)
    moves = BatchedMoves(torch.as_tensor(group)[None], torch.as_tensor(jerk), whole, (0.3, 3.0), torch.Generator())
    assert np.allclose(moves.jumps(torch.as_tensor(depth)[None], member)[0], jump_costs(depth, group, jerk, 2))


def test_moves_at_temperature_zero_never_raise_the_pose_and_jump_cost():
    chains, generator = chains_of(), torch.Generator().manual_seed(1)
    moves = BatchedMoves(torch.tensor([[0, -1, 1, 1], [-1, 0, 0, 1]]), torch.ones(4, dtype=torch.float64),
                         torch.ones(9, dtype=torch.float64), (0.3, 1.0), generator)  # fmt: skip
    rotation = chains.rotations(chains.vectors())

    def cost() -> torch.Tensor:
        off = chains.deviations(chains.vectors(), rotation)
        return 0.15 * ((off @ chains.precision()) * off).sum((1, 2)) + moves.bends(chains.depth)

    before, size = cost(), chains.depth.abs()
    moves.sweep(chains, rotation, 0.0)
    assert (cost() <= before + 1e-9).all() and (cost() < before - 1e-3).any()
    assert torch.allclose(chains.depth.abs(), size)


def test_energies_equal_that_of_the_prior():
    chains = chains_of()
    moves = BatchedMoves(torch.zeros(1, 4, dtype=torch.int64), torch.ones(4, dtype=torch.float64),
                         torch.ones(9, dtype=torch.float64), (0.3, 0.0), torch.Generator())  # fmt: skip
    prior: PosePrior = chains.prior(1)
    assert energies(chains, moves)[1].item() == pytest.approx(0.3 * 9 * prior.log_volume())


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])
def test_search_as_tensors_finds_what_the_compiled_one_finds(device):
    true = walker(4.0, 80)
    compiled = solve_clip(true[..., :2], EDGES, config=FAST)
    found = solve_clip(true[..., :2], EDGES, config=replace(FAST, device=device))
    assert found.determined == compiled.determined
    assert found.energy == pytest.approx(compiled.energy, abs=0.02 * abs(compiled.energy))
    same = min((found.joints[..., 2] * s - compiled.joints[..., 2]).abs().mean() for s in (1, -1))
    assert same < 0.02 * compiled.joints[..., 2].abs().mean() + 0.02


def test_lengths_are_refined_by_the_compiled_search_alone():
    with pytest.raises(ConfigError, match="refine_lengths"):
        OneClipConfig(refine_lengths=True, device="cpu")
