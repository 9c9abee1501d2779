"""An optional small network that predicts the tree from one pose, for sets that hold several structures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from articulate.seeds import derive_seed
from articulate.skeleton.spanning import _bounded_logits


class TreePredictor(nn.Module):
    """Cost [B, K, K] of every pair from one pose [B, K, D]: centred, divided by its size, two hidden layers.

    `minimum_spanning_tree` of the result is the predicted tree; train with `tree_log_likelihood`.
    """

    def __init__(self, num_keypoints: int, dimensions: int = 2, width: int = 128) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        self.layers = nn.Sequential(
            nn.Linear(num_keypoints * dimensions, width),
            nn.LeakyReLU(0.1),
            nn.Linear(width, width),
            nn.LeakyReLU(0.1),
            nn.Linear(width, num_keypoints * num_keypoints),
        )

    def forward(self, points: Float[Tensor, "B K D"]) -> Float[Tensor, "B K K"]:
        centred = points - points.mean(dim=1, keepdim=True)
        size = centred.square().sum(dim=-1).mean(dim=1).sqrt()[:, None, None].clamp_min(1e-6)  # coincident points
        cost = self.layers((centred / size).flatten(1)).reshape(-1, self.num_keypoints, self.num_keypoints)
        return (cost + cost.mT) / 2


def tree_log_likelihood(cost: Float[Tensor, "B K K"], mask: Float[Tensor, "B K K"]) -> Float[Tensor, " B"]:
    """Log-probability of the tree `mask` when trees have weight exp(-total cost) (Kirchhoff; Koo et al. 2007)."""
    logits = _bounded_logits(cost, 1.0)
    weights = torch.exp(logits) * (1 - torch.eye(cost.shape[-1], dtype=torch.float64, device=cost.device))
    laplacian = torch.diag_embed(weights.sum(dim=-1)) - weights
    chosen = (logits * mask.to(torch.float64)).sum(dim=(-1, -2)) / 2
    return (chosen - torch.linalg.slogdet(laplacian[..., 1:, 1:])[1]).to(cost.dtype)


def fit_predictor(
    points: Float[Tensor, "B K D"], masks: Float[Tensor, "B K K"], seed: int = 0, steps: int = 200, width: int = 128
) -> TreePredictor:
    """A predictor that has learned which tree each pose goes with, for example the trees of its clips or windows.

    Full batches, Adam (Kingma and Ba 2015) at 1e-2 on the likelihood of the trees. Needs finite poses.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "tree predictor"))
        network = TreePredictor(points.shape[1], points.shape[2], width)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = -tree_log_likelihood(network(points), masks).mean()
        loss.backward()
        optimiser.step()
    return network.eval()
