"""Parts without an axis: a round trunk between others is one point, a round head and a long trunk keep both ends."""

import numpy as np

from articulate.seeding.budget import contract_shortest
from articulate.seeding.capsule_fit import Figure
from articulate.seeding.parts.figure import round_parts
from articulate.seeding.parts.tree import Connection, assemble

# Part 0 is a round trunk, 1 a long limb on it, 2 a round head on the limb, 3 a limb on the trunk.
LENGTHS, WIDTHS = np.array([1.0, 9.0, 0.5, 6.0]), np.array([5.0, 2.0, 3.0, 1.0])
CONNECTIONS = [Connection((0, 1), (1, 0), 0.1), Connection((1, 1), (2, 0), 0.1), Connection((0, 0), (3, 0), 0.1)]


def ends() -> np.ndarray:
    """Both ends of every part in ten frames."""
    first = np.arange(8.0).reshape(4, 2)
    second = first + np.stack([LENGTHS, np.zeros(4)], 1)
    return np.tile(np.stack([first, second], 1), (10, 1, 1, 1))


def test_only_a_round_part_between_others_is_a_disc():
    radii = np.repeat(WIDTHS[:, None], 2, axis=1)
    alone = Figure(ends().reshape(10, 8, 2), np.arange(8).reshape(4, 2), radii, np.arange(4))
    assert round_parts(alone, CONNECTIONS) == [Connection((0, 0), (0, 1), 0.0)]
    assert round_parts(Figure(alone.points, alone.edges, radii / 4, alone.parts), CONNECTIONS) == []


def test_a_disc_is_a_limb_from_a_point_to_itself_and_is_never_joined():
    radii = np.repeat(WIDTHS[:, None], 2, axis=1)
    figure = assemble(ends(), np.ones((10, 4)), radii, [Connection((0, 0), (0, 1), 0.0), *CONNECTIONS], [])
    assert figure.points.shape[1] == 4
    assert (figure.edges[:, 0] == figure.edges[:, 1]).tolist() == [True, False, False, False]
    fewer = contract_shortest(figure, 3)
    assert fewer.points.shape[1] == 3
    assert fewer.parts.tolist() == [0, 1, 3]
