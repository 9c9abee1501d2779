"""3D metrics: invariances, hand-made cases, and the one allowed reflection."""

import math

import pytest
import torch

from articulate.evaluation import floors
from articulate.evaluation.keypoints import half_split
from articulate.evaluation.pose3d import (
    choose_reading,
    mpjpe,
    n_mpjpe,
    pa_mpjpe,
    pose_scores,
    reflected,
    sign_accuracy,
    unit_d,
)

EDGES = [(0, 1), (1, 2), (0, 3)]


def poses(num_frames: int = 30, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_frames, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int) -> torch.Tensor:
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return q * torch.linalg.det(q).sign()


def test_what_each_metric_forgives():
    true = poses()
    shifted, scaled, turned = true + 3.0, true * 1.7, true @ rotation(1)
    assert mpjpe(shifted, true) == pytest.approx(0, abs=1e-9)
    assert mpjpe(scaled, true) > 0.5 and n_mpjpe(scaled, true) == pytest.approx(0, abs=1e-9)
    assert n_mpjpe(turned, true) > 0.5 and pa_mpjpe(1.7 * turned + 2, true) == pytest.approx(0, abs=1e-7)
    assert pa_mpjpe(reflected(true), true) > 0.1  # reflections are never forgiven


def test_order_of_the_three_metrics():
    predicted, true = poses(seed=1), poses(seed=2)
    assert pa_mpjpe(predicted, true) <= n_mpjpe(predicted, true) <= mpjpe(predicted, true)


def test_mpjpe_by_hand_and_missing_joints():
    true = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0]]])
    predicted = torch.tensor([[[0.0, 0, 0], [4.0, 0, 0]]])
    assert mpjpe(predicted, true) == pytest.approx(1.0)
    missing = torch.cat([predicted, torch.full((1, 2, 3), math.nan)])
    assert mpjpe(missing, true.repeat(2, 1, 1)) == pytest.approx(1.0)
    assert math.isnan(mpjpe(missing[1:], true))


def test_alignment_survives_a_collapsed_pose():
    assert math.isfinite(pa_mpjpe(torch.zeros(2, 4, 3, dtype=torch.float64), poses(2)))


def test_sign_accuracy_weighs_by_depth():
    true = torch.tensor([[[0.0, 0, 0], [0, 0, 3.0], [0, 0, 2.0], [0, 0, -1.0]]])  # dz: 3, -1, -1
    predicted = torch.tensor([[[0.0, 0, 0], [0, 0, 1.0], [0, 0, 5.0], [0, 0, -1.0]]])  # right, wrong, right
    assert sign_accuracy(predicted, true, EDGES) == pytest.approx(4 / 5)
    assert sign_accuracy(floors.flat_pose(true[..., :2]), true, EDGES) == pytest.approx(0.5)


def test_unit_is_a_hundredth_of_the_diagonal():
    assert unit_d(torch.tensor([[[0.0, 0, 0], [2.0, 3.0, 6.0]]])) == pytest.approx(0.07)


def test_one_reflection_per_sequence_chosen_on_the_first_half():
    true = poses(40)
    clip = torch.arange(40) // 20
    fit, score = half_split(clip)
    whole = pose_scores(reflected(true), true, EDGES, fit, score, clip)
    assert whole["mpjpe"] == pytest.approx(0, abs=1e-9) and whole["sign_accuracy"] == pytest.approx(1.0)
    one_clip = torch.where((clip == 1)[:, None, None], reflected(true), true)
    assert pose_scores(one_clip, true, EDGES, fit, score, clip)["mpjpe"] > 0.3
    wrong_late = torch.where(score[:, None, None], reflected(true), true)
    assert pose_scores(wrong_late, true, EDGES, fit, score, clip)["mpjpe"] > 0.5


def test_symmetric_reading_needs_swap_and_reflection_together():
    true = poses(40)
    clip = torch.arange(40) // 20
    fit, _ = half_split(clip)
    order = torch.tensor([0, 2, 1, 3])
    mirrored = torch.where((clip == 1)[:, None, None], reflected(true)[:, order], true)
    assert mpjpe(choose_reading(mirrored, true, fit, clip, [(1, 2)]), true) == pytest.approx(0, abs=1e-9)
    assert mpjpe(choose_reading(mirrored, true, fit, clip), true) > 0.3
    only_swapped = torch.where((clip == 1)[:, None, None], true[:, order], true)
    assert mpjpe(choose_reading(only_swapped, true, fit, clip, [(1, 2)]), true) > 0.3


def test_depth_floors_are_ordered():
    """With true signs the closed form is nearly right; random signs are worse than no depth at all."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(400, 3, 3, generator=generator, dtype=torch.float64)
    bone = direction / direction.norm(dim=-1, keepdim=True)
    true = torch.zeros(400, 4, 3, dtype=torch.float64)
    for limb, (parent, child) in enumerate(EDGES):
        true[:, child] = true[:, parent] + bone[:, limb]
    found = floors.depth_floors(true[..., :2], true, EDGES, generator)
    errors = {name: mpjpe(pose, true) for name, pose in found.items()}
    assert errors["oracle_signs"] < 0.1 * errors["flat"] and errors["random_signs"] > errors["flat"]


def blob(num_frames: int = 6, size: int = 32) -> torch.Tensor:
    """A bar along x, 24 x 4 pixels, that moves right by a pixel a frame."""
    mask = torch.zeros(num_frames, 1, size, size)
    for t in range(num_frames):
        mask[t, 0, 14:18, t : t + 24] = 1
    return mask


def test_axes_of_a_bar_lie_along_it_and_face_its_motion():
    points = floors.principal_axes(blob(), torch.zeros(6, dtype=torch.int64))
    assert torch.allclose(points[0, 0], torch.tensor([-0.25, 0.0]), atol=1e-6)
    long_axis = points[:, 1] - points[:, 2]
    assert (long_axis[:, 0] > 0.5).all() and long_axis[:, 1].abs().max() < 1e-6
    empty = floors.principal_axes(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64))
    assert empty.isnan().all()


def test_extremities_are_the_ends_of_a_bent_limb():
    """An L: the geodesic ends are its two tips, though the corner is farther from the middle in a straight line."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 10:54, 10:14] = 1
    mask[..., 50:54, 10:54] = 1
    tips = floors.geodesic_extremities(mask, torch.zeros(1, dtype=torch.int64), 2)[0]
    wanted = torch.tensor([[-0.65, -0.67], [0.67, 0.65]])
    distance = torch.cdist(tips, wanted).amin(0)
    assert distance.max() < 0.12


def test_extremities_keep_their_identity_over_time():
    ends = floors.geodesic_extremities(blob(), torch.zeros(6, dtype=torch.int64), 2)
    assert ends.diff(dim=0).norm(dim=-1).max() < 0.2
