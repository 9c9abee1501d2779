"""T6e: every true limb that our tree misses on three recorded animals, beside the way that our tree takes instead; what
each statistic finds alone; and the best that any mix of them could do if the labels were known.

By the cycle property a limb is in no minimum tree of a cost if its ends are joined by a way of which each step costs
less. A ratio above 1 says that of one statistic: the limb is less rigid, longer or moves more than *every* step.
"""

from itertools import product

import networkx as nx
import torch
from scoreboard import Row
from tree_data import ANIMALS, DATA, read_sequence

from articulate.evaluation.tree import edge_scores, edge_set
from articulate.skeleton import ConnectivityConfig, discover_skeleton, spanning_edges
from articulate.skeleton.body_frame import centrality_cost, joint_fit_residual
from articulate.skeleton.costs import floored_spread, log_ratio
from articulate.skeleton.statistics import LimbStatistics, PairStatistics
from articulate.skeleton.symmetry import minimum_tree

SETS = ("rat23_3d", "mouse34_3d", "fly13 fly1")
EXPONENTS = (0.0, 0.25, 0.5, 1.0, 2.0)
Costs = dict[str, torch.Tensor]


def statistics_of(points: torch.Tensor, lag: int) -> PairStatistics:
    """Exact statistics, with velocities over `lag` frames."""
    found = LimbStatistics(points.shape[1], velocity_lag=lag)
    found.update(points, consecutive=True)
    return found.pooled()


def single_costs(points: torch.Tensor) -> Costs:
    """Every statistic that needs no label and no picture, alone."""
    near, far = statistics_of(points, 1), statistics_of(points, 4)
    known = points[points.isfinite().all(-1).all(-1)]
    costs = {
        "mean distance": far.mean,
        "95th percentile of distance": far.high,
        "spread of distance": far.variance.sqrt(),
        "spread, floored": floored_spread(far, 1.0),
        "variance + 0.01 mean^2": far.variance + 0.01 * far.mean**2,
        "relative motion, 1 frame": near.velocity,
        "relative motion, 4 frames": far.velocity,
        "joint fit": joint_fit_residual(known),
    }
    if points.shape[-1] == 2:
        costs["centrality"] = centrality_cost(known)
    return costs


def missed_limbs(name: str, points: torch.Tensor, true: list, names: list[str], config: ConnectivityConfig):
    """Rows of every missed limb, and the mirror that was found."""
    skeleton, notes = discover_skeleton(points, config=config)
    found, statistics = edge_set(skeleton.edges), statistics_of(points, config.velocity_lag)
    measures = {"cost": skeleton.cost, "spread": statistics.variance.sqrt(), "95th percentile": statistics.high,
                "relative motion": statistics.velocity}  # fmt: skip
    graph, rows = nx.Graph(list(found)), []
    for a, b in sorted(edge_set(true) - found):
        way = nx.shortest_path(graph, a, b)
        steps = list(zip(way[:-1], way[1:], strict=True))
        said = " - ".join(f"{names[k]}" for k in way)
        label = f"{names[a]} - {names[b]}"
        for kind, measure in measures.items():
            highest = max(float(measure[i, j]) for i, j in steps)
            rows.append(Row("T6e", name, label, f"{kind} over the highest on the way", "x",
                            [float(measure[a, b]) / highest], note=said))  # fmt: skip
        without = 1.0 - float(skeleton.probability[a, b])
        rows.append(Row("T6e", name, label, "resamples whose tree does without it", "share", [without], note=said))
    return rows, notes.mirror


def best_mix(costs: Costs, true: list, mirror: torch.Tensor | None) -> tuple[float, str]:
    """Highest recall of any mix over a grid of exponents, chosen by the labels, with the mirror that was found."""
    kinds = [
        "95th percentile of distance",
        "relative motion, 4 frames",
        "spread, floored",
        "mean distance",
        "joint fit",
    ]
    kinds += ["centrality"] if "centrality" in costs else []
    logs = torch.stack([log_ratio(costs[k]) for k in kinds])
    grids = [EXPONENTS] * 3 + [EXPONENTS[:4]] * (len(kinds) - 3)
    best, said = 0.0, ""
    for exponents in product(*grids):
        if not any(exponents):
            continue
        mixed = torch.exp(torch.einsum("m,mij->ij", torch.tensor(exponents, dtype=logs.dtype), logs))
        for tree in (
            (spanning_edges(mixed), minimum_tree(mixed, mirror)) if mirror is not None else (spanning_edges(mixed),)
        ):
            recall = edge_scores(tree, true)["recall"]
            if recall > best:
                best, said = recall, ", ".join(f"{k}^{e:g}" for k, e in zip(kinds, exponents, strict=True) if e)
    return best, said


def evidence(config: ConnectivityConfig) -> list[Row]:
    """T6e of all sets."""
    rows = []
    for name in SETS:
        points, true, names = read_sequence(DATA / f"{ANIMALS[name]}.npz")
        missed, mirror = missed_limbs(name, points, true, names, config)
        rows += missed
        costs, held = single_costs(points), set()
        for kind, cost in costs.items():
            tree = edge_set(spanning_edges(cost))
            held |= tree & edge_set(true)
            rows.append(Row("T6e", name, f"{kind}, alone", "recall", "share", [edge_scores(tree, true)["recall"]]))
        union = len(held) / len(edge_set(true))
        rows.append(Row("T6e", name, "limbs that some statistic alone finds", "recall", "share", [union]))
        best, said = best_mix(costs, true, mirror)
        rows.append(Row("T6e", name, "best mix, chosen by the labels", "recall", "share", [best], note=said))
    return rows
