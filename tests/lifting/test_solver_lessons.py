"""The one-clip solver as a teacher: a clip that turns trains the network, one that shows a single side does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from moving_figure import EDGES, error, moving_body

from articulate.lifting.one_clip import OneClipConfig
from articulate.lifting.solver_lessons import LessonConfig, Lessons, solver_lessons, teach, trust_of_keypoints
from articulate.lifting.views import ViewLifter, ViewsConfig
from articulate.records import FrameIndex, Skeleton, Tracks
from articulate.state import State
from stages.lifting import LiftingStage

FAST = OneClipConfig(sweeps=3, num_starts=3)
SHORT = LessonConfig(steps=300, learning_rate=3e-3)


def untrained(xy: torch.Tensor) -> ViewLifter:
    lifter = ViewLifter(7, ViewsConfig(width=64), torch.Generator().manual_seed(0))
    lifter.calibrate(xy)
    return lifter.eval()


def lessons_of(xy: torch.Tensor, clip: torch.Tensor, lifter: ViewLifter) -> Lessons | None:
    return solver_lessons(xy, None, clip, EDGES.flip(0), lifter, SHORT, np.random.default_rng(0), FAST)


def test_a_clip_that_turns_teaches_its_depth_and_one_that_does_not_is_left_out() -> None:
    true = moving_body(140)
    still = true[:1].expand(40, -1, -1) + 0.01 * torch.sin(torch.arange(40.0))[:, None, None]
    xy = torch.cat([true, still])[..., :2]
    clip = torch.cat([torch.zeros(140), torch.ones(40)]).long()
    lifter = untrained(xy)
    flat = error(true * torch.tensor([1.0, 1.0, 0.0]), true)
    before = error(lifter(xy[:140]), true)
    lessons = lessons_of(xy, clip, lifter)
    assert lessons is not None and lessons.clips == (0,) and len(lessons.depth) == 140
    losses = teach(lifter, lessons, SHORT, torch.Generator().manual_seed(0))
    after = error(lifter(xy[:140]), true)
    assert losses[-1] < 0.2 * losses[0] and not lifter.training
    assert after < 0.5 * flat and after < 0.5 * before


def test_no_clip_that_turns_no_lesson() -> None:
    still = moving_body(1).expand(40, -1, -1) + 0.01 * torch.sin(torch.arange(40.0))[:, None, None]
    xy = still[..., :2]
    assert lessons_of(xy, torch.zeros(40, dtype=torch.int64), untrained(xy)) is None


def test_trust_of_a_keypoint_is_that_of_its_bones() -> None:
    edges = torch.tensor([[0, 1], [1, 2]])
    found = trust_of_keypoints(torch.tensor([[1.0, 0.75], [0.5, 0.4]]), edges, 4)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.75, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("switch", [True, False])
def test_the_stage_learns_from_the_solver_where_it_is_told_to(switch: bool) -> None:
    xy = moving_body(60, turn=0.11)[..., :2]
    said: list[str] = []
    store = {"stages": {"keypoints": {"num_keypoints": 7}}, "schedule": []}
    context = SimpleNamespace(seed=0, config=store, say=said.append, device=torch.device("cpu"))
    numbers = {"learn_from_solver": switch, "settle": False, "lessons": LessonConfig(steps=5)}
    stage = LiftingStage(LiftingStage.Config(settings={"width": 16, "steps": 1}, **numbers), context)
    stage.lifter.calibrate(xy)
    before = stage.lifter.network.last.weight.detach().clone()
    state, num = State(), torch.arange(60)[None]
    index = FrameIndex(torch.zeros_like(num), num)
    state.add(Tracks(xy[None], torch.ones(1, 60, 7), torch.zeros(1, 60, 7, 2, 2), index))
    state.add(Skeleton(EDGES, torch.zeros(7, 7), torch.zeros(7, 7)))
    stage.finish(SimpleNamespace(records=state, context=context))
    assert (stage.lifter.network.last.weight != before).any() == switch
    assert any("solver taught 1 of 1 clips" in line for line in said) == switch
