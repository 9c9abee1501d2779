"""Joints seen from their parents, limbs turned over for a spell: turns, brute force, a made-up arm."""

import itertools

import numpy as np
import pytest
import torch

from articulate.geometry.rotations import rotation_about
from articulate.lifting.body_energy import Body, mirrored_bones, own_pace
from articulate.lifting.body_prior import body_prior
from articulate.lifting.joint_prior import chain_of, joint_prior, local_bones
from articulate.lifting.limb_flips import cheapest_path, flip_limbs
from articulate.lifting.refinement_config import RefinementConfig, sizes_of

EDGES = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])


def bending_arm(frames: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    """A turning trunk, a shoulder, an upper arm that swings and a forearm that bends one way only; two clips."""
    time = torch.arange(frames).double()
    turn = rotation_about(1, 0.07 * time)
    swing = rotation_about(0, 0.5 * torch.sin(time / 9))
    bend = rotation_about(0, -0.9 + 0.5 * torch.sin(time / 5))
    down = torch.tensor([0.0, 0.6, 0.0]).double()
    upper = torch.einsum("nij,j->ni", swing, down)
    fore = torch.einsum("nij,njk,k->ni", swing, bend, down)
    chest = torch.tensor([0.0, -0.8, 0.0]).double().expand(frames, 3)
    shoulder = chest + torch.tensor([0.4, 0.0, 0.0]).double()
    pose = torch.stack([0 * chest, chest, shoulder, shoulder + upper, shoulder + upper + fore], 1)
    return torch.einsum("nij,nkj->nki", turn, pose), (time >= frames / 2).long()


def test_a_bone_seen_from_its_parent_does_not_change_when_the_body_turns():
    joints, _ = bending_arm(20)
    chain = chain_of(EDGES)
    assert [chain.bone.tolist(), chain.parent.tolist(), chain.grandparent.tolist()] == [
        [1, 2, 3],
        [0, 1, 2],
        [-1, 0, 1],
    ]
    axis = torch.tensor([1.0, 0.0, 0.0]).double().expand(20, 3)
    turn = rotation_about(2, torch.tensor(0.7).double()) @ rotation_about(0, torch.tensor(0.4).double())
    turned = local_bones(joints @ turn.T, EDGES, chain, axis @ turn.T)
    own = local_bones(joints, EDGES, chain, axis)
    assert torch.allclose(turned, own, atol=1e-6)
    # The hinge: along the parent and across it, not to its side; and always to one side across.
    assert own[:, 2, 1].abs().max() < 1e-6
    assert own[:, 2, 2].sign().unique().numel() == 1


def test_the_prior_of_joints_is_least_for_the_poses_that_made_it():
    joints, clip = bending_arm()
    mean = joints.mean(0) - joints.mean((0, 1))
    prior = body_prior(joints, mean, 0.0, clip, 0.1)
    limits = joint_prior(joints, EDGES, chain_of(EDGES), prior.rotations, 0.05)
    wrong = joints.clone()
    wrong[:, 4, 2] = 2 * wrong[:, 3, 2] - wrong[:, 4, 2]
    assert limits.frames(joints).mean() < 0.5 * 3 * 3
    assert limits.frames(wrong).mean() > 2 * limits.frames(joints).mean()


def test_the_cheapest_path_of_flips_equals_brute_force():
    random = np.random.default_rng(0)
    for length in (3, 4, 7):
        cost, bends = random.random((length, 2)), random.random((length, 2, 2, 2))
        paths = list(itertools.product((0, 1), repeat=length))
        totals = [
            sum(cost[t, s] for t, s in enumerate(path))
            + sum(bends[t, path[t - 1], path[t], path[t + 1]] for t in range(1, length - 1))
            for path in paths
        ]
        assert tuple(cheapest_path(cost, bends)) == paths[int(np.argmin(totals))]


def test_a_spell_of_wrong_signs_is_turned_over():
    joints, clip = bending_arm()
    step = joints[:, 4, 2] - joints[:, 3, 2]
    # From one frame in which the forearm lies in the picture to the next.
    level = (step.sign().diff() != 0).nonzero()[:, 0] + 1
    start, end = int(level[0]), int(level[1])
    wrong = joints.clone()
    wrong[start:end, 4, 2] -= 2 * step[start:end]
    ones = torch.ones(joints.shape[:2]).double()
    body = Body(joints[..., :2], ones, clip, EDGES, None, mirrored_bones(EDGES, None), chain_of(EDGES), ones)
    prior = body_prior(joints, joints.mean(0) - joints.mean((0, 1)), 0.0, clip, 0.1)
    config = RefinementConfig(prior=0.0, limits=1.0)
    sizes = sizes_of(0.5, config)
    assert torch.equal(flip_limbs(joints, body, prior, config, sizes), joints)
    mended = flip_limbs(wrong, body, prior, config, sizes)
    assert (mended - joints).abs().mean() < 0.2 * (wrong - joints).abs().mean()
    lengths = [(one[:, EDGES[:, 1]] - one[:, EDGES[:, 0]]).norm(dim=-1) for one in (wrong, mended)]
    assert torch.allclose(*lengths)


def test_pace_is_that_of_the_joint_in_its_clip():
    time = torch.arange(60).double()
    joints = torch.zeros(60, 2, 3).double()
    joints[:30, 1, 0] = 0.5 * 0.4 * time[:30] ** 2
    pace = own_pace(joints, (time >= 30).long(), 0.02)
    # 0.4 per frame squared, on one of three axes, over the scale of Student's t.
    assert pace[0, 1].item() == pytest.approx(((0.4**2 / 3) / 2 / 0.02**2 + 0.25**2) ** 0.5)
    assert pace[:, 0].max().item() == pytest.approx(0.25)
    assert pace[30:].max().item() == pytest.approx(0.25)
