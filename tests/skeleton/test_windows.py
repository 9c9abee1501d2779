"""Trees of parts of a run, what the skeleton says of its keypoints, and a run without those on straight limbs."""

import torch

from articulate.records import Camera, FrameIndex, Motion, Tracks
from articulate.skeleton import discover_skeleton
from articulate.skeleton.merging import without_keypoints
from articulate.skeleton.windows import rolling_windows, window_trees


def chain(order: list[int], frames: int, seed: int) -> torch.Tensor:
    """Keypoints `order` on a chain of limbs of length one that turn smoothly; 3D."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames, dtype=torch.float64)[:, None]
    places = [torch.zeros(frames, 3, dtype=torch.float64)]
    for _ in order[1:]:
        rate, phase = (torch.rand(1, 3, generator=generator, dtype=torch.float64) for _ in range(2))
        middle = torch.randn(3, generator=generator, dtype=torch.float64)
        direction = middle / middle.norm() + 0.9 * torch.sin((0.05 + 0.2 * rate) * time + 6 * phase)
        places.append(places[-1] + direction / direction.norm(dim=-1, keepdim=True))
    return torch.stack(places, dim=1)[:, torch.tensor(order).argsort()]


def pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a, b in edges.tolist()}


def test_windows_overlap_by_half_and_stay_in_their_clip() -> None:
    assert rolling_windows([10, 4], 4) == [[(0, 3), (2, 5), (4, 7), (6, 9)], [(10, 13)]]
    assert rolling_windows([10, 4], 0) == [[(0, 9)], [(10, 13)]]


def test_every_clip_has_its_own_tree() -> None:
    one, two = chain([0, 1, 2, 3, 4], 120, 0), chain([2, 0, 4, 1, 3], 120, 1)
    rows, edges = window_trees(torch.cat([one, two, one[:5]]), [120, 120, 5])
    assert rows.tolist() == [[0, 119], [120, 239]]  # five frames are too few
    assert pairs(edges[0]) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert pairs(edges[1]) == {(0, 2), (0, 4), (1, 4), (1, 3)}


def test_rolling_windows_follow_a_structure_that_changes() -> None:
    points = torch.cat([chain([0, 1, 2, 3], 160, 0), chain([2, 0, 3, 1], 160, 3)])
    _, edges = window_trees(points, [320], window=80)
    found = [pairs(e) for e in edges]
    assert found[0] == {(0, 1), (1, 2), (2, 3)} and found[-1] == {(0, 2), (0, 3), (1, 3)}
    changes = sum(a != b for a, b in zip(found, found[1:], strict=False))
    assert changes == 1  # the window that holds both structures does not flicker


def test_a_skeleton_says_what_its_keypoints_are() -> None:
    points = chain([0, 1, 2, 3], 200, 0)
    middle = 0.5 * (points[:, 2] + points[:, 3])
    skeleton, _ = discover_skeleton(torch.cat([points, middle[:, None]], dim=1))
    assert skeleton.straight is not None and skeleton.straight.tolist() == [0, 0, 0, 0, 1]
    assert skeleton.group is not None and skeleton.group[2] == skeleton.group[3] == skeleton.group[4] == 0
    assert skeleton.outliers is not None and skeleton.mirror is not None and skeleton.mirror.shape == (5,)


def test_a_run_without_its_straight_keypoint_keeps_its_limbs() -> None:
    chain_of_four = chain([0, 1, 2, 3], 200, 0)
    points = torch.cat(
        [chain_of_four[:, :2], 0.5 * (chain_of_four[:, 2:3] + chain_of_four[:, 3:]), chain_of_four[:, 2:]], 1
    )
    skeleton, found = discover_skeleton(points)
    assert [k for _, k, _ in found.merged] == [2]
    index = FrameIndex(torch.zeros(1, 200, dtype=torch.int64), torch.arange(200)[None])
    tracks = Tracks(points[None, ..., :2], torch.ones(1, 200, 5), torch.zeros(1, 200, 5, 2, 2), index)
    motion = Motion(points[None], torch.ones(1, 4), Camera(torch.ones(1, 200), torch.zeros(1, 200, 2)))
    fewer, seen, moved = without_keypoints([2], skeleton, tracks, motion)
    assert pairs(fewer.edges) == {(0, 1), (1, 2), (2, 3)} and torch.equal(seen.xy[0], chain_of_four[..., :2])
    assert fewer.connection.sum() == 6 and fewer.straight is not None and fewer.straight.tolist() == [0] * 4
    assert moved is not None and torch.allclose(moved.bone_lengths, torch.ones(1, 3, dtype=torch.float64))
