"""Pieces of the recipe that draws white sticks: from coarse to fine, re-seeding the stages' options."""

from types import SimpleNamespace

import pytest
import torch

from articulate.errors import ConfigError
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.records import Clips, FrameIndex, Moved, Skeleton, Tracks
from articulate.schedule import Moment
from articulate.skeleton.limb_prior import lengths_and_means, limb_variance
from articulate.sketch import CoarseToFine, Reseeder, ReseedingConfig, draw_tree
from articulate.state import State
from stages.connectivity import ConnectivityStage
from stages.keypoints import KeypointsStage
from stages.sketch import SketchStage

STAR = torch.tensor([[0, 1], [0, 2], [0, 3]])
TIPS = torch.tensor([[[0.0, 0.0], [0.8, 0.0], [0.0, 0.8], [-0.8, 0.0]]])


def context(says: list[str] | None = None) -> SimpleNamespace:
    store = SimpleNamespace(has_masks=True, image_size=40, path="store")
    say = (says if says is not None else []).append
    return SimpleNamespace(seed=0, store=store, config={"stages": {"keypoints": {"num_keypoints": 4}}}, say=say)


def state_of(points: torch.Tensor, picture: torch.Tensor) -> State:
    """Two frames with these points and this silhouette, joined as a star."""
    index = FrameIndex(torch.zeros(1, 2, dtype=torch.int64), torch.arange(2)[None])
    mask = picture.expand(2, -1, -1, -1)[None]
    tracks = Tracks(points.expand(2, -1, -1)[None], torch.ones(1, 2, 4), torch.zeros(1, 2, 4, 2, 2), index)
    return State(
        Clips(mask.expand(-1, -1, 3, -1, -1), index, mask),
        tracks,
        Skeleton(STAR, torch.eye(4), torch.zeros(4, 4)),
    )


def test_from_coarse_to_fine():
    plan = CoarseToFine()
    assert plan.at(0.0) == (4.0, 2, "gaussian", 4, 1e-4)
    assert plan.at(0.45) == (1.0, 2, "gaussian", 2, 1e-4)
    assert plan.at(0.7) == (1.0, 2, "smooth_step", 2, 1e-4)
    assert plan.at(1.0) == (1.0, 1, "smooth_step", 1, 1e-4)


def test_a_call_lasts_as_long_as_it_is_needed():
    target = draw_tree(TIPS, STAR, size=(40, 40), width=0.05)
    points = TIPS.clone()
    points[0, 3] = torch.tensor([0.4, 0.0])
    points.requires_grad_()
    reseeder = Reseeder(ReseedingConfig(every=10, hold=5, begin=0.1, end=0.5))
    assert not reseeder.due(0.05) and reseeder.due(0.3) and not reseeder.due(0.6)
    assert reseeder.loss(0, points, STAR, target, 0.05) == 0
    assert not reseeder.plan(8, points, STAR, target, 0.05) and reseeder.plan(9, points, STAR, target, 0.05)
    again = Reseeder(reseeder.config)
    again.load_state_dict(reseeder.state_dict())
    loss = again.loss(10, points, STAR, target, 0.05)
    loss.backward()
    assert points.grad[0, 3, 0] > 0 and points.grad[0, :3].abs().max() == 0
    assert again.loss(14, points, STAR, target, 0.05) == 0
    assert again.loss(10, TIPS.clone().requires_grad_(), STAR, target, 0.05) == 0  # already followed


def test_limbs_that_keep_their_length_cost_nothing():
    angle = torch.linspace(0, 3, 20)
    arm = torch.stack([torch.zeros(20, 2), torch.stack([angle.cos(), angle.sin()], -1)], dim=1)
    assert limb_variance(arm, torch.tensor([[0, 1]])) < 1e-8 < limb_variance(arm * angle[:, None, None], STAR[:1])
    cost = lengths_and_means(arm * 2, mean_weight=0.01)
    assert cost[0, 1] == pytest.approx(0.04) and cost[0, 0] == 0


def test_a_moved_keypoint_begins_the_tree_anew():
    stage = ConnectivityStage(ConnectivityStage.Config(training_cost="lengths", momentum=0.9), context())
    state = state_of(TIPS, torch.zeros(1, 1, 40, 40))
    stage.update(state)
    state.add(Skeleton(STAR, torch.eye(4), torch.zeros(4, 4)))
    stage.running.add_(100.0)
    stage.after_step(state, Moment(1, 0.1, torch.Generator()))
    assert stage.running.max() > 50
    state.add(Moved(torch.tensor([2])))
    stage.after_step(state, Moment(2, 0.1, torch.Generator()))
    assert stage.running.max() < 1


def test_sketch_of_white_strokes_calls_and_refines():
    picture = draw_tree(TIPS, STAR, size=(40, 40), width=0.05, profile="smooth_step")
    settings = {"strokes": "white", "half_width": 0.05, "coarse_to_fine": {}, "limb_lengths": True, "refine": 40,
                "reseeding": {"every": 2, "begin": 0.0}}  # fmt: skip
    says: list[str] = []
    stage = SketchStage(SketchStage.Config(**settings), context(says))
    assert stage.loss_names == ("sketch", "limb_lengths", "reseeding") and stage.produces is Tracks
    doubled = TIPS.clone()
    doubled[0, 3] = torch.tensor([0.4, 0.0])
    state = state_of(doubled.requires_grad_(), picture)
    losses = stage.training_step(state, Moment(1, 0.3, torch.Generator()))
    assert set(losses) == set(stage.loss_names) and state[Moved].keypoints.tolist() == [3]
    assert losses["reseeding"] > 0.5 and losses["limb_lengths"] == 0
    near = state_of((TIPS + 0.02).requires_grad_(False), picture)
    run = SimpleNamespace(context=context(says), states=lambda: iter([(near, torch.ones(2, dtype=torch.bool))]))
    tracks = stage.finish(run)
    assert (tracks.xy - TIPS).norm(dim=-1).max() < 0.01 and "of the ink" in says[0]


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="white strokes alone"):
        SketchStage.Config(refine=10)
    with pytest.raises(ConfigError, match="`centred` makes no heatmaps"):
        KeypointsStage(KeypointsStage.Config(num_keypoints=4, detector={"network": "centred"}), context())


def test_centred_detector_keeps_the_contract_for_any_number_of_images():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = KeypointDetector(KeypointDetectorConfig(num_keypoints=4, network="centred")).eval()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = detector(images)
    assert found.xy.shape == (3, 4, 2) and found.covariance.shape == (3, 4, 2, 2) and found.heatmaps.numel() == 0
    assert torch.equal(found.score, torch.ones(3, 4))
    assert torch.allclose(detector(images[1:2]).xy, found.xy[1:2], atol=1e-6)
