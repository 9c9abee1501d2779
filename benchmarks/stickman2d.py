"""T2: detector + sketch + tree on the 2D stickmen (K = 7, 64 px): as written and ours, and what each part is worth.

`python benchmarks/stickman2d.py [--quick] [--only METHOD] [--seeds N] [--budget SECONDS]`. Protocol: 12,000 training
images and 2,000 others for the score, white sticks on black, poses a second of motion apart; no label is read in
training. Score: mean over images, joints and both coordinates of the squared difference to the true joint, in [-1, 1]
coordinates, after ONE Hungarian matching for all test images; the tree is exact when its matched edges are the true
ones. `--budget` is the wall-clock of one training: the learning rate falls to zero at its end.
"""

import argparse
import math
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scoreboard import Row, publish
from torch import nn

from articulate.data.synthetic.clips import generate_clips
from articulate.data.synthetic.options import SyntheticOptions
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.soft_argmax import read_heatmaps
from articulate.seeds import derive_seed, torch_generator
from articulate.skeleton.spanning import spanning_edges
from articulate.skeleton.statistics import LimbStatistics
from articulate.sketch import WidthSchedule, draw_tree, plan_reseeding, pyramid_error, reseeding_error

NUM_KEYPOINTS, SIDE, BATCH = 7, 64, 48
NUM_TRAIN, NUM_TEST, CLIP = 12000, 2000, 500


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    name: str
    detector: str = "conv"
    tree_prior: bool = True
    reseeding: bool = True
    widen: float = 4.0


METHODS = (
    Method("ours"),
    Method("ours without re-seeding", reseeding=False),
    Method("ours without tree prior", tree_prior=False),
    Method("ours without either", tree_prior=False, reseeding=False),
    Method("as written (linear net)", detector="linear", reseeding=False, widen=1.0),
)


class LinearDetector(nn.Module):
    """The source's detector (Harris 2024, section 5.5): 4096->512->256->512->14, ReLU, tanh."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (SIDE * SIDE, 512, 256, 512, 2 * NUM_KEYPOINTS)
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1], nn.Tanh())

    def forward(self, images: torch.Tensor, share: float) -> torch.Tensor:
        """Points in [-1, 1]."""
        return self.net(images).unflatten(1, (NUM_KEYPOINTS, 2))


class ConvDetector(nn.Module):
    """The project's hourglass; whole soft-argmax while keypoints find their places, then the unbiased window."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = KeypointDetector(
            KeypointDetectorConfig(num_keypoints=NUM_KEYPOINTS, channels=1, width=0.5, skip="half")
        )

    def forward(self, images: torch.Tensor, share: float) -> torch.Tensor:
        """Points in [-1, 1]; `share` of the training is done."""
        heatmaps = self.detector.hourglass(images)
        return read_heatmaps(heatmaps, method="plain" if share < 0.6 else "windowed").xy


