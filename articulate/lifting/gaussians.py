"""Gaussians by the matrices that whiten them: how they are made, and how large they are."""

import torch
from jaxtyping import Float
from torch import Tensor


def whitening_of(covariance: Float[Tensor, "*J P P"], ridge: float) -> Float[Tensor, "*J P P"]:
    """Inverse Cholesky factors of covariances whose coordinates all have the standard deviation `ridge` in addition."""
    eye = torch.eye(covariance.shape[-1]).to(covariance)
    factor = torch.linalg.cholesky(covariance + ridge**2 * eye)
    return torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)


def log_volume(whitening: Float[Tensor, "*J P P"]) -> float:
    """Log of the Gaussians' size, summed over them: what normalises them, for one sample of each."""
    return -whitening.diagonal(dim1=-2, dim2=-1).log().sum().item()
