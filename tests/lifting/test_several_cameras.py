"""Lifters that learn from several cameras: reached by name, trained by one call, used on one camera as any other."""

import pytest
import torch
from moving_figure import moving_body

from articulate.errors import ConfigError, DataError
from articulate.geometry.cameras import perspective, transform
from articulate.geometry.rotations import rotation_from_axis_angle
from articulate.lifting.registry import CONFIGS, SEVERAL_CAMERAS, default_config
from articulate.lifting.several_cameras import CameraView, train_several_cameras
from stages.lifting import LiftingStage


def cameras(world: torch.Tensor) -> list[CameraView]:
    """Two cameras at distance 4, one turned by 1.2 rad about the vertical; the last point is hidden in some frames."""
    views = []
    for turn in (0.0, 1.2):
        rotation = rotation_from_axis_angle(torch.tensor([0.0, turn, 0.0]))
        centre = -4 * rotation[2]
        score = torch.ones(world.shape[:2])
        score[:20, 6] = 0
        views.append(CameraView(perspective(transform(world, rotation, centre)), score, rotation, centre))
    return views


def test_calibrated_cameras_give_depth_to_one_of_them() -> None:
    world = moving_body(200)
    views = cameras(world)
    numbers = {"width": 64, "learning_rate": 2e-3, "batch_size": 64}
    config = default_config("transform_reprojection").model_copy(update=numbers)
    lifter = train_several_cameras(views, config, torch.Generator().manual_seed(0), steps=150)
    true = transform(world, views[0].rotation, views[0].centre)
    flat = (true[..., 2] - 4).abs()[20:].mean()
    assert (lifter(views[0].xy, views[0].score) - true)[20:].norm(dim=-1).mean() < 0.6 * flat


def test_cameras_of_unknown_place_train_and_lift() -> None:
    world = moving_body(60)
    views = [CameraView(v.xy, v.score) for v in cameras(world)]
    config = default_config("consistent_factorisation").model_copy(update={"width": 16})
    lifter = train_several_cameras(views, config, torch.Generator().manual_seed(0), steps=3)
    assert lifter(views[1].xy).shape == (60, 7, 3) and not lifter.training
    with pytest.raises(DataError, match=r"rotation and centre of cameras \[0, 1\]"):
        train_several_cameras(views, default_config("transform_reprojection"), torch.Generator(), 1)


def test_wrong_cameras_are_named() -> None:
    views, config = cameras(moving_body(20)), default_config("consistent_factorisation")
    with pytest.raises(DataError, match="1 given"):
        train_several_cameras(views[:1], config, torch.Generator(), 1)
    with pytest.raises(DataError, match="same instants"):
        train_several_cameras([views[0], CameraView(views[1].xy[:5])], config, torch.Generator(), 1)
    with pytest.raises(DataError, match="learns from one camera"):
        train_several_cameras(views, default_config("rigid_bones"), torch.Generator(), 1)


@pytest.mark.parametrize("name", SEVERAL_CAMERAS)
def test_a_run_of_one_camera_says_where_they_are_trained(name: str) -> None:
    assert name not in CONFIGS
    with pytest.raises(ConfigError, match="several_cameras"):
        LiftingStage(LiftingStage.Config(lifter=name), None)