def images_and_truth(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Images [N, 1, S, S] in [0, 1], true joints [N, 7, 2] and true edges."""
    options = SyntheticOptions(
        family="stickman2d", look="sticks", cue="none", background="black", size=SIDE, fps=1.0, seed=seed,
        num_clips=count // CLIP, num_frames=CLIP,
    )  # fmt: skip
    clips = list(generate_clips(options))
    images = torch.from_numpy(np.concatenate([c.mask for c in clips]))[:, None].float() / 255.0
    truth = torch.from_numpy(np.concatenate([c.truth["xy"] for c in clips])).float()
    return images, truth, clips[0].truth["edges"]


def limb_prior(points: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
    """Variance over the batch of the lengths along the tree, over the squared mean length."""
    length = (points[:, edges[:, 0]] - points[:, edges[:, 1]]).square().sum(-1).add(1e-8).sqrt()
    return (length.var(dim=0) / length.mean().detach().square()).mean()


def decide_tree(statistic: LimbStatistics, prior: bool) -> torch.Tensor:
    """Minimum spanning tree of the variance of lengths plus a little of the squared mean."""
    pooled = statistic.pooled()
    return spanning_edges(pooled.variance + (0.01 * pooled.mean**2))


def train(method: Method, images: torch.Tensor, seed: int, budget: float) -> tuple[nn.Module, torch.Tensor, dict]:
    """One training within `budget` seconds."""
    torch.manual_seed(derive_seed(seed, "stickman2d", "weights"))
    g = torch_generator(seed, "stickman2d", "batches")
    detector = LinearDetector() if method.detector == "linear" else ConvDetector()
    log_width = nn.Parameter(torch.tensor(math.log(0.035)))
    rate = 1e-3 if method.detector == "linear" else 2e-3
    optimiser = torch.optim.Adam([{"params": detector.parameters(), "lr": rate}, {"params": [log_width], "lr": rate}])
    statistic, schedule = LimbStatistics(NUM_KEYPOINTS, momentum=0.95), WidthSchedule(start=method.widen, until=0.5)
    edges, plan, until, step, moves = torch.zeros(0, 2, dtype=torch.int64), None, 0, 0, 0
    begin = time.perf_counter()
    while (share := (time.perf_counter() - begin) / budget) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / 50) * min(1.0, 2.5 * (1.0 - share))
        batch = images[torch.randint(len(images), (BATCH,), generator=g)]
        points = detector(batch, share)
        statistic.update(points)
        if step % 10 == 0 or len(edges) == 0:
            edges = decide_tree(statistic, method.tree_prior)
        width = log_width.exp()
        drawing = draw_tree(points, edges, size=(SIDE, SIDE), width=width * schedule.factor(share),
                            profile="gaussian" if share < 0.5 else "smooth_step")  # fmt: skip
        loss = pyramid_error(drawing, batch, 4 if share < 0.5 else 2) / batch.square().mean()
        if method.tree_prior and share > 0.1:
            loss = loss + 0.05 * limb_prior(points, edges)
        if method.reseeding and share < 0.6:
            if step % 100 == 99:
                plan, until = plan_reseeding(points.detach(), edges, batch, 0.035), step + 25
                moves += plan is not None
            if plan is not None and step < until:
                # The plan's places belong to its batch; here they are looked up again for this one.
                fresh = plan_reseeding(points.detach(), edges, batch, 0.035)
                if fresh is not None:
                    loss = loss + reseeding_error(points, fresh._replace(keypoint=plan.keypoint))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
    detector.eval()
    return (
        detector,
        edges,
        {"steps": step, "moves": moves, "width": float(width.detach()), "loss": float(loss.detach())},
    )


@torch.no_grad()
def score(detector: nn.Module, images: torch.Tensor, truth: torch.Tensor, true_edges: np.ndarray) -> tuple[float, bool]:
    """Matched mean squared error, and whether the tree of the detected points is the true one."""
    points = torch.cat([detector(images[i : i + 200], 1.0) for i in range(0, len(images), 200)])
    cost = (points[:, :, None] - truth[:, None]).square().mean(dim=(0, 3))
    rows, columns = linear_sum_assignment(cost.numpy())
    statistic = LimbStatistics(NUM_KEYPOINTS)
    statistic.update(points)
    found = {frozenset((int(columns[a]), int(columns[b]))) for a, b in decide_tree(statistic, True).tolist()}
    exact = found == {frozenset(map(int, e)) for e in true_edges}
    return float(cost.numpy()[rows, columns].mean()), exact


def main() -> None:
    """Parse the command line, train every method in every seed, publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds of the first and the last method, 60 s each")
    parser.add_argument("--only", help="part of a method's name")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=float, default=110.0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    chosen = [m for m in METHODS if not arguments.only or arguments.only == m.name]
    if arguments.quick:
        chosen, arguments.seeds, arguments.budget = [METHODS[0], METHODS[-1]], 2, 60.0
    images, _, _ = images_and_truth(0, NUM_TRAIN)
    unseen, truth, true_edges = images_and_truth(1, NUM_TEST)
    rows = []
    for method in chosen:
        errors, trees, seconds = [], [], []
        for seed in range(arguments.seeds):
            begin = time.perf_counter()
            detector, _, facts = train(method, images, seed, arguments.budget)
            seconds.append(time.perf_counter() - begin)
            error, exact = score(detector, unseen, truth, true_edges)
            errors.append(error)
            trees.append(float(exact))
            print(method.name, seed, f"{error:.6f}", exact, facts, flush=True)
        spent = statistics.fmean(seconds)
        missed = sum(e > 1e-4 for e in errors)
        rows.append(Row("T2", "2D stickmen", method.name, "matched MSE", "1", errors, missed, spent))
        rows.append(Row("T2", "2D stickmen", method.name, "exact tree", "share", trees, trees.count(0.0), spent))
    publish(rows, "stickman2d")


if __name__ == "__main__":
    main()
