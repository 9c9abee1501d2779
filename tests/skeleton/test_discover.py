"""From moving keypoints to a rooted tree: known bodies, orders, outliers, groups, hysteresis, a predicted tree."""

import pytest
import torch

from articulate.errors import DataError
from articulate.records import Skeleton
from articulate.skeleton import (
    ConnectivityConfig,
    TreeTracker,
    discover_skeleton,
    edges_to_mask,
    fit_predictor,
    minimum_spanning_tree,
    mirrored_pairs,
    pair_statistics,
    root_tree,
    segment_support,
    tree_log_likelihood,
)
from articulate.skeleton.body_frame import centrality_cost, joint_fit_residual
from articulate.skeleton.groups import connected_parts, contract_groups, rigid_groups

PARENTS = [-1, 0, 1, 0, 3, 0, 5, 6]
EDGES = {(0, 1), (1, 2), (0, 3), (3, 4), (0, 5), (5, 6), (6, 7)}


def figure(frames: int = 300, axes: int = 3, seed: int = 0, noise: float = 0.0) -> torch.Tensor:
    """A body of three chains whose limbs of length one turn smoothly about their parents in random directions."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames, dtype=torch.float64)[:, None]
    points = [torch.cumsum(0.01 * torch.randn(frames, axes, generator=generator, dtype=torch.float64), dim=0)]
    for k, parent in enumerate(PARENTS[1:], start=1):
        rate = 0.05 + 0.1 * torch.rand(axes, generator=generator, dtype=torch.float64)
        phase = 6.28 * torch.rand(axes, generator=generator, dtype=torch.float64)
        middle = torch.randn(axes, generator=generator, dtype=torch.float64)
        direction = middle / middle.norm() + 0.7 * torch.sin(rate * time + phase)
        points.append(points[parent] + (0.8 + 0.05 * k) * direction / direction.norm(dim=-1, keepdim=True))
    stacked = torch.stack(points, dim=1)
    return stacked + noise * torch.randn(stacked.shape, generator=generator, dtype=torch.float64)


def edge_set(edges: torch.Tensor) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a, b in edges.tolist()}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_the_tree_of_a_known_body(seed: int) -> None:
    skeleton, diagnostics = discover_skeleton(figure(seed=seed, noise=0.003))
    assert edge_set(skeleton.edges) == EDGES
    assert torch.equal(skeleton.connection, edges_to_mask(skeleton.edges, 8, torch.float64))
    assert skeleton.probability is not None and float(diagnostics.stability.min()) > 0.8
    assert float(skeleton.probability.sum()) == pytest.approx(14)  # every resample is a tree of seven edges
    order = torch.randperm(8, generator=torch.Generator().manual_seed(5))
    shuffled, _ = discover_skeleton(figure(seed=seed, noise=0.003)[:, order])
    back = {tuple(sorted((int(order[a]), int(order[b])))) for a, b in shuffled.edges.tolist()}
    assert back == EDGES


def test_same_input_same_output_and_round_trip(tmp_path) -> None:
    points = figure(axes=2).float()
    first, second = discover_skeleton(points)[0], discover_skeleton(points)[0]
    assert first.cost.dtype == torch.float32 and torch.equal(first.probability, second.probability)
    first.save(tmp_path / "skeleton.npz")
    assert torch.equal(Skeleton.load(tmp_path / "skeleton.npz").edges, first.edges)


def test_outlier_frames_are_rejected_and_counted_and_gaps_are_fine() -> None:
    points = figure(noise=0.003)
    points[::40] += 5 * torch.randn(8, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    points[100:110, 4] = torch.nan
    skeleton, diagnostics = discover_skeleton(points)
    assert set(range(0, 300, 40)) <= set(diagnostics.outlier_frames.tolist())
    assert len(diagnostics.outlier_frames) < 12
    assert diagnostics.skipped.tolist() == [0, 0, 0, 0, 10, 0, 0, 0]
    assert edge_set(skeleton.edges) == EDGES


def test_messages() -> None:
    points = figure()
    with pytest.raises(DataError, match="two frames"):
        discover_skeleton(points[:1])
    points[:, 3] = torch.nan
    with pytest.raises(DataError, match=r"keypoints \[3\] are known in no frame"):
        discover_skeleton(points)
    with pytest.raises(DataError, match="do not reach keypoints"):
        root_tree(torch.tensor([[0, 1], [1, 2], [2, 0], [3, 4]]))


def test_rigid_groups_and_straight_keypoints() -> None:
    """Two points fixed to the root limb's frame make a group; the middle of a rigid limb only lengthens it."""
    points = figure()
    middle = 0.5 * (points[:, 3] + points[:, 4])
    extended = torch.cat([points, middle[:, None]], dim=1)
    found = rigid_groups(pair_statistics(extended), 1e-6)
    assert found == [[3, 4, 8]]
    skeleton, diagnostics = discover_skeleton(extended)
    assert {(3, 8), (4, 8)} <= edge_set(skeleton.edges)
    assert diagnostics.merged == [(3, 8, 4)] and diagnostics.rigid_groups == [[3, 4, 8]]
    cost = pair_statistics(extended).mean
    contracted = contract_groups(cost, [[0, 5, 7]])
    tree = edge_set(minimum_spanning_tree(contracted).nonzero())
    assert len({e for e in tree if set(e) <= {0, 5, 7}}) == 2


