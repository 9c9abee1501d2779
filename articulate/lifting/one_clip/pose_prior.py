"""Distribution of poses in the body's own frame: what a pose seen from another side says about the hidden depth.

Bones are turned into a frame that follows the body; there their joint distribution is one Gaussian. A wrong sign moves
a bone along the direction of view, which differs from frame to frame when the body turns, so that wrong signs spread
the distribution and right signs keep it compact (compare Torresani, Hertzmann and Bregler 2008, who use a low rank).
"""

from dataclasses import dataclass

import numpy as np

from articulate.lifting.one_clip.factorisation import nearest_rotation


@dataclass
class PosePrior:
    """Mean [L, 3] and covariance [3L, 3L] of bones in the body's frame, and each bone's weight in the alignment."""

    mean: np.ndarray
    covariance: np.ndarray
    weight: np.ndarray
    floor: float
    shrinkage: float

    def regularised(self) -> np.ndarray:
        """Covariance shrunk towards its diagonal, with a floor so that rigid bones cannot gain without bound."""
        spread = (1 - self.shrinkage) * self.covariance + self.shrinkage * np.diag(np.diag(self.covariance))
        return spread + self.floor**2 * np.eye(len(spread))

    def log_volume(self) -> float:
        """Half the log determinant of the regularised covariance: the cost of one frame at its own fit."""
        return float(np.linalg.slogdet(self.regularised())[1]) / 2

    def rotations(self, bones: np.ndarray) -> np.ndarray:
        """Camera-from-body rotations [T, 3, 3] that best take the mean to `bones` [T, L, 3]."""
        return nearest_rotation(np.einsum("tli,lj,l->tij", bones, self.mean, self.weight))

    def deviations(self, bones: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Bones in the body's frame minus their mean, [T, 3L]."""
        return (np.einsum("tji,tlj->tli", rotation, bones) - self.mean).reshape(len(bones), -1)

    def update(self, bones: np.ndarray, frame_weight: np.ndarray, rate: float) -> np.ndarray:
        """Move towards the statistics of `bones` by `rate` (stochastic approximation); returns the rotations used."""
        rotation = self.rotations(bones)
        deviation = self.deviations(bones, rotation)
        shift = np.average(deviation, axis=0, weights=frame_weight)
        centred = deviation - shift
        fresh = (centred * frame_weight[:, None]).T @ centred / frame_weight.sum()
        self.mean = self.mean + rate * shift.reshape(self.mean.shape)
        self.covariance = (1 - rate) * self.covariance + rate * fresh
        self.weight = bone_weights(self.covariance, self.floor)
        return rotation


def bone_weights(covariance: np.ndarray, floor: float) -> np.ndarray:
    """Inverse total variance of every bone: rigid bones carry the frame of the body."""
    return 1.0 / (np.diag(covariance).reshape(-1, 3).sum(1) + 3 * floor**2)


def fitted_prior(
    bones: np.ndarray,
    weight: np.ndarray,
    frame_weight: np.ndarray,
    floor: float,
    shrinkage: float,
    rotation: np.ndarray,
) -> PosePrior:
    """Prior of bones [T, L, 3]: generalised Procrustes alignment from `rotation`, then mean and covariance."""
    mean = np.average(np.einsum("tji,tlj->tli", rotation, bones), axis=0, weights=frame_weight)
    prior = PosePrior(mean, np.zeros((mean.size, mean.size)), weight, floor, shrinkage)
    for _ in range(10):
        prior.update(bones, frame_weight, 1.0)
    return prior
