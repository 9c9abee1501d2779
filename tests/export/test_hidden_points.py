"""Keypoints are exported the nearer to where the refined body has them, the less they show."""

import torch

from articulate.records import Camera, Motion, Tracks
from articulate.state import State
from stages.export import with_places_of_body


def test_keypoints_lie_between_where_they_were_found_and_the_body_by_precision():
    """Found at 0, the body at 1: 1 / (1 + score^3) of the way where nothing tells the body's precision, else none."""
    xy = torch.zeros(1, 3, 2, 2)
    score = torch.tensor([[[1.0, 0.5], [0.0, 0.2], [0.1, 0.1]]])
    places = torch.ones(1, 3, 2, 2)
    places[0, 2, 1] = torch.nan
    tracks = Tracks(xy, score, torch.zeros(1, 3, 2, 2, 2))
    camera = Camera(scale=torch.ones(1, 3), translation=torch.zeros(1, 3, 2))
    motion = Motion(torch.zeros(1, 3, 2, 3), torch.ones(1, 1), camera, places=places)
    mended = with_places_of_body(State(tracks, motion), 1.0)
    expected = torch.tensor([[1 / 2, 8 / 9], [1, 125 / 126], [1000 / 1001, 0]])
    torch.testing.assert_close(mended[Tracks].xy[0], expected[..., None].expand(3, 2, 2))
    assert mended[Motion].places is None
    assert with_places_of_body(State(tracks, motion), 0.0)[Tracks].xy.abs().max() == 0
    unrefined = State(tracks, Motion(torch.zeros(1, 3, 2, 3), torch.ones(1, 1), camera))
    assert with_places_of_body(unrefined, 1.0) is unrefined
