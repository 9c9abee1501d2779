"""The centred linear detector: it follows the figure, keeps its precision, and begins with points apart."""

import torch

from articulate.keypoints.centred import CentredLinear, ink_centre


def test_centre_of_the_ink_and_of_nothing():
    ink = torch.zeros(2, 9, 9)
    ink[0, 2, 3] = ink[0, 4, 3] = 1.0
    assert ink_centre(ink).tolist() == [[3, 3], [4, 4]]


def test_points_move_with_the_figure():
    g = torch.Generator().manual_seed(0)
    detector = CentredLinear(4, g).double()
    images = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    images[0, 0, 20:40, 20:30] = torch.rand(20, 10, generator=g, dtype=torch.float64)
    # Two cells of the reduced frame are four pixels, 4 * 2 / 64 in image units.
    moved = detector(images.roll((4, -4), dims=(2, 3))) - detector(images)
    assert torch.allclose(moved, torch.tensor([-0.125, 0.125], dtype=torch.float64).expand(1, 4, 2))


def test_same_generator_same_network():
    one, two = (CentredLinear(3, torch.Generator().manual_seed(5)) for _ in range(2))
    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(one(image), two(image)) and torch.cdist(one(image), one(image)).amax() > 0.05
