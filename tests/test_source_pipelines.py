"""What the four pipelines of the source need of the stages: a learned matrix, a tree by variance, a sketch on black."""

from types import SimpleNamespace

import pytest
import torch

from articulate.records import Camera, Clips, FrameIndex, Motion, Skeleton, Tracks
from articulate.schedule import Moment
from articulate.state import State
from stages.connectivity import ConnectivityStage
from stages.lifting import LiftingStage
from stages.sketch import SketchStage

COUNT, FRAMES, SIZE = 4, 30, 24


def context() -> SimpleNamespace:
    store = SimpleNamespace(has_masks=True, image_size=SIZE)
    return SimpleNamespace(seed=0, store=store, config={"stages": {"keypoints": {"num_keypoints": COUNT}}})


def chain(num_frames: int = FRAMES) -> torch.Tensor:
    """A chain 2 - 0 - 3 - 1 of constant lengths in 3D that swings at random."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.nn.functional.normalize(torch.randn(num_frames, 3, 3, generator=generator), dim=-1)
    places = torch.cat([torch.zeros(num_frames, 1, 3), (0.3 * steps).cumsum(1)], 1)
    return places[:, torch.tensor([1, 3, 0, 2])]


def state_of(joints: torch.Tensor, *, lifted: bool) -> State:
    num = len(joints)
    numbers = torch.arange(num)[None]
    index = FrameIndex(torch.zeros_like(numbers), numbers)
    xy = joints[None, ..., :2]
    state = State()
    state.add(Clips(torch.zeros(1, num, 3, SIZE, SIZE), index, torch.zeros(1, num, 1, SIZE, SIZE)))
    state.add(Tracks(xy, torch.ones(1, num, COUNT), torch.zeros(1, num, COUNT, 2, 2), index))
    if lifted:
        camera = Camera(torch.full((1, num), 0.5), torch.zeros(1, num, 2))
        state.add(Motion(joints[None] / 0.5, torch.ones(1, 3), camera))
    return state


def pairs(skeleton: Skeleton) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in skeleton.edges.tolist()}


def test_the_tree_of_the_smallest_variance_in_3d_is_the_rigid_chain() -> None:
    stage = ConnectivityStage(ConnectivityStage.Config(training_cost="variance", use_depth=True), context())
    assert pairs(stage(state_of(chain(), lifted=True))) == {frozenset(p) for p in ((2, 0), (0, 3), (3, 1))}
    flat = ConnectivityStage(ConnectivityStage.Config(training_cost="variance", momentum=0.0), context())
    state = state_of(chain(), lifted=True)
    flat(state)
    expected = torch.cdist(state[Tracks].xy[0], state[Tracks].xy[0]).double().var(0, correction=0)
    torch.testing.assert_close(flat.running, expected)


def test_a_learned_matrix_hears_from_pairs_that_it_did_not_choose() -> None:
    stage = ConnectivityStage(ConnectivityStage.Config(training_cost="learned", final="as_trained"), context())
    sketch = SketchStage(SketchStage.Config(ground="black", learn_appearance=False, colour=1.0), context())
    state = state_of(chain(4), lifted=False)
    state.add(stage(state))
    chosen = state[Skeleton].connection.detach()
    assert chosen.sum() == 2 * (COUNT - 1) and set(chosen.unique().tolist()) == {0.0, 1.0}
    sketch.training_step(state, Moment(0, 1.0, torch.Generator()))["sketch"].backward()
    assert stage.weights.grad is not None
    off = (chosen == 0) & ~torch.eye(COUNT, dtype=torch.bool)
    assert (stage.weights.grad[off] != 0).all()
    # The frames are black, so every stroke is too much: all weights must fall.
    assert (stage.weights.grad[~torch.eye(COUNT, dtype=torch.bool)] > 0).all()
    assert not stage.finish(SimpleNamespace(records=State())).connection.requires_grad


def test_fixed_strokes_on_black_match_their_own_drawing() -> None:
    sketch = SketchStage(SketchStage.Config(ground="black", learn_appearance=False, colour=1.0, widen=1.0), context())
    assert sketch.loss_names == ("sketch",) and not any(p.requires_grad for p in sketch.parameters())
    state = state_of(chain(4), lifted=False)
    edges = torch.tensor([[2, 0], [0, 3], [3, 1]])
    state.add(Skeleton(edges, torch.eye(COUNT), torch.zeros(COUNT, COUNT)))
    drawn, _ = sketch.draw(state, sketch.plan(1.0))
    assert drawn.max() > 0.9 and drawn.min() == 0
    clips = state[Clips]
    state.add(Clips(drawn[None], clips.index, clips.mask))
    losses = sketch.training_step(state, Moment(0, 1.0, torch.Generator()))
    assert losses["sketch"].item() == pytest.approx(0.0, abs=1e-9)


def test_a_given_subject_size_is_kept() -> None:
    stage = LiftingStage(LiftingStage.Config(lifter="rigid_bones", subject_size=0.7), context())
    stage.begin(SimpleNamespace(records=State()))
    xy = torch.zeros(2, COUNT, 2)
    stage.lifter.losses(xy, torch.ones(2, COUNT), torch.tensor([[0, 1]]))
    assert stage.lifter.scale.item() == pytest.approx(0.7)
