"""Training of table T2: the sketch as the only teacher of a detector on 2D stickmen, as written and ours."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from articulate.keypoints.centred import CentredLinear
from articulate.seeds import derive_seed, torch_generator
from articulate.skeleton.as_written import as_written
from articulate.skeleton.limb_prior import limb_variance
from articulate.skeleton.spanning import spanning_edges
from articulate.skeleton.statistics import LimbStatistics
from articulate.sketch import CoarseToFine, Reseeder, WhiteStrokes, draw_matrix, pyramid_error

NUM_KEYPOINTS, SIDE, BATCH = 7, 64, 96
HALF_WIDTH = 0.035
# A drawing that misses a limb stays above this share of the ink; complete ones end near 0.01.
MISSING = 0.1


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    name: str
    faithful: bool = False
    tree_prior: bool = True
    reseeding: bool = True
    centred: bool = True
    steps: int = 1000
    attempts: int = 4


class Trained(NamedTuple):
    """What a training leaves: detector, tree, half-width, its last drawing errors (share of the ink), attempts."""

    detector: nn.Module
    edges: torch.Tensor
    width: float
    error: float
    attempts: int


class LinearDetector(nn.Module):
    """The source's detector (Harris 2024, section 5.5): 4096->512->256->512->14, ReLU, tanh."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (SIDE * SIDE, 512, 256, 512, 2 * NUM_KEYPOINTS)
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1], nn.Tanh())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Points in [-1, 1]."""
        return self.net(images).unflatten(1, (NUM_KEYPOINTS, 2))


def decide_tree(statistic: LimbStatistics) -> torch.Tensor:
    """Exact minimum spanning tree of the variance of lengths plus a little of the squared mean."""
    pooled = statistic.pooled()
    return spanning_edges(pooled.variance + 0.01 * pooled.mean**2)


def draw_batch(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random images [B, 1, S, S] in [0, 1] of a set of bytes."""
    return images[torch.randint(len(images), (BATCH,), generator=generator)].float() / 255.0


def train_as_written(method: Method, images: torch.Tensor, seed: int) -> Trained:
    """Harris 2024, section 5.5: fixed Gaussian strokes, tree of listing 5.1, exponential balancing, one attempt.

    The variance loss starts after 5 of 30 epochs (a sixth of the steps); the reconstruction counts ten times.
    """
    torch.manual_seed(derive_seed(seed, "stickman2d", "weights"))
    g = torch_generator(seed, "stickman2d", "batches")
    detector, error = LinearDetector(), math.nan
    optimiser = torch.optim.Adam(detector.parameters(), lr=1e-3, fused=True)
    for step in range(method.steps):
        batch = draw_batch(images, g)
        points = detector(batch)
        distance = (points[:, :, None] - points[:, None]).square().sum(-1).add(1e-8).sqrt()
        variance = distance.var(dim=0)
        tree = as_written(variance.detach())
        drawing = draw_matrix(points, tree.triu(1), size=(SIDE, SIDE), width=HALF_WIDTH)
        reconstruction = (drawing - batch).square().mean()
        loss = torch.exp(10.0 * reconstruction / 50.0)
        if step >= method.steps / 6:
            loss = loss + torch.exp((tree * variance).sum() / 50.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        error = float(reconstruction.detach() / batch.square().mean())
    return Trained(detector, tree.triu(1).nonzero(), HALF_WIDTH, error, 1)


def attempt(method: Method, images: torch.Tensor, seed: int, number: int) -> Trained:
    """One training of ours: coarse and wide first, then the strokes' own width, at last in full resolution."""
    name = ("stickman2d", f"attempt {number}")
    g = torch_generator(seed, *name, "batches")
    if method.centred:
        detector: nn.Module = CentredLinear(NUM_KEYPOINTS, torch_generator(seed, *name, "weights"))
    else:
        torch.manual_seed(derive_seed(seed, *name, "weights"))
        detector = LinearDetector()
    strokes = WhiteStrokes(HALF_WIDTH)
    optimiser = torch.optim.Adam([*detector.parameters(), *strokes.parameters()], lr=1e-3, fused=True)
    statistic, plan = LimbStatistics(NUM_KEYPOINTS, momentum=0.9), CoarseToFine()
    reseeder = Reseeder() if method.reseeding else None
    edges, recent = torch.zeros(0, 2, dtype=torch.int64), 1.0
    for step in range(method.steps):
        share = step / method.steps
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1.0, (step + 1) / 50, 1.6 * (1.0 - share))
        batch = draw_batch(images, g)
        points = detector(batch)
        if step % 2 == 0:
            statistic.update(points)
            edges = decide_tree(statistic)
        drawing, small = plan.at(share), functional.avg_pool2d(batch, 2)
        target = batch if drawing.reduce == 1 else small
        image = strokes(points, edges, drawing, (target.shape[-2], target.shape[-1]))
        error = pyramid_error(image, target, drawing.levels) / target.square().mean()
        loss = error
        if method.tree_prior and share > 0.05:
            loss = loss + 0.05 * limb_variance(points, edges)
        if reseeder is not None and reseeder.due(share):
            if reseeder.plan(step, points, edges, small, HALF_WIDTH):
                # What the moved keypoint did before says nothing about its limbs now.
                statistic = LimbStatistics(NUM_KEYPOINTS, momentum=0.9)
            loss = loss + reseeder.loss(step, points, edges, small, HALF_WIDTH)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recent += 0.1 * (float(error.detach()) - recent)
        if share > 0.75 and recent > MISSING:
            break
    return Trained(detector, edges, float(strokes.log_width.detach().exp()), recent, number + 1)


def train(method: Method, images: torch.Tensor, seed: int) -> Trained:
    """The first attempt whose drawing is complete, or the one with the least error of all; no label is read."""
    if method.faithful:
        return train_as_written(method, images, seed)
    best = None
    for number in range(method.attempts):
        fresh = attempt(method, images, seed, number)
        if best is None or fresh.error < best.error:
            best = fresh
        if best.error <= MISSING:
            break
    assert best is not None
    return best._replace(attempts=number + 1)
