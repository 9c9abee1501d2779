"""Kinematic fit: rigid results, each term doing what it is for, and an independent answer without noise."""

import pytest
import torch

from articulate.errors import ConfigError
from articulate.lifting.articulation import articulation_from_motion
from articulate.lifting.kinematic_fit import FitConfig, kinematic_fit
from articulate.lifting.kinematics import bone_vectors, forward_kinematics
from articulate.seeds import torch_generator

EDGES = torch.tensor([[0, 1], [0, 2], [1, 3], [3, 4]])


def swinging(frames: int = 40) -> torch.Tensor:
    time = torch.linspace(0, 4, frames, dtype=torch.float64)[:, None]
    phase = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    directions = torch.stack([torch.sin(time + phase), torch.cos(time + phase), torch.sin(0.7 * time - phase)], -1)
    root = torch.cat([0.1 * time, time * 0, time * 0], 1)
    return forward_kinematics(root, directions, torch.tensor([1.0, 0.5, 1.5, 1.0]).double(), EDGES)


def weights(**changed: float) -> dict[str, float]:
    return {"data": 1.0, "reprojection": 1.0, "smooth": 0.0, "depth": 0.0, "limits": 0.0} | changed


def test_exact_input_is_a_fixed_point():
    true = swinging()
    found = kinematic_fit(true, true[..., :2], EDGES, config=FitConfig(weights()))
    assert torch.allclose(found.joints, true, atol=1e-6)


def test_noisy_joints_come_out_rigid_smooth_and_nearer_the_truth():
    true = swinging()
    noisy = true + 0.15 * torch.randn(true.shape, generator=torch_generator(0, "fit"), dtype=torch.float64)
    found = kinematic_fit(noisy, true[..., :2], EDGES, config=FitConfig(weights(smooth=1.0, depth=0.02)))
    lengths = bone_vectors(found.joints, EDGES).norm(dim=-1)
    assert torch.allclose(lengths, found.bone_lengths.expand_as(lengths), atol=1e-9)
    assert (found.joints - true).norm(dim=-1).mean() < 0.5 * (noisy - true).norm(dim=-1).mean()
    rough = kinematic_fit(noisy, true[..., :2], EDGES, config=FitConfig(weights()))
    assert found.joints.diff(n=2, dim=0).square().mean() < 0.3 * rough.joints.diff(n=2, dim=0).square().mean()


def test_hidden_image_points_have_no_say():
    true = swinging()
    image = true[..., :2].clone()
    score = torch.ones(image.shape[:2], dtype=torch.float64)
    image[:, 4] += 5
    score[:, 4] = 0
    image[3, 2] = torch.nan
    found = kinematic_fit(true, image, EDGES, score, config=FitConfig(weights()))
    assert torch.allclose(found.joints, true, atol=1e-6)


def test_limits_pull_back_into_the_range():
    true = swinging()
    model = articulation_from_motion(true, EDGES, tuple("abcde"))
    wild = true.clone()
    wild[20, 4] = true[20, 3] - (true[20, 4] - true[20, 3])
    free = kinematic_fit(wild, wild[..., :2], EDGES, config=FitConfig(weights(reprojection=0.0)), model=model)
    bound = kinematic_fit(
        wild, wild[..., :2], EDGES, config=FitConfig(weights(reprojection=0, limits=50.0)), model=model
    )
    assert (bound.joints - wild)[20, 4].norm() > (free.joints - wild)[20, 4].norm() + 0.05
    assert bound.terms["limits"] < 0.2


def test_unknown_term_is_named():
    with pytest.raises(ConfigError, match="smoooth"):
        kinematic_fit(swinging(), swinging()[..., :2], EDGES, config=FitConfig({"smoooth": 1.0}))
