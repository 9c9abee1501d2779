"""Landmarks from found keypoints after a few labelled frames: linear maps exactly, bent ones better by a network."""

import pytest
import torch

from articulate.errors import DataError
from articulate.evaluation.few_labels import fit_landmarks


def keypoints(frames, dimensions, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, 5, dimensions, generator=generator)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_linear_map_is_found_from_forty_frames(dimensions):
    found = keypoints(400, dimensions)
    mix = torch.randn(5 * dimensions, 3 * dimensions, generator=torch.Generator().manual_seed(1)) * 0.2
    truth = (found.flatten(1) @ mix + 0.5).reshape(400, 3, dimensions)
    labels = torch.full_like(truth, torch.nan)
    labels[:40] = truth[:40]
    regressor = fit_landmarks(found[:40], labels[:40])
    assert regressor(found).shape == truth.shape
    assert (regressor(found[40:]) - truth[40:]).norm(dim=-1).mean() < 0.05


def test_a_landmark_is_fitted_on_the_frames_that_show_it():
    found = keypoints(60, 2)
    labels = found[:, :2] * 0.5 + 1.0
    spoiled = labels.clone()
    spoiled[::2, 1] = 50.0
    visible = torch.ones(60, 2, dtype=torch.bool)
    visible[::2, 1] = False
    assert (fit_landmarks(found, spoiled, visible)(found) - labels).abs().max() < 0.1


def test_the_network_learns_what_is_bent_and_repeats():
    found = keypoints(600, 2)
    truth = found[:, :2] + 0.7 * found[:, 2:4].abs()
    linear, network = (fit_landmarks(found[:400], truth[:400], kind=kind) for kind in ("linear", "network"))
    errors = [(r(found[400:]) - truth[400:]).norm(dim=-1).mean().item() for r in (linear, network)]
    assert errors[1] < 0.75 * errors[0]
    again = fit_landmarks(found[:400], truth[:400], kind="network")
    assert torch.equal(again(found), network(found))


def test_missing_keypoints_count_as_usual_and_too_few_labels_are_an_error():
    found = keypoints(30, 2)
    found[3, 1] = torch.nan
    labels = keypoints(30, 2, seed=2)[:, :2]
    assert fit_landmarks(found, labels)(found).isfinite().all()
    with pytest.raises(DataError, match=r"landmarks \[1\]"):
        labels[1:, 1] = torch.nan
        fit_landmarks(found, labels)
