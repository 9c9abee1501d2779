"""All starts of the sign search at once, as tensors of any device: the same moves and energies as `solver.Search`.

The compiled search is the faster one on a CPU; here the cost of a move hardly depends on the number of starts, which is
what a GPU wants. Random numbers differ, so that both find the same optimum but not the same path to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.lifting.one_clip.parallel_order import best_orders
from articulate.lifting.one_clip.pose_prior import PosePrior


@dataclass
class Chains:
    """S starts of one clip of T frames and L bones: signed depths, and the Gaussian of poses of each."""

    flat: Float[Tensor, "T L 2"]
    depth: Float[Tensor, "S L T"]
    mean: Float[Tensor, "S L 3"]
    covariance: Float[Tensor, "S A A"]
    weight: Float[Tensor, "S L"]
    floor: float
    shrinkage: float

    def vectors(self) -> Float[Tensor, "S T L 3"]:
        """Bones from image vectors and depths."""
        depth = self.depth.transpose(1, 2)[..., None]
        return torch.cat([self.flat.expand(len(depth), *self.flat.shape), depth], -1)

    def regularised(self) -> Float[Tensor, "S A A"]:
        """Covariance as `PosePrior.regularised`."""
        diagonal = torch.diag_embed(self.covariance.diagonal(dim1=1, dim2=2))
        spread = (1 - self.shrinkage) * self.covariance + self.shrinkage * diagonal
        return spread + self.floor**2 * torch.eye(spread.shape[-1], dtype=spread.dtype, device=spread.device)

    def precision(self) -> Float[Tensor, "S A A"]:
        """Inverse of the regularised covariance."""
        return torch.linalg.inv(self.regularised())

    def rotations(self, bones: Float[Tensor, "S T L 3"]) -> Float[Tensor, "S T 3 3"]:
        """Camera-from-body rotations that best take the mean to `bones` (Kabsch 1976)."""
        u, _, v = torch.linalg.svd(torch.einsum("stli,slj,sl->stij", bones, self.mean, self.weight))
        handed = torch.linalg.det(u @ v).sign()
        return torch.cat([u[..., :2], u[..., 2:] * handed[..., None, None]], -1) @ v

    def deviations(self, bones: Float[Tensor, "S T L 3"], rotation: Float[Tensor, "S T 3 3"]) -> Float[Tensor, "S T A"]:
        """Bones in the body's frame minus their mean."""
        return (torch.einsum("stji,stlj->stli", rotation, bones) - self.mean[:, None]).flatten(2)

    def update(self, frame_weight: Float[Tensor, " T"], rate: float) -> Float[Tensor, "S T 3 3"]:
        """Move the Gaussians towards the present bones by `rate`; returns the rotations used."""
        bones = self.vectors()
        rotation = self.rotations(bones)
        deviation = self.deviations(bones, rotation)
        share = frame_weight / frame_weight.sum()
        shift = torch.einsum("t,sta->sa", share, deviation)
        centred = deviation - shift[:, None]
        fresh = (centred * share[:, None]).transpose(1, 2) @ centred
        self.mean = self.mean + rate * shift.reshape(self.mean.shape)
        self.covariance = (1 - rate) * self.covariance + rate * fresh
        spread = self.covariance.diagonal(dim1=1, dim2=2).reshape(*self.weight.shape, 3).sum(-1)
        self.weight = 1 / (spread + 3 * self.floor**2)
        return rotation

    def prior(self, number: int) -> PosePrior:
        """Gaussian of one start, as the compiled search holds it."""
        mean, covariance, weight = (p[number].cpu().numpy() for p in (self.mean, self.covariance, self.weight))
        return PosePrior(mean, covariance, weight, self.floor, self.shrinkage)


def started(flat: np.ndarray, depths: Sequence[np.ndarray], priors: Sequence[PosePrior], device: str) -> Chains:
    """Chains from the depths [L, T] and the fitted priors of all starts."""

    def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.as_tensor(np.stack(arrays), device=device)

    mean, covariance, weight = (stacked([getattr(p, n) for p in priors]) for n in ("mean", "covariance", "weight"))
    first = priors[0]
    plane = torch.as_tensor(flat, device=device)
    return Chains(plane, stacked(depths), mean, covariance, weight, first.floor, first.shrinkage)


