"""Rows of table T4 about what else can teach a lifter: more cameras, and the solver of one clip."""

from collections.abc import Sequence

import torch
from lifting_data import View
from lifting_methods import Result, pooled, split
from torch import Tensor

from articulate.geometry.cameras import perspective, transform
from articulate.geometry.rotations import rotation_about
from articulate.lifting.inputs import clip_scales
from articulate.lifting.registry import default_config
from articulate.lifting.several_cameras import CameraView, train_several_cameras
from articulate.lifting.solver_lessons import LessonConfig, solver_lessons, teach
from articulate.lifting.view_training import train_view_lifter
from articulate.lifting.views import ViewsConfig
from articulate.seeds import numpy_generator, torch_generator

# Three cameras around the body, 69 degrees apart, at four body sizes.
TURNS, DISTANCE, STEPS = (0.0, 1.2, 2.4), 4.0, 1500


def around(joints: Tensor, elevation: float) -> list[CameraView]:
    """What the cameras see of joints [N, K, 3] (frame of the first camera, body size 1), all of known place."""
    tilt = rotation_about(0, torch.tensor(elevation, dtype=joints.dtype))
    views = []
    for turn in TURNS:
        rotation = tilt @ rotation_about(1, torch.tensor(turn, dtype=joints.dtype)) @ tilt.mT
        centre = -DISTANCE * rotation[2]
        parts = (perspective(transform(joints, rotation, centre)), rotation, centre)
        xy, turned, place = (part.float() for part in parts)
        views.append(CameraView(xy, rotation=turned, centre=place))
    return views


def several_cameras(views: Sequence[View], seed: int, elevation: float) -> Result:
    """Lifters taught by three cameras on every clip of `views`, then used on the first camera alone.

    Calibrated: normalised perspective points. Of unknown place: the same instants in parallel projection.
    """
    size = 100.0  # a View has 1 = 1 %d
    world = torch.cat([view.joints for view in views]) / size
    cameras = around(world, elevation)
    found = {}
    config = default_config("transform_reprojection").model_copy(update={"learning_rate": 1e-3})
    lifter = train_several_cameras(cameras, config, torch_generator(seed, "cameras"), STEPS)
    with torch.no_grad():
        found["three calibrated cameras, used on one"] = split(size * lifter(cameras[0].xy), views)
    tilt = rotation_about(0, torch.tensor(elevation, dtype=world.dtype))
    turns = [tilt @ rotation_about(1, torch.tensor(turn, dtype=world.dtype)) @ tilt.mT for turn in TURNS]
    parallel = [CameraView((world @ turn.mT)[..., :2].float()) for turn in turns]
    config = default_config("consistent_factorisation").model_copy(update={"learning_rate": 1e-3})
    lifter = train_several_cameras(parallel, config, torch_generator(seed, "cameras"), STEPS)
    with torch.no_grad():
        found["three cameras of unknown place, used on one"] = split(size * lifter(parallel[0].xy), views)
    return Result(found)


def lessons(views: Sequence[View], seed: int, config: ViewsConfig) -> Result:
    """The feed-forward network before and after the solver of one clip has taught it, on the same clips."""
    xy, clip = pooled(views)
    lifter, trained = train_view_lifter(xy, None, None, config, torch_generator(seed, "views"), None, clip)
    joints = {"network": split(network_pose(lifter, xy, clip, trained.edges), views)}
    random, settings = numpy_generator(seed, "lessons"), LessonConfig()
    learnt = solver_lessons(xy, None, clip, trained.edges, lifter, settings, random)
    if learnt is not None:
        teach(lifter, learnt, settings, torch_generator(seed, "lessons"))
        joints["network, taught by the solver"] = split(network_pose(lifter, xy, clip, trained.edges), views)
    return Result(joints, {"clips that taught": 0 if learnt is None else len(learnt.clips)})


@torch.no_grad()
def network_pose(lifter: torch.nn.Module, xy: Tensor, clip: Tensor, edges: Tensor) -> Tensor:
    """Observed points with the network's depths."""
    return torch.cat([xy, lifter(xy, None, clip_scales(xy, None, clip, edges))[..., 2:]], -1)
