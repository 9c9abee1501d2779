"""Headings in the order of time: how far a body turns from one frame to the next is learned from the clips."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.linalg import solveh_banded
from torch import Tensor

# Share of turns that are as likely as any other, so that no turn becomes impossible.
ANY_TURN = 0.02


def chained_headings(
    log_likelihood: Float[Tensor, "N T"], clip: Int[Tensor, " N"], rounds: int = 3
) -> Float[Tensor, "N T"]:
    """Weights of the headings of every frame given all frames of its clip, which stand in the order of time.

    A hidden Markov chain whose only free distribution is that of the turn between two frames, learned by expectation
    maximisation (Baum 1970) from a uniform start. Where every frame has a heading of its own the turns come out uniform
    and nothing changes.
    """
    likelihood = (log_likelihood - log_likelihood.amax(1, keepdim=True)).double().exp()
    num = likelihood.shape[1]
    step = (torch.arange(num)[None] - torch.arange(num)[:, None]) % num
    turn = torch.full((num,), 1 / num, dtype=torch.float64)
    weight = likelihood / likelihood.sum(1, keepdim=True)
    clips = [(clip == c).nonzero()[:, 0] for c in clip.unique().tolist()]
    for _ in range(rounds):
        counts = torch.zeros(num, num, dtype=torch.float64)
        for rows in clips:
            weight[rows], pairs = forward_backward(likelihood[rows], turn[step])
            counts += pairs
        turn = torch.stack([counts[step == d].sum() for d in range(num)])
        turn = (1 - ANY_TURN) * turn / turn.sum().clamp_min(1e-12) + ANY_TURN / num
    return weight.to(log_likelihood)


def forward_backward(
    likelihood: Float[Tensor, "M T"], moves: Float[Tensor, "T T"]
) -> tuple[Float[Tensor, "M T"], Float[Tensor, "T T"]]:
    """State weights of one chain with a uniform start, and the expected number of moves between two states."""
    ahead, back = torch.empty_like(likelihood), torch.ones_like(likelihood)
    ahead[0] = likelihood[0] / likelihood[0].sum()
    for t in range(1, len(likelihood)):
        now = (ahead[t - 1] @ moves) * likelihood[t]
        ahead[t] = now / now.sum()
    for t in range(len(likelihood) - 2, -1, -1):
        now = moves @ (likelihood[t + 1] * back[t + 1])
        back[t] = now / now.sum()
    weight = ahead * back
    weight = weight / weight.sum(1, keepdim=True)
    if len(likelihood) == 1:
        return weight, torch.zeros_like(moves)
    arrived = likelihood[1:] * back[1:]
    pairs = ahead[:-1, :, None] * moves * arrived[:, None]
    return weight, (pairs / pairs.sum((1, 2), keepdim=True)).sum(0)


def smoothed_angles(
    angle: Float[Tensor, " M"], variance: Float[Tensor, " M"]
) -> tuple[Float[Tensor, " M"], Float[Tensor, " M"]]:
    """Headings (rad) of one clip smoothed in time, and their variance, given the variance of each one's error.

    Integrated random walk (Whittaker 1923): the variance of the angular acceleration is what the second differences
    show beyond the errors. Headings that jump from frame to frame have so large a one that they stay as they are. The
    variance is that of the steady state far from the ends, sqrt(1/8) r^(3/4) q^(1/4), at most r.
    """
    if len(angle) < 8:
        return angle, variance
    error = variance.numpy()
    walk = np.unwrap(angle.numpy())
    bend = np.diff(angle.numpy(), 2)
    bend = (bend + np.pi) % (2 * np.pi) - np.pi
    fresh = max(float((bend**2).mean() - 6 * error.mean()), 1e-3 * float(error.mean()), 1e-12)
    band = np.zeros((3, len(walk)))  # upper diagonals of R^-1 + D'D / q, D the second differences
    band[2] = 1 / error
    stencil = np.outer([1, -2, 1], [1, -2, 1]) / fresh
    for row in range(3):
        for column in range(row, 3):
            band[2 - (column - row), column : len(walk) - 2 + column] += stencil[row, column]
    smooth = solveh_banded(band, walk / error)
    steady = np.minimum(np.sqrt(1 / 8) * error**0.75 * fresh**0.25, error)
    return torch.from_numpy(smooth).to(angle), torch.from_numpy(steady).to(angle)
