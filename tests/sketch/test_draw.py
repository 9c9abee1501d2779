"""The renderer: compiled against plain, exact cases, gradients, symmetries and messages."""

import math

import pytest
import torch

from articulate.errors import ConfigError
from articulate.sketch import draw_limbs, draw_matrix, draw_tree

PROFILES = ("gaussian", "exponential", "student", "smooth_step")
COMPOSITIONS = ("soft_or", "sum", "maximum", "over")


def scene(dtype: torch.dtype, coloured: bool, batch: int = 2, limbs: int = 5) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=g, dtype=dtype)

    values = {
        "start": uniform(batch, limbs, 2) * 2 - 1,
        "end": uniform(batch, limbs, 2) * 2 - 1,
        "width": uniform(limbs, 2) * 0.1 + 0.05,
        "weight": uniform(batch, limbs),
        "depth": uniform(batch, limbs, 2),
    }
    if coloured:
        values["colour"] = uniform(limbs, 2, 3)
        values["background"] = uniform(batch, 3, 20, 24)
    return {name: value.requires_grad_() for name, value in values.items()}


def picture_and_gradients(values, **options):
    image = draw_limbs(values["start"], values["end"], **{k: v for k, v in values.items() if k not in ("start", "end")},
                       size=(20, 24), **options)  # fmt: skip
    ramp = torch.linspace(-1, 1, image.numel(), dtype=image.dtype).view_as(image)
    gradients = torch.autograd.grad((image * ramp).sum(), list(values.values()), allow_unused=True)
    return image, gradients


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_compiled_agrees_with_reference(composition, coloured):
    profiles = PROFILES if not coloured else ("gaussian", "smooth_step")
    for profile in profiles:
        values = scene(torch.float32, coloured)
        plain, g_plain = picture_and_gradients(values, profile=profile, composition=composition, backend="torch")
        fast, g_fast = picture_and_gradients(values, profile=profile, composition=composition, backend="numba")
        assert (plain - fast).abs().max() < 1e-5
        for a, b in zip(g_plain, g_fast, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert (a - b).abs().max() < 1e-4 * a.abs().max()


@pytest.mark.parametrize("composition", ["soft_or", "over"])
def test_gradcheck_in_double(composition):
    values = scene(torch.float64, True, batch=1, limbs=3)
    names = ["start", "end", "width", "weight", "depth", "colour"]

    def draw(*tensors):
        given = dict(zip(names, tensors, strict=True))
        return draw_limbs(
            given.pop("start"), given.pop("end"), **given, size=(6, 7), composition=composition, threshold=0.0,
            background=values["background"][:, :, :6, :7].detach(),
        )  # fmt: skip

    assert torch.autograd.gradcheck(draw, [values[n] for n in names], atol=1e-6, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("profile", PROFILES)
def test_gradients_are_finite_at_coincident_points_and_on_pixel_centres(profile):
    points = torch.zeros(1, 3, 2)
    points[0, 2] = torch.tensor([0.125, 0.125])  # a pixel centre of an 8 x 8 image
    points.requires_grad_()
    width = torch.tensor([[0.1, 0.2], [0.1, 0.1], [0.0, 0.0]], requires_grad=True)
    image = draw_tree(points, torch.tensor([[0, 1], [1, 2], [2, 2]]), size=(8, 8), width=width, profile=profile)
    image.square().sum().backward()
    assert image.isfinite().all() and points.grad.isfinite().all() and width.grad.isfinite().all()


def test_intensity_is_one_half_at_one_half_width():
    # A horizontal limb through the middle of row 4 of 9; row 6 lies 4/9 away.
    y = torch.tensor([[[-0.9, 0.0]]]), torch.tensor([[[0.9, 0.0]]])
    for profile in PROFILES:
        image = draw_limbs(*y, size=(9, 9), width=4 / 9, profile=profile)
        assert math.isclose(image[0, 0, 6, 4], 0.5, abs_tol=1e-3)
        assert math.isclose(image[0, 0, 4, 4], 1.0, abs_tol=1e-3)


def test_dot_is_the_gaussian_of_its_distance():
    image = draw_tree(torch.zeros(1, 1, 2), torch.tensor([[0, 0]]), size=(5, 5), width=0.4)
    # The corner pixel centre is at (0.8, 0.8): 2^-(1.28 / 0.16) = 2^-8.
    assert math.isclose(image[0, 0, 0, 0], 2.0**-8, rel_tol=1e-4)


def test_drawing_flips_and_shifts_with_its_points():
    g = torch.Generator().manual_seed(1)
    points = torch.rand(2, 4, 2, generator=g) - 0.5
    edges = torch.tensor([[0, 1], [1, 2], [1, 3]])
    image = draw_tree(points, edges, size=(16, 16), width=0.05)
    flipped = draw_tree(points * torch.tensor([-1.0, 1.0]), edges, size=(16, 16), width=0.05)
    assert torch.allclose(flipped, image.flip(-1), atol=1e-5)
    moved = draw_tree(points + torch.tensor([2 * 2 / 16, 0.0]), edges, size=(16, 16), width=0.05)
    assert torch.allclose(moved[..., 2:], image[..., :-2], atol=1e-5)


def test_nearer_limb_hides_farther_one():
    cross = torch.tensor([[[-0.8, 0.0], [0.0, -0.8]]]), torch.tensor([[[0.8, 0.0], [0.0, 0.8]]])
    colour = torch.eye(2)[:, None].expand(2, 2, 2)
    depth = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]], requires_grad=True)
    image = draw_limbs(*cross, size=(9, 9), width=0.1, colour=colour, depth=depth, composition="over")
    assert image[0, 0, 4, 4] > 0.99 and image[0, 1, 4, 4] < 0.01
    close = draw_limbs(*cross, size=(9, 9), width=0.1, colour=colour, depth=depth * 0.1, composition="over")
    close[0, 0, 4, 4].backward()
    assert depth.grad[0, 0].sum() < 0 < depth.grad[0, 1].sum()  # the first limb gains by coming nearer


