"""A small body that turns and moves smoothly, with a lifter started on it: shared by the tests of lifting in time."""

import torch

from articulate.geometry.rotations import rotation_about
from articulate.lifting.heading_fit import HeadingFitConfig
from articulate.lifting.view_training import choose_start, view_data
from articulate.lifting.views import ViewLifter, ViewsConfig

EDGES = torch.tensor([[0, 1], [1, 2], [1, 3], [3, 4], [0, 5], [5, 6]])
REST = torch.tensor(
    [[0, 0.5, 0], [0, -0.5, 0], [0, -0.9, 0.2], [0.4, -0.5, 0], [0.7, -0.1, 0], [0.2, 0.5, 0], [0.3, 1.3, 0]]
)
QUICK = HeadingFitConfig(elevation_starts=(0.1,), start_frames=300, frames=600, start_rounds=10, rounds=4)


def moving_body(num: int = 400, stretch: float = 0.0, turn: float = 0.05) -> torch.Tensor:
    """A body that turns by `turn` rad a frame and swings forearm and shin; `stretch` changes the trunk over time."""
    time = torch.arange(num)
    joints = REST.expand(num, -1, -1).clone()
    bend, kick = 0.5 * torch.sin(0.21 * time), 0.5 * torch.sin(0.13 * time + 1)
    joints[:, 4] = joints[:, 3] + rotation_about(0, bend - 0.8) @ (REST[4] - REST[3])
    joints[:, 6] = joints[:, 5] + rotation_about(0, kick + 0.3) @ (REST[6] - REST[5])
    joints[:, 1:5, 1] += (stretch * torch.sin(0.17 * time + 2))[:, None]
    turned = joints @ rotation_about(1, turn * time).mT @ rotation_about(0, torch.tensor(0.15)).mT
    return turned - turned.mean(1, keepdim=True)


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    """Mean distance after centring, under the better of the two depth reflections."""
    a, b = found - found.mean(1, keepdim=True), true - true.mean(1, keepdim=True)
    return min((a * a.new_tensor([1, 1, s]) - b).norm(dim=-1).mean().item() for s in (1.0, -1.0))


def started(xy: torch.Tensor) -> ViewLifter:
    """A lifter with a heading model of these frames."""
    config = ViewsConfig(width=16, heading=QUICK)
    return choose_start(config, view_data(xy, None, None, EDGES), EDGES, torch.Generator().manual_seed(0)).eval()
