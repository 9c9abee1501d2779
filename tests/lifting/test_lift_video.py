"""Lifting the tracks of new video: whole clips as in training, the network alone, pictures without an order."""

import pytest
import torch
from moving_figure import EDGES, error, moving_body, started

from articulate.inference.lift import LiftSettings, frame_by_frame, lift
from articulate.records import FrameIndex, Skeleton, Tracks


def tracks_of(xy: torch.Tensor) -> Tracks:
    """Tracks of one clip."""
    num, count = xy.shape[:2]
    index = FrameIndex(torch.zeros(1, num, dtype=torch.int64), torch.arange(num)[None])
    return Tracks(xy[None], torch.ones(1, num, count), torch.zeros(1, num, count, 2, 2), index)


@pytest.fixture(scope="module")
def lifter():
    return started(moving_body()[..., :2])


def test_a_new_video_of_another_size_is_lifted_as_in_training(lifter):
    true = moving_body(400)[100:300]
    xy = 0.8 * true[..., :2] + 0.3
    xy[50] = torch.nan
    motion = lift(lifter, tracks_of(xy), skeleton(), LiftSettings(rigid=False))
    assert motion.confidence is not None and motion.confidence.shape == (1, 200, 6)
    good = torch.arange(200) != 50
    found = motion.joints[0] * motion.camera.scale[0, 0] / 0.8
    assert not found[50].isfinite().any()
    flat = true * torch.tensor([1.0, 1.0, 0.0])
    assert error(found[good], true[good]) < 0.3 * error(flat, true)


def test_network_alone_goes_frame_by_frame(lifter):
    xy = moving_body(40)[..., :2]
    alone = lift(lifter, tracks_of(xy), skeleton(), LiftSettings(settle=False, rigid=False, method="network"))
    assert alone.confidence is None
    score = torch.ones(40, 7)
    one = frame_by_frame(lifter, xy[7:8], score[7:8])
    assert torch.allclose(alone.joints[0, 7] * alone.camera.scale[0, 0], one[0], atol=1e-4)


def test_pictures_in_any_order_give_the_same_poses(lifter):
    xy = moving_body(60)[..., :2]
    shuffle = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    plain, mixed = (
        lift(lifter, tracks_of(points), skeleton(), LiftSettings(rigid=False), ordered=False)
        for points in (xy, xy[shuffle])
    )
    assert torch.allclose(plain.joints[0, shuffle], mixed.joints[0], atol=0.02)


def skeleton() -> Skeleton:
    """The tree of the moving body."""
    unknown = Skeleton.unknown(7)
    return Skeleton(EDGES, unknown.connection, unknown.cost)
