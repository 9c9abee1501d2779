"""Depth of one clip: factorisation for the turns of the body, then a search over the signs of all bones."""

from dataclasses import dataclass

import numpy as np
import torch

from articulate.lifting.one_clip import batched
from articulate.lifting.one_clip.config import OneClipConfig
from articulate.lifting.one_clip.factorisation import factorise, start_weights
from articulate.lifting.one_clip.groups import move_groups, pairs_within, tree_paths
from articulate.lifting.one_clip.lengths import first_lengths, magnitudes, refined_lengths
from articulate.lifting.one_clip.moves import pair_sweep, pose_costs, pose_slopes, pose_sweep
from articulate.lifting.one_clip.observations import Observations
from articulate.lifting.one_clip.pose_prior import PosePrior, fitted_prior
from articulate.lifting.one_clip.viterbi import best_order, flip_margins, jump_costs

# A factorisation, and signs [L, T] where they do not come from it.
Start = tuple[dict[str, np.ndarray], np.ndarray | None]


@dataclass
class Candidate:
    """One reading of the clip: signed bone depths [L, T] in %d, with what it was judged by."""

    depth: np.ndarray
    lengths: np.ndarray
    rotation: np.ndarray
    prior: PosePrior
    energy: float


def acceleration_scale(flat: np.ndarray) -> np.ndarray:
    """Scale [L] of plausible depth acceleration: twice that of the same bone across the image."""
    # The small constant keeps the cost bounded for a bone that stands still.
    return 2 * np.sqrt((np.diff(flat, 2, axis=0) ** 2).mean((0, 2))) + 0.05


