"""A regressor from a few labelled frames: found keypoints in, the user's own landmarks out, in 2D or in 3D.

For the user who has labelled some frames after a run. Nothing of the run changes: keypoints stay what they were without
labels, and a map from them to the landmarks is fitted on the labelled frames alone. Linear: ridge regression (Hoerl &
Kennard 1970). Network: two hidden layers on top of the linear map, worth it from some hundred labelled frames on.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from articulate.errors import DataError

RIDGE = 1e-2  # of the features' variance: a few frames cannot tell many features apart
STEPS = 400
HIDDEN = 64


@dataclass(frozen=True)
class LandmarkRegressor:
    """Maps keypoints to landmarks: standardise, linear map, and a network that adds to it (absent: linear alone)."""

    mean: Float[Tensor, " F"]
    scale: Float[Tensor, " F"]
    weights: Float[Tensor, "F O"]
    offset: Float[Tensor, " O"]
    correction: nn.Module | None

    def __call__(self, found: Float[Tensor, "N K D"]) -> Float[Tensor, "N J E"]:
        """Landmarks of every frame, as many coordinates each as keypoints have; a missing one counts as usual."""
        design = standardised(found, self.mean, self.scale)
        result = design @ self.weights + self.offset
        if self.correction is not None:
            with torch.no_grad():
                result = result + self.correction(design.float()).double()
        return result.reshape(len(found), -1, found.shape[-1]).to(found.dtype)


def standardised(found: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Coordinates with mean 0 and spread 1, in double precision; a missing one is 0, its mean."""
    return torch.nan_to_num((found.double().flatten(1) - mean) / scale)


def fit_landmarks(
    found: Float[Tensor, "N K D"],
    labels: Float[Tensor, "N J D"],
    visible: Bool[Tensor, "N J"] | None = None,
    kind: Literal["linear", "network"] = "linear",
    seed: int = 0,
) -> LandmarkRegressor:
    """The regressor from labelled frames: found keypoints and labels of the same frames, in one coordinate frame.

    Every landmark is fitted on the frames that show it. Raises DataError when one is labelled in fewer than two.
    """
    features = found.double().flatten(1)
    ok = labels.isfinite().all(-1)
    ok = ok if visible is None else ok & visible
    if bool((ok.sum(0) < 2).any()):
        few = (ok.sum(0) < 2).nonzero().flatten().tolist()
        raise DataError(f"few labels: landmarks {few} are labelled in fewer than two frames; label more frames")
    mean = torch.nan_to_num(features.nanmean(0))
    spread = torch.nan_to_num((features - mean).square().nanmean(0)).sqrt()
    scale = spread.clamp(min=1e-6)  # a coordinate that never moves carries no weight
    design, targets = standardised(found, mean, scale), labels.double().nan_to_num()
    weights, offsets = [], []
    for j in range(labels.shape[1]):
        rows = ok[:, j]
        own, middle = design[rows], targets[rows, j].mean(0)
        shift = own.mean(0)
        gram = (own - shift).T @ (own - shift) / len(own) + RIDGE * torch.eye(own.shape[1], dtype=own.dtype)
        solved = torch.linalg.solve(gram, (own - shift).T @ (targets[rows, j] - middle) / len(own))
        weights.append(solved)
        offsets.append(middle - shift @ solved)
    linear = LandmarkRegressor(mean, scale, torch.cat(weights, 1), torch.cat(offsets), None)
    if kind == "linear":
        return linear
    residual = torch.where(ok[..., None], targets - linear(found).double(), 0.0).flatten(1).float()
    network = fit_network(design.float(), residual, ok.repeat_interleave(labels.shape[2], 1), seed)
    return LandmarkRegressor(mean, scale, linear.weights, linear.offset, network)


def fit_network(
    design: Float[Tensor, "N F"], residual: Float[Tensor, "N O"], known: Bool[Tensor, "N O"], seed: int
) -> nn.Module:
    """A small network for what the linear map leaves, by AdamW; two frames of ten are held back to say when to stop.

    It starts at zero, so that it is never worse than the linear map on the frames that were held back.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        last = nn.Linear(HIDDEN, residual.shape[1])
        network = nn.Sequential(
            nn.Linear(design.shape[1], HIDDEN), nn.LeakyReLU(0.1), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.1), last
        )
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    held = torch.zeros(len(design), dtype=torch.bool)
    held[torch.arange(len(design)) % 10 >= 8] = True
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    best, kept = float("inf"), {k: v.clone() for k, v in network.state_dict().items()}
    for _ in range(STEPS):
        error = ((network(design) - residual) * known).square()
        check = error[held].sum().item() if held.any() else error.sum().item()
        if check < best:
            best, kept = check, {k: v.clone() for k, v in network.state_dict().items()}
        optimiser.zero_grad()
        (error[~held].sum() / known[~held].sum().clamp(min=1)).backward()
        optimiser.step()
    network.load_state_dict(kept)
    return network.eval()
