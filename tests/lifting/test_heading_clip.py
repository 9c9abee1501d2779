"""A heading model per clip: better where clips show different poses, the model of all clips where nothing is seen."""

import math
from dataclasses import replace

import torch
from moving_figure import EDGES, REST, error, started

from articulate.geometry.rotations import rotation_about
from articulate.lifting.from_views import PoseConfig, lift_from_views
from articulate.lifting.heading_clip import ClipModelConfig, clip_model


def clip_of(bend: float, seed: int, num: int = 300) -> torch.Tensor:
    """A body from all headings whose forearm swings a little about `bend` (rad) and its shin against it."""
    g = torch.Generator().manual_seed(seed)
    swing, joints = bend + 0.2 * torch.rand(num, generator=g), REST.expand(num, -1, -1).clone()
    joints[:, 4] = joints[:, 3] + rotation_about(0, swing) @ (REST[4] - REST[3])
    joints[:, 6] = joints[:, 5] + rotation_about(0, -swing) @ (REST[6] - REST[5])
    turned = joints @ rotation_about(1, 2 * math.pi * torch.rand(num, generator=g)).mT
    turned = turned @ rotation_about(0, torch.tensor(0.15)).mT
    return turned - turned.mean(1, keepdim=True)


def test_a_model_of_each_clip_lifts_it_better_and_stays_itself_without_rounds():
    clips = [clip_of(bend, seed) for seed, bend in enumerate((-0.9, -0.2, 0.5))]
    true, name = torch.cat(clips), torch.arange(900) // 300
    lifter = started(true[..., :2])
    model = lifter.teacher.model
    assert model is not None
    points, config = clips[0][..., :2] / lifter.scale, ClipModelConfig()
    same = clip_model(model, points, config.model_copy(update={"rounds": 0}))
    assert same == replace(model, headings=config.headings)
    own = clip_model(model, points, config)
    assert torch.linalg.eigvalsh(own.covariance).min() > 0
    before, after = (error(m.posterior(points)[0] * lifter.scale, clips[0]) for m in (model, own))
    assert after < 0.9 * before
    whole = [
        error(lift_from_views(true[..., :2], None, name, EDGES, lifter, PoseConfig(order="set", clip=c))[0], true)
        for c in (config, config.model_copy(update={"rounds": 0}))
    ]
    assert whole[0] < 0.95 * whole[1]


def test_what_a_clip_does_not_show_stays_as_all_clips_have_it():
    true = clip_of(-0.5, 0, 600)
    lifter = started(true[..., :2])
    model = lifter.teacher.model
    assert model is not None
    # One frame against a prior of hundreds moves the model little.
    own = clip_model(model, true[:1, :, :2] / lifter.scale, ClipModelConfig(prior=500, mean_prior=500))
    assert (own.mean - model.mean).norm() < 0.05 * model.mean.norm()
    assert (own.covariance - model.covariance).norm() < 0.05 * model.covariance.norm()