@dataclass(frozen=True)
class BatchedMoves:
    """The random moves of all chains: one group of flips per chain and step. `weights` = (pose, smoothness)."""

    groups: Int[Tensor, "M L"]
    jerk: Float[Tensor, " L"]
    trust: Float[Tensor, " T"]
    weights: tuple[float, float]
    generator: torch.Generator

    def sweep(self, chains: Chains, rotation: Float[Tensor, "S T 3 3"], temperature: float) -> None:
        """As many moves as there are bones, with the body's frame held, changing depths in place."""
        num_chains, num_bones, _ = chains.depth.shape
        precision, view = chains.precision(), rotation[:, :, 2]
        pull = (chains.deviations(chains.vectors(), rotation) @ precision).unflatten(2, (num_bones, 3))
        slope = torch.einsum("sti,stli->slt", view, pull)
        blocks = precision.unflatten(1, (num_bones, 3)).unflatten(3, (num_bones, 3))
        curvature = torch.einsum("sti,slimj,stj->slmt", view, blocks, view)
        size = (num_bones, num_chains)
        chosen = torch.randint(len(self.groups), size, generator=self.generator, device=view.device)
        for move in self.groups[chosen]:
            member = torch.stack([move == 0, move == 1], -1).to(slope.dtype)
            step = -2 * chains.depth
            costs = self.weights[0] * self.trust * flip_costs(step, slope, curvature, member)
            path = best_orders(costs, self.weights[1] * self.jumps(chains.depth, member), temperature, self.generator)
            turned = torch.stack([path & 1, path >> 1 & 1], 1).to(slope.dtype)
            step = step * torch.einsum("slg,sgt->slt", member, turned)
            slope += torch.einsum("slmt,smt->slt", curvature, step)
            chains.depth += step

    def jumps(self, depth: Float[Tensor, "S L T"], member: Float[Tensor, "S L G"]) -> Float[Tensor, "S G 2 2 T"]:
        """Cost of the depth accelerations of every group, as `viterbi.jump_costs`."""
        sign = depth.new_tensor([1.0, -1.0])
        now, last, before = (depth[:, :, None, None, i : depth.shape[-1] - 2 + i] for i in (2, 1, 0))
        bend = now - 2 * sign[:, None] * last + sign[:, None, None] * before
        square = bend.square()
        cost = square / (square + self.jerk.square()[:, None, None, None])
        return torch.nn.functional.pad(torch.einsum("slg,slabt->sgabt", member, cost), (2, 0))

    def bends(self, depth: Float[Tensor, "S L T"]) -> Float[Tensor, " S"]:
        """Bounded depth accelerations of every chain as it is."""
        return self.jumps(depth, torch.ones_like(depth[..., :1]))[:, 0, 0, 0].sum(-1)

    def turn_over(self, chains: Chains, rotation: Float[Tensor, "S T 3 3"], temperature: float) -> None:
        """The move of all bones: reflect the depth of whole frames, each with its own frame of the body (in place)."""
        precision, bones = chains.precision(), chains.vectors()
        mirrored = bones * bones.new_tensor([1.0, 1.0, -1.0])
        other = chains.rotations(mirrored)
        costs = []
        for vectors, turn in ((bones, rotation), (mirrored, other)):
            off = chains.deviations(vectors, turn)
            costs.append(0.5 * self.weights[0] * self.trust * ((off @ precision) * off).sum(-1))
        jumps = self.weights[1] * self.jumps(chains.depth, torch.ones_like(chains.depth[..., :1]))
        flipped = best_orders(torch.stack(costs, 1), jumps, temperature, self.generator) == 1
        chains.depth *= 1 - 2.0 * flipped[:, None]
        rotation[flipped] = other[flipped]


def flip_costs(
    step: Float[Tensor, "S L T"],
    slope: Float[Tensor, "S L T"],
    curvature: Float[Tensor, "S L L T"],
    member: Float[Tensor, "S L 2"],
) -> Float[Tensor, "S 4 T"]:
    """Change of the pose cost by flipping neither, the first, the second or both groups, as `moves.pose_costs`."""
    linear = torch.einsum("slg,slt,slt->sgt", member, step, slope)
    moved = member.transpose(1, 2)[..., None] * step[:, None]
    square = torch.einsum("sglt,slmt,shmt->sght", moved, curvature, moved)
    single = linear + 0.5 * torch.stack([square[:, 0, 0], square[:, 1, 1]], 1)
    both = single.sum(1) + square[:, 0, 1]
    return torch.stack([torch.zeros_like(both), single[:, 0], single[:, 1], both], 1)


def search(chains: Chains, moves: BatchedMoves, temperatures: Sequence[float]) -> Float[Tensor, "S T 3 3"]:
    """All sweeps of all chains, in place; returns the body's frame in every frame of the clip."""
    rotation = chains.rotations(chains.vectors())
    for number, temperature in enumerate(temperatures):
        moves.turn_over(chains, rotation, temperature)
        moves.sweep(chains, rotation, temperature)
        rotation = chains.update(moves.trust, 0.7 if temperature == 0 else 1 / (number + 1))
    return chains.update(moves.trust, 1.0)


def energies(chains: Chains, moves: BatchedMoves) -> Float[Tensor, " S"]:
    """What starts are chosen by, as `solver.Search.energy`."""
    volume = torch.linalg.slogdet(chains.regularised())[1] / 2
    return moves.weights[0] * moves.trust.sum() * volume + moves.weights[1] * moves.bends(chains.depth)