def test_groups_hang_together_by_the_limbs_that_were_seen() -> None:
    """Head 3 and hip 0 of a stiff walker keep their distance; seen limbs go over the spine 1, 2, which bends."""
    joined = torch.zeros(7, 7, dtype=torch.bool)
    for a, b in [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5)]:
        joined[a, b] = joined[b, a] = True
    assert connected_parts([[0, 3, 5]], joined) == []
    assert connected_parts([[0, 1, 2, 4, 5]], joined) == [[0, 1, 2, 5]]
    assert connected_parts([[0, 3, 6]], joined) == [[0, 3, 6]]  # nothing is known of keypoint 6
    points = torch.rand(40, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points[:, 1:3] = points[:, :1] + torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    prior = torch.ones(4, 4)
    for a, b in [(0, 3), (3, 1), (3, 2)]:
        prior[a, b] = prior[b, a] = 0.02
    config = ConnectivityConfig(mix={"high": 1.0})
    assert edge_set(discover_skeleton(points, config=config, prior=prior)[0].edges) == {(0, 3), (1, 3), (2, 3)}


def test_joint_fit_is_lower_inside_a_body_than_across_it() -> None:
    points = figure()
    rigid = torch.cat([points, points[:, :1] + 0.3, points[:, :1] - torch.tensor([0.3, 0.0, 0.2])], dim=1)
    residual = joint_fit_residual(rigid)
    assert torch.equal(residual, residual.mT)
    assert float(residual[0, 8]) < 0.2 * float(residual[2, 7])


def test_centrality_is_silent_for_a_figure_that_keeps_its_up() -> None:
    shape = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    still = shape.expand(50, 6, 2) + torch.arange(50, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(centrality_cost(still), torch.ones(6, 6, dtype=torch.float64), atol=1e-6, rtol=0)
    angle = torch.linspace(0, 6.2832, 50, dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).reshape(50, 2, 2)
    cost = centrality_cost(torch.einsum("kc,ncd->nkd", shape, turn))
    assert float(cost.max() / cost.min()) > 4


def test_mask_support_is_the_share_of_the_segment_on_the_mask() -> None:
    mask = torch.zeros(3, 1, 64, 64)
    mask[:, :, :, :32] = 1.0  # the left half
    points = torch.tensor([[-0.8, 0.0], [-0.4, 0.5], [0.8, 0.0]]).expand(3, 3, 2).clone()
    points[2, 0] = torch.nan
    support = segment_support(points, mask, samples=40)
    assert float(support[0, 1]) == pytest.approx(1.0)
    assert float(support[0, 2]) == pytest.approx(0.5, abs=0.02)
    assert torch.equal(support, support.mT)


def test_tracker_needs_strong_and_lasting_evidence() -> None:
    cost = torch.tensor([[0.0, 1.0, 1.1], [1.0, 0.0, 3.0], [1.1, 3.0, 0.0]], dtype=torch.float64)
    weak, strong = cost.clone(), cost.clone()
    weak[1, 2] = weak[2, 1] = 0.95
    strong[1, 2] = strong[2, 1] = 0.2
    tracker = TreeTracker(3, momentum=0.0, margin=0.8, patience=2)
    assert edge_set(tracker.update(cost)) == {(0, 1), (0, 2)}
    for _ in range(5):
        assert edge_set(tracker.update(weak)) == {(0, 1), (0, 2)}
    tracker.update(strong)
    assert tracker.changes == 0
    again = TreeTracker(3, momentum=0.0, margin=0.8, patience=2)
    again.load_state_dict(tracker.state_dict())
    assert edge_set(again.update(strong)) == {(0, 1), (1, 2)} and again.changes == 1
    with pytest.raises(DataError, match="log_cost"):
        again.load_state_dict({})


def test_rooting_and_mirrored_pairs() -> None:
    edges = torch.tensor([[4, 3], [3, 0], [1, 0], [2, 1], [0, 5], [6, 5], [7, 6]])
    tree = root_tree(edges)
    assert tree.root == 0 and tree.parents.tolist() == [-1, 0, 1, 0, 3, 0, 5, 6]
    assert tree.depth.tolist() == [0, 1, 2, 1, 2, 1, 2, 3]
    length = {1: 1.0, 2: 0.5, 3: 1.05, 4: 0.52, 5: 1.0, 6: 0.5, 7: 1.0}
    lengths = torch.tensor([length[int(c)] for c in tree.edges[:, 1]])
    assert mirrored_pairs(tree, lengths) == [(1, 3), (2, 4)]  # the third branch is longer by one limb
    assert root_tree(edges, root=7).parents[7] == -1


def test_network_learns_which_of_two_structures_a_pose_has() -> None:
    generator = torch.Generator().manual_seed(0)
    line = torch.tensor([[0.0, 0], [1, 0], [2, 0], [3, 0], [4, 0]])
    star = torch.tensor([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    chain = edges_to_mask(torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]]), 5)
    hub = edges_to_mask(torch.tensor([[0, 1], [0, 2], [0, 3], [0, 4]]), 5)
    poses = torch.cat([line.expand(32, 5, 2), star.expand(32, 5, 2)])
    poses = poses + 0.05 * torch.randn(poses.shape, generator=generator)
    masks = torch.cat([chain.expand(32, 5, 5), hub.expand(32, 5, 5)])
    network = fit_predictor(poses, masks, steps=60, width=32)
    assert torch.equal(minimum_spanning_tree(network(poses).detach()), masks)
    uniform = tree_log_likelihood(torch.zeros(1, 4, 4), edges_to_mask(torch.tensor([[0, 1], [1, 2], [2, 3]]), 4)[None])
    assert float(uniform.exp()) == pytest.approx(1 / 16)  # Cayley: 4^2 trees


def test_configuration_is_checked() -> None:
    with pytest.raises(ValueError, match="allowed kinds"):
        ConnectivityConfig(mix={})