class Search:
    """The clip, its moves and its weights; `candidate` refines one start, `margins` judges the result."""

    def __init__(self, seen: Observations, config: OneClipConfig, generator: np.random.Generator):
        self.seen, self.config, self.generator = seen, config, generator
        self.flat = seen.flat
        ends = np.minimum(seen.trust[:, seen.edges[:, 0]], seen.trust[:, seen.edges[:, 1]])
        # A frame counts by its average bone; the small floor keeps the statistics defined where all is missing.
        self.frame_trust = ends.mean(1) + 1e-3
        self.bone_trust = ends
        self.jerk = acceleration_scale(self.flat)
        self.paths = tree_paths(seen.edges)
        self.groups = move_groups(self.paths, seen.edges)
        self.weights = np.array([config.pose_weight, config.smooth_weight])

    def vectors(self, depth: np.ndarray) -> np.ndarray:
        """Bones [T, L, 3] from image vectors and depths."""
        return np.concatenate([self.flat, depth.T[..., None]], -1)

    def temperatures(self) -> list[float]:
        """Falling temperatures of the sweeps, the last ones zero."""
        c = self.config
        return [*(c.temperature * np.geomspace(1, 0.1, c.sweeps)), *([0.0] * c.polish_sweeps)]

    def start(self, fit: dict[str, np.ndarray], signs: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, PosePrior]:
        """Depths [L, T], lengths and prior that a factorisation implies, or given signs [L, T]."""
        c = self.config
        lengths = first_lengths(self.flat, c.length_quantile, self.seen.noise)
        if signs is None:
            signs = np.where(np.einsum("ti,li->lt", fit["rotation"][:, 2], fit["mean"]) < 0, -1.0, 1.0)
        depth = magnitudes(self.flat, lengths) * signs
        turn = fit["rotation"]
        prior = fitted_prior(self.vectors(depth), fit["weight"], self.frame_trust, c.floor, c.shrinkage, turn)
        return depth, lengths, prior

    def candidates(self, starts: list[Start]) -> list[Candidate]:
        """Annealed search from every start: one after the other, or together where a device is given."""
        if (device := self.config.device) is None:
            return [self.candidate(*start) for start in starts]
        depths, lengths, priors = zip(*(self.start(*start) for start in starts), strict=True)
        chains = batched.started(self.flat, depths, priors, device)
        moves = self.batched_moves(device)
        rotation = batched.search(chains, moves, self.temperatures()).cpu().numpy()
        energy, depth = batched.energies(chains, moves).tolist(), chains.depth.cpu().numpy()
        numbers = range(len(starts))
        return [Candidate(depth[i], lengths[i], rotation[i], chains.prior(i), energy[i]) for i in numbers]

    def batched_moves(self, device: str) -> batched.BatchedMoves:
        """Moves, weights and a source of random numbers on a device."""
        generator = torch.Generator(device).manual_seed(int(self.generator.integers(2**31)))
        groups, jerk, trust = (torch.as_tensor(p, device=device) for p in (self.groups, self.jerk, self.frame_trust))
        weights = (self.config.pose_weight, self.config.smooth_weight)
        return batched.BatchedMoves(groups, jerk, trust, weights, generator)

    def candidate(self, fit: dict[str, np.ndarray], signs: np.ndarray | None = None) -> Candidate:
        """Annealed search from a factorisation, or from given signs [L, T]."""
        c = self.config
        depth, lengths, prior = self.start(fit, signs)
        rotation = prior.rotations(self.vectors(depth))
        for number, temperature in enumerate(self.temperatures()):
            self.turn_over(depth, prior, rotation, temperature)
            self.sweep(depth, prior, rotation, temperature)
            rotation = prior.update(
                self.vectors(depth), self.frame_trust, 0.7 if temperature == 0 else 1 / (number + 1)
            )
            if c.refine_lengths and temperature == 0:
                lengths = refined_lengths(
                    self.flat, depth, lengths, rotation, prior, self.jerk, self.frame_trust, self.weights
                )
                depth = magnitudes(self.flat, lengths) * np.where(depth < 0, -1.0, 1.0)
        rotation = prior.update(self.vectors(depth), self.frame_trust, 1.0)
        return Candidate(depth, lengths, rotation, prior, self.energy(depth, prior))

    def continued(self, thin: Candidate, nearest: np.ndarray) -> Candidate:
        """A candidate found on fewer frames, carried to all frames: `nearest` [T] is the known frame of each."""
        signs = np.where(thin.depth < 0, -1.0, 1.0)[:, nearest]
        depth = magnitudes(self.flat, thin.lengths) * signs
        rotation = thin.prior.rotations(self.vectors(depth))
        for _ in range(self.config.polish_sweeps):
            self.turn_over(depth, thin.prior, rotation, 0.0)
            self.sweep(depth, thin.prior, rotation, 0.0)
            rotation = thin.prior.update(self.vectors(depth), self.frame_trust, 1.0)
        return Candidate(depth, thin.lengths, rotation, thin.prior, self.energy(depth, thin.prior))

    def sweep(self, depth: np.ndarray, prior: PosePrior, rotation: np.ndarray, temperature: float) -> None:
        """One sweep of random moves with the body's frame held."""
        deviation = prior.deviations(self.vectors(depth), rotation)
        view = np.ascontiguousarray(rotation[:, 2])
        precision = np.linalg.inv(prior.regularised())
        slope, curvature = pose_slopes(deviation, view, precision)
        seed = int(self.generator.integers(2**31))
        pose_sweep(depth, slope, curvature, self.groups, self.jerk, self.frame_trust, self.weights,
                   float(temperature), seed)  # fmt: skip

    def turn_over(self, depth: np.ndarray, prior: PosePrior, rotation: np.ndarray, temperature: float) -> None:
        """The move of all bones: reflect the depth of whole frames, each with its own frame of the body (in place)."""
        precision = np.linalg.inv(prior.regularised())
        bones = self.vectors(depth)
        mirrored = bones * np.array([1.0, 1.0, -1.0])
        other = prior.rotations(mirrored)
        costs = []
        for vectors, turn in ((bones, rotation), (mirrored, other)):
            off = prior.deviations(vectors, turn)
            costs.append(0.5 * self.weights[0] * self.frame_trust * ((off @ precision) * off).sum(1))
        jumps = self.weights[1] * jump_costs(depth, np.zeros(len(depth), np.int64), self.jerk, 1)
        flipped = best_order(np.stack(costs), jumps, float(temperature)) == 1
        depth[:, flipped] *= -1
        rotation[flipped] = other[flipped]

    def energy(self, depth: np.ndarray, prior: PosePrior) -> float:
        """Volume of the pose distribution plus the bounded depth accelerations: what starts are chosen by."""
        bend = jump_costs(depth, np.zeros(len(depth), np.int64), self.jerk, 1)[0, 0, 0].sum()
        return float(self.weights[0] * self.frame_trust.sum() * prior.log_volume() + self.weights[1] * bend)

    def margins(self, best: Candidate) -> np.ndarray:
        """Energy gap [T, L] of flipping each bone in each frame, its own signs in all other frames free to follow."""
        precision = np.linalg.inv(best.prior.regularised())
        deviation = best.prior.deviations(self.vectors(best.depth), best.rotation)
        view = np.ascontiguousarray(best.rotation[:, 2])
        slope, curvature = pose_slopes(deviation, view, precision)
        gaps = np.empty((len(self.flat), len(best.depth)))
        for bone in range(len(best.depth)):
            group = np.full(len(best.depth), -1, np.int64)
            group[bone] = 0
            unary = self.weights[0] * self.frame_trust * pose_costs(best.depth, slope, curvature, group)
            gaps[:, bone] = flip_margins(unary, self.weights[1] * jump_costs(best.depth, group, self.jerk, 1))
        return gaps

    def from_distances(self) -> np.ndarray:
        """Signs [L, T] by compact pairwise distances alone, from random constant signs: the baseline search."""
        c = self.config
        pairs, inside = pairs_within(self.paths, c.max_hops)
        joints = np.einsum("kl,tli->tki", self.paths.astype(float), self.flat)
        apart = joints[:, pairs[:, 0]] - joints[:, pairs[:, 1]]
        flat = np.ascontiguousarray((apart**2).sum(-1).T)
        lengths = np.quantile(np.linalg.norm(self.flat, axis=-1), c.length_quantile, axis=0)
        depth = magnitudes(self.flat, lengths) * self.generator.choice([-1.0, 1.0], (len(lengths), 1))
        trust = np.ascontiguousarray(self.seen.trust.T) + 1e-6
        for temperature in [*(3 * np.geomspace(1, 0.02, 2 * c.sweeps)), *([0.0] * c.polish_sweeps)]:
            seed = int(self.generator.integers(2**31))
            pair_sweep(depth, self.seen.edges, self.groups, flat, trust, pairs, inside, self.jerk, 0.22,
                       np.array([0.1, c.smooth_weight]), float(temperature), seed)  # fmt: skip
        return np.where(depth < 0, -1.0, 1.0)

    def best(self, initial_signs: list[np.ndarray]) -> tuple[Candidate, list[Candidate], float]:
        """Candidate of least energy, those of all starts, and the metric ratio of the first factorisation."""
        starts = start_weights(self.seen.edges, self.config.num_starts)
        fits = [factorise(self.flat, weight) for weight in starts]
        metric = fits[0]["metric"]
        begun: list[Start] = [(self.from_signs(fits[0], signs), signs) for signs in initial_signs]
        if self.config.method == "distances":
            for fit in fits:
                signs = self.from_distances()
                begun.append((self.from_signs(fit, signs), signs))
        else:
            begun += [(fit, None) for fit in fits]
        found = self.candidates(begun)
        return min(found, key=lambda f: f.energy), found, float(metric)

    def from_signs(self, fit: dict[str, np.ndarray], signs: np.ndarray) -> dict[str, np.ndarray]:
        """Alignment of the body that given signs imply, in the form that `factorise` returns."""
        lengths = first_lengths(self.flat, self.config.length_quantile, self.seen.noise)
        bones = self.vectors(magnitudes(self.flat, lengths) * signs)
        weight = 1.0 / (bones.var(0).sum(-1) + 1.0)
        mean = bones[len(bones) // 2]
        prior = PosePrior(mean, np.zeros((mean.size, mean.size)), weight, self.config.floor, self.config.shrinkage)
        for _ in range(20):
            rotation = prior.update(bones, self.frame_trust, 1.0)
        return {**fit, "rotation": rotation, "weight": prior.weight}


def sign_agreement(best: Candidate, found: list[Candidate]) -> np.ndarray:
    """Share [L, T] of the other candidates that give each bone the sign of `best`, each after its better reflection.

    One half where there is no other candidate.
    """
    others = [f for f in found if f is not best]
    total = np.full(best.depth.shape, 0.5 if not others else 0.0)
    for other in others:
        same = np.sign(best.depth * other.depth)
        weight = np.abs(best.depth)
        total += (np.where((same * weight).sum() < 0, -same, same) + 1) / (2 * len(others))
    return total
