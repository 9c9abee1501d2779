"""Keypoints that hardly show are exported where the refined body has them."""

import torch

from articulate.records import Camera, Motion, Tracks
from articulate.state import State
from stages.export import with_hidden_points


def test_only_hidden_keypoints_move_and_only_to_places_that_are_known():
    xy = torch.zeros(1, 3, 2, 2)
    score = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.1, 0.1]]])
    places = torch.ones(1, 3, 2, 2)
    places[0, 2, 1] = torch.nan
    tracks = Tracks(xy, score, torch.zeros(1, 3, 2, 2, 2))
    camera = Camera(scale=torch.ones(1, 3), translation=torch.zeros(1, 3, 2))
    motion = Motion(torch.zeros(1, 3, 2, 3), torch.ones(1, 1), camera, places=places)
    mended = with_hidden_points(State(tracks, motion), 0.5)
    assert mended[Tracks].xy[0, :, :, 0].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert mended[Motion].places is None
    unrefined = State(tracks, Motion(torch.zeros(1, 3, 2, 3), torch.ones(1, 1), camera))
    assert with_hidden_points(unrefined, 0.5) is unrefined