def test_matrix_draws_what_the_tree_draws_and_learns_absent_pairs():
    g = torch.Generator().manual_seed(2)
    points = torch.rand(2, 4, 2, generator=g) * 1.6 - 0.8
    connection = torch.zeros(4, 4)
    connection[0, 1] = connection[1, 2] = connection[3, 3] = 1.0
    tree = draw_tree(points, torch.tensor([[0, 1], [1, 2], [3, 3]]), size=(16, 16), width=0.1)
    connection.requires_grad_()
    matrix = draw_matrix(points, connection, size=(16, 16), width=0.1)
    assert torch.allclose(tree, matrix, atol=1e-6)
    matrix.sum().backward()
    assert connection.grad[0, 3] > 0 and connection.grad[2, 2] > 0 and connection.grad[3, 0] == 0
    assert torch.allclose(draw_matrix(points, connection.detach(), size=(16, 16), width=0.1), tree, atol=1e-6)


def test_a_frame_without_points_is_nan_and_leaves_others_alone():
    points = torch.zeros(2, 2, 2)
    points[:, 1] = 0.5
    points[0, 0, 0] = math.nan
    image = draw_tree(points, torch.tensor([[0, 1]]), size=(8, 8), width=0.1)
    assert image[0].isnan().all() and image[1].isfinite().all()


def test_unknown_names_are_named():
    ends = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    with pytest.raises(ConfigError, match="profile `gauss`.*gaussian"):
        draw_limbs(*ends, size=(4, 4), width=0.1, profile="gauss")
    with pytest.raises(ConfigError, match="composition `add`.*soft_or"):
        draw_limbs(*ends, size=(4, 4), width=0.1, composition="add")
    with pytest.raises(ConfigError, match="backend `cuda`"):
        draw_limbs(*ends, size=(4, 4), width=0.1, backend="cuda")
    with pytest.raises(ConfigError, match="needs the depth"):
        draw_limbs(*ends, size=(4, 4), width=0.1, composition="over")


@pytest.mark.parametrize("profile", PROFILES)
def test_short_way_of_the_gradient_agrees_with_the_long_one(profile):
    """Limbs of one width whose ends alone are learned take a shorter kernel than limbs whose widths are learned."""
    values = scene(torch.float32, False)
    values["start"].data[0, 0] = values["end"].data[0, 0] + 1e-3  # too short for the short way
    ends = [values["start"], values["end"]]
    gradients = []
    for learn in (False, True):
        width = torch.full((5, 2), 0.07, requires_grad=learn)
        image = draw_limbs(*ends, size=(30, 34), width=width, profile=profile, backend="numba")
        ramp = torch.linspace(-1, 1, image.numel()).view_as(image)
        gradients.append(torch.autograd.grad((image * ramp).sum(), ends))
    for short, long in zip(*gradients, strict=True):
        assert (short - long).abs().max() < 1e-4 * long.abs().max()


@pytest.mark.parametrize("composition", ["soft_or", "sum", "maximum"])
def test_gradients_where_limbs_cover_a_pixel_wholly(composition):
    """Two equal limbs along a row of pixel centres: what they leave is zero, and the others' product no 0 / 0."""
    start = torch.tensor([[[-0.875, 0.125], [-0.875, 0.125], [0.1, -0.7]]], requires_grad=True)
    end = torch.tensor([[[0.875, 0.125], [0.875, 0.125], [0.2, 0.8]]], requires_grad=True)
    weight = torch.tensor([[1.0, 1.0, 0.7]], requires_grad=True)
    found = []
    for backend in ("numba", "torch"):
        image = draw_limbs(start, end, size=(8, 8), width=0.2, weight=weight, composition=composition, backend=backend)
        ramp = torch.linspace(-1, 1, 64).view_as(image)
        found.append(torch.autograd.grad((image * ramp).sum(), [start, end, weight]))
    for fast, plain in zip(*found, strict=True):
        assert fast.isfinite().all()
        if composition != "maximum":  # between two equal limbs the greatest is a matter of rounding
            assert (fast - plain).abs().max() < 1e-4 * plain.abs().max()
