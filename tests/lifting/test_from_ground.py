"""Bodies that lie on the ground: depths in closed form, elevation by the likelihood of the views, and who yields."""

import math

import pytest
import torch

from articulate.geometry.rotations import rotation_about
from articulate.lifting.body_energy import Body, mirrored_bones
from articulate.lifting.body_refinement import Refined
from articulate.lifting.from_ground import between, flat_on_ground, refined_from_ground
from articulate.lifting.inputs import prepare
from articulate.lifting.joint_prior import chain_of
from articulate.lifting.refinement_config import RefinementConfig
from articulate.lifting.view_training import choose_start, view_data
from articulate.lifting.views import ViewsConfig

ELEVATION = 0.9
EDGES = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])


def crawler(elevation: float, frames: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints in the camera's frame of a chain of five bones that winds over the ground and turns, in two clips."""
    time, bone = torch.arange(frames).double(), torch.arange(5).double()
    heading = 0.04 * time[:, None] + 0.7 * torch.sin(0.25 * time[:, None] - 1.1 * bone) + 0.02 * time[:, None].sin()
    flat = torch.stack([heading.cos(), torch.zeros_like(heading), heading.sin()], -1)
    joints = torch.cat([torch.zeros(frames, 1, 3).double(), flat.cumsum(1)], 1)
    seen = joints @ rotation_about(0, torch.tensor(elevation, dtype=torch.float64)).T
    return seen - seen.mean(1, keepdim=True), (time >= frames / 2).long()


@pytest.mark.parametrize("elevation", [0.4, 0.9, 1.3])
def test_depths_of_a_flat_body_follow_from_its_image(elevation):
    joints, _ = crawler(elevation)
    found, widest = flat_on_ground(joints[..., :2], elevation)
    assert torch.allclose(found, joints)
    assert widest[:, 1].abs().max() < 1e-9  # upright, all of it is at one height
    assert math.isclose(widest.square().sum().item(), joints.square().sum((1, 2)).max().item(), rel_tol=1e-9)


def test_the_elevation_is_sought_between_three():
    assert between((0.5, 0.9, 1.3), [-4.0, -1.0, -2.0]) == pytest.approx([0.9 + 0.4 * 0.25])
    assert between((0.5, 0.9, 1.3), [3.0, 2.0, 1.5]) == []
    assert between((0.5, 0.9), [1.0, 2.0]) == []


def test_a_crawling_chain_is_found_on_the_ground_and_an_upright_reading_yields():
    joints, clip = crawler(ELEVATION, 72)
    xy = joints[..., :2].float() * 0.2
    lifter = choose_start(ViewsConfig(), view_data(xy, None, None, EDGES), EDGES, torch.Generator().manual_seed(0))
    scale = lifter.scale.item()
    prepared = prepare(xy, None, lifter.scale)
    known = torch.ones(joints.shape[:2]).double()
    body = Body(prepared.points.double(), known, clip, EDGES, None, mirrored_bones(EDGES, None), chain_of(EDGES), known)
    model = lifter.teacher.model
    assert model is not None
    config = RefinementConfig(rounds=4, steps=10)
    true = joints * (0.2 / scale)
    upright = Refined(true * true.new_tensor([1.0, 1.0, 0.0]), 0.0, true[0] * true.new_tensor([1.0, 1.0, 0.0]), 0.0)
    found = refined_from_ground(model, body, prepared, lifter, config, upright)
    best = found[0].joints[..., 2] - found[0].joints[..., 2].mean(1, keepdim=True)
    error = min((best - side * true[..., 2]).abs().mean().item() for side in (1, -1))
    assert abs(abs(found[0].elevation) - ELEVATION) < 0.15
    assert error < 0.2 * true[..., 2].abs().mean().item()
    assert refined_from_ground(model, body, prepared, lifter, config, found[0]) == []
