"""How far a lifted clip can be trusted: do the views differ enough, and is the sign of each bone's depth certain."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Below the first the camera's direction in the body's frame hardly moves; below the second the depths are little better
# than coins. Chosen on the motion-capture clips that the benchmark scores; the generated ones came later.
ENOUGH_COVERAGE = 0.15
ENOUGH_CONFIDENCE = 0.7


def view_coverage(rotation: Float[np.ndarray, "T 3 3"]) -> float:
    """Spread of the viewing direction in the body's frame: 0 one view (or its opposite), 1 a full turn about one axis.

    2 (1 - largest eigenvalue of the mean of v v'), at most 1, with v the third row of `rotation` (camera from body).
    """
    views = rotation[:, 2]
    largest = np.linalg.eigvalsh(views.T @ views / len(views)).max()
    return float(min(1.0, max(0.0, 2 * (1 - largest))))


@dataclass(frozen=True)
class SignCalibration:
    """Logistic model of P(sign right): weights of log(1 + gap), log(1 + |dz|), agreement, coverage, spread, one."""

    gap: float = 0.0
    size: float = 0.0
    agreement: float = 0.0
    coverage: float = 0.0
    spread: float = 0.0
    constant: float = 0.0

    def probability(self, features: Float[np.ndarray, "*batch 5"]) -> Float[np.ndarray, "*batch"]:
        """Probability that the sign is right, given the best reflection of the whole clip."""
        weights = np.array([self.gap, self.size, self.agreement, self.coverage, self.spread])
        return 1.0 / (1.0 + np.exp(-(features @ weights + self.constant)))


def sign_features(
    gap: Float[np.ndarray, "T L"],
    depth: Float[np.ndarray, "T L"],
    agreement: Float[np.ndarray, "T L"],
    coverage: float,
    spread: float,
) -> Float[np.ndarray, "T L 5"]:
    """Features of `SignCalibration`. `gap` is the energy gap of a flip, `depth` in %d, `agreement` the share of other
    starts with the same sign, `spread` the log volume of the poses per bone.
    """
    clip = np.broadcast_to(np.array([coverage, spread]), (*gap.shape, 2))
    own = np.stack([np.log1p(np.maximum(gap, 0.0)), np.log1p(np.abs(depth)), agreement], -1)
    return np.concatenate([own, clip], -1)


def fit_calibration(
    features: Float[np.ndarray, "N 5"], right: Float[np.ndarray, " N"], weight: Float[np.ndarray, " N"]
) -> SignCalibration:
    """Logistic regression by Newton's method (iteratively reweighted least squares) with a weak pull to zero.

    Signs known to be right or wrong come from made-up bodies or from recordings with measured depth, never from the
    clip that is judged.
    """
    design = np.concatenate([features, np.ones((len(features), 1))], 1)
    weights = np.zeros(design.shape[1])
    pull = 1e-3 * weight.sum() * np.eye(len(weights))
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (weight * (right - chance)) - pull @ weights
        curvature = (design * (weight * chance * (1 - chance) + 1e-9)[:, None]).T @ design + pull
        weights = weights + np.linalg.solve(curvature, slope)
    return SignCalibration(*map(float, weights))


def turned_enough(coverage: float) -> float:
    """0 where the body shows one side only, 1 from `ENOUGH_COVERAGE` on."""
    return min(1.0, coverage / ENOUGH_COVERAGE)


def cautious(chance: Float[np.ndarray, "*batch"], coverage: float) -> Float[np.ndarray, "*batch"]:
    """Probability of a right sign, at least a coin's, and half as far above it where the body does not turn.

    Less than one half would be an order to flip. Without turns, energies compare readings that no view can tell apart,
    so gaps of energy say less than they do in the clips that calibrate them.
    """
    return 0.5 + np.maximum(chance - 0.5, 0.0) * (1 + turned_enough(coverage)) / 2


def determines_depth(coverage: float, confidence: float) -> bool:
    """Whether a clip with this view coverage and mean confidence determines depth (up to one reflection)."""
    return coverage >= ENOUGH_COVERAGE and confidence >= ENOUGH_CONFIDENCE


def statement(coverage: float, confidence: float) -> str:
    """One sentence for the user about what the clip determines."""
    if coverage < ENOUGH_COVERAGE:
        return (
            f"This clip does not determine depth: the body is seen from one side only (view coverage {coverage:.2f}, "
            f"needed {ENOUGH_COVERAGE}). The 2D positions hold; treat every depth as a guess."
        )
    if confidence < ENOUGH_CONFIDENCE:
        return (
            f"This clip does not determine depth: several readings fit it alike (mean confidence {confidence:.2f}, "
            f"needed {ENOUGH_CONFIDENCE}). The 2D positions hold; use the confidence of each bone."
        )
    return (
        f"The body turns enough (view coverage {coverage:.2f}); on average {100 * confidence:.0f} % of the depth "
        "signs are expected to be right, up to one reflection of the whole clip."
    )


# Fitted by `python benchmarks/lifting_one_clip.py --only calibration` on every second generated clip; recordings had no
# say in it.
SHIPPED = SignCalibration(gap=0.8277, size=-0.1847, agreement=1.458, coverage=2.139, spread=-0.5116, constant=-2.65)
