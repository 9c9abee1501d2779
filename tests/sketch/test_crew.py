"""Threads that share a drawing: the same bits for any number of them, several drawings at once, forked children."""

import multiprocessing
import threading

import pytest
import torch

from articulate.sketch import draw_tree

EDGES = torch.tensor([[0, 1], [1, 2], [1, 3], [3, 3]])


def drawn(seed: int, batch: int, side: int, colour: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Image, and gradient by the points."""
    g = torch.Generator().manual_seed(seed)
    points = (torch.rand(batch, 4, 2, generator=g) * 1.6 - 0.8).requires_grad_()
    options = {"colour": torch.rand(4, 2, 3, generator=g)} if colour else {}
    image = draw_tree(points, EDGES, size=(side, side), width=0.05, **options)
    (image * torch.rand(image.shape, generator=g)).sum().backward()
    return image.detach(), points.grad


def same(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("batch", [1, 5])
def test_any_number_of_threads_draws_the_same_bits(threads, batch, colour):
    found = []
    for count in (1, 2, 3):
        threads(count)
        found += [drawn(batch, batch, 140, colour) for _ in range(10)]
    assert all(same(found[0], other) for other in found)


def test_drawings_of_several_threads_do_not_meet(threads):
    threads(2)
    expected = [drawn(seed, 3, 64) for seed in range(4)]
    right = [0] * 4

    def work(seed: int) -> None:
        for _ in range(30):
            right[seed] += same(drawn(seed, 3, 64), expected[seed])

    crowd = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert right == [30] * 4


def child(queue) -> None:
    queue.put(drawn(0, 4, 64)[0].sum().item())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system does not fork")
def test_forked_child_draws_with_threads_of_its_own(threads):
    threads(2)
    expected = drawn(0, 4, 64)[0].sum().item()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join()


def test_an_edge_to_no_point_is_refused():
    points = torch.zeros(2, 3, 2)
    for stray in (3, -4):
        with pytest.raises(IndexError, match="none of the 3 points"):
            draw_tree(points, torch.tensor([[0, 1], [1, stray]]), size=(8, 8), width=0.1)
    last = draw_tree(torch.rand(2, 3, 2), torch.tensor([[0, -1]]), size=(8, 8), width=0.1)
    assert last.isfinite().all()


def test_points_to_pixels_agrees_with_limbs_one_by_one():
    """Edges that share points, half-widths and weights with gradients, against the plain form.

    In double precision: the plain form's gradient at the tapered dot loses half of its digits in single.
    """
    found = []
    for backend in ("numba", "torch"):
        g = torch.Generator().manual_seed(3)
        points, width, weight = (
            (torch.rand(shape, generator=g, dtype=torch.float64) * scale + low).requires_grad_()
            for shape, scale, low in (((3, 4, 2), 1.0, -0.5), ((4, 2), 0.1, 0.03), ((4,), 1.0, 0.0))
        )
        image = draw_tree(points, EDGES, size=(40, 33), width=width, weight=weight, backend=backend)
        ramp = torch.linspace(-1, 1, image.numel(), dtype=image.dtype).view_as(image)
        found.append([image.detach(), *torch.autograd.grad((image * ramp).sum(), [points, width, weight])])
    assert (found[0][0] - found[1][0]).abs().max() < 1e-5
    for fast, plain in zip(found[0][1:], found[1][1:], strict=True):
        assert (fast - plain).abs().max() < 1e-4 * plain.abs().max()
