"""Clips of table T5: motion capture, and bodies of the built-in generator at four angles of turn."""

import os
from functools import cache
from pathlib import Path

import networkx
import numpy as np
import torch

from articulate.data.synthetic.clips import Scene, make_scene
from articulate.data.synthetic.options import SyntheticOptions
from articulate.skeleton.spanning import spanning_edges

ROOT = Path(__file__).parents[1]
CLIPS = Path(os.environ.get("ARTICULATE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "cmu_mocap" / "clips"
HIPS = (("rButtock", "lButtock"), ("rhipjoint", "lhipjoint"), ("RightUpLeg", "LeftUpLeg"))
# Bodies of varied lengths; clip i of an angle does activity i, 5 seconds at 30 frames a second.
BODIES = {"person": 5, "quadruped": 4, "hexapod": 2}
ANGLES = (0, 60, 180, 360)


def breadth_first(pairs: list[tuple[int, int]], root: int) -> torch.Tensor:
    """Undirected edges as (parent, child) in breadth-first order from `root`."""
    graph = networkx.Graph(pairs)
    return torch.tensor(list(networkx.bfs_edges(graph, root)), dtype=torch.int64)


def captured() -> tuple[str, ...]:
    """Names of all recordings."""
    return tuple(sorted(p.stem for p in CLIPS.glob("*.npz")))


def generated() -> tuple[str, ...]:
    """Names of all generated clips: body, degrees of turn, number."""
    return tuple(f"{body} {angle} {i}" for body, count in BODIES.items() for angle in ANGLES for i in range(count))


@cache
def scene(name: str) -> Scene:
    """A generated clip by name."""
    body, angle, number = name.split()
    options = SyntheticOptions(family=body, num_frames=150, yaw_coverage=float(angle), seed=7, body_spread=0.08)
    return make_scene(options, int(number) + ANGLES.index(int(angle)) * BODIES[body])


def load(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """True joints [T, K, 3] in the camera frame and the true tree of one clip."""
    if " " in name:
        found = scene(name)
        edges = [tuple(e) for e in np.asarray(found.family.edges).tolist()]
        return torch.from_numpy(np.ascontiguousarray(found.xyz)).double(), breadth_first(edges, edges[0][0])
    with np.load(CLIPS / f"{name}.npz", allow_pickle=False) as stored:
        joints = torch.from_numpy(stored["xyz"].astype(np.float64)) * torch.tensor([1.0, -1.0, -1.0])
        root = int(np.flatnonzero(stored["parents"] < 0)[0])
        return joints, breadth_first([tuple(e) for e in stored["edges"].tolist()], root)


def turning(name: str) -> float:
    """Axial spread of the true heading: 0 when the body keeps its direction seen from above (captured: its hips)."""
    if " " in name:
        return float(1 - abs(np.exp(2j * scene(name).yaw).mean()))
    with np.load(CLIPS / f"{name}.npz", allow_pickle=False) as stored:
        names = stored["kp_names"].tolist()
        right, left = next(pair for pair in HIPS if pair[0] in names)
        line = stored["xyz"][:, names.index(right)] - stored["xyz"][:, names.index(left)]
    return float(1 - abs(np.exp(2j * np.arctan2(line[:, 2], line[:, 0])).mean()))


def learned_tree(xy: torch.Tensor) -> torch.Tensor:
    """Tree from 2D alone: minimum of (95th percentile of length) x (mean velocity difference), rooted at its centre."""
    length = torch.quantile((xy[:, :, None] - xy[:, None]).norm(dim=-1), 0.95, dim=0)
    speed = xy.diff(dim=0)
    cost = length * (speed[:, :, None] - speed[:, None]).norm(dim=-1).mean(0)
    pairs = [tuple(e) for e in spanning_edges(cost).tolist()]
    return breadth_first(pairs, networkx.center(networkx.Graph(pairs))[0])
