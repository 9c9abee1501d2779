"""The order in time of the flips for many chains at once, in few steps of large tensors: for any device.

Viterbi, its sampling form and the trace back are products of an associative operation (Hassan, Särkkä and
García-Fernández 2021): pieces of time can be worked out side by side and joined afterwards.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Combine = Callable[[Tensor, Tensor], Tensor]


def scan(combine: Combine, items: Tensor) -> Tensor:
    """All prefixes items[0], items[0] * items[1], ... along the first axis of an associative operation (Blelloch 1990).

    About twice as many operations as items, in 2 log2(T) steps.
    """
    if len(items) < 2:
        return items
    inner = scan(combine, combine(items[:-1:2], items[1::2]))
    out = torch.empty_like(items)
    out[0], out[1::2] = items[0], inner
    if len(items) > 2:
        out[2::2] = combine(inner[: (len(items) - 1) // 2], items[2::2])
    return out


def softened_minimum(cost: Tensor, dim: int, temperature: float) -> Tensor:
    """min(cost), or -temperature log sum exp(-cost / temperature), over one axis."""
    if temperature == 0:
        return cost.amin(dim)
    return -temperature * torch.logsumexp(cost / -temperature, dim)


def transition_costs(jumps: Float[Tensor, "B G 2 2 T"]) -> Float[Tensor, "B T S S S"]:
    """Cost of the states (before, last, now) of G groups at every frame, S = 2^G; zero at the first two frames."""
    num_groups = jumps.shape[1]
    state = torch.arange(1 << num_groups, device=jumps.device)
    bit = state[:, None] >> torch.arange(num_groups, device=jumps.device) & 1
    before, last = bit[:, None, None] ^ bit[None, None], bit[None, :, None] ^ bit[None, None]
    shape = torch.broadcast_shapes(before.shape, last.shape)
    total = jumps.new_zeros(jumps.shape[0], jumps.shape[-1], *shape[:3])
    for g in range(num_groups):
        total += jumps[:, g][:, before.expand(shape)[..., g], last.expand(shape)[..., g]].movedim(-1, 1)
    total[:, :2] = 0
    return total


def best_orders(
    unary: Float[Tensor, "B S T"],
    jumps: Float[Tensor, "B G 2 2 T"],
    temperature: float,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B T"]:
    """States of least total cost (temperature 0), or samples of exp(-cost / temperature), as `viterbi.best_order`."""
    batch, size, frames = unary.shape
    crossing = transition_costs(jumps)
    value = pair_values(unary, crossing, temperature)
    noise = torch.zeros((), dtype=unary.dtype, device=unary.device)
    if temperature > 0:
        # Adding Gumbel noise before the minimum draws from exp(-cost / temperature).
        draw = torch.rand(crossing.shape, generator=generator, dtype=unary.dtype, device=unary.device)
        noise = temperature * torch.log(-torch.log(draw.clamp(1e-300, 1 - 1e-16)))
    last_pair = value[:, -1] + (noise[:, 0, 0] if temperature > 0 else noise)
    end = last_pair.reshape(batch, -1).argmin(1)
    table = value[:, 1:-1, :, :, None] + crossing[:, 2:] + (noise[:, 2:] if temperature > 0 else noise)
    # Where each pair (last, now) at t came from: the pair (before, last) at t - 1.
    before = table.argmin(2)
    source = (before * size + torch.arange(size, device=unary.device)[:, None]).reshape(batch, frames - 2, size * size)
    backward = scan(lambda late, early: early.gather(-1, late), source.flip(1).movedim(1, 0))
    pairs = backward.gather(-1, end.expand(frames - 2, batch)[..., None])[..., 0].flip(0)
    pairs = torch.cat([pairs, end[None]]).T
    return torch.cat([pairs[:, :1] // size, pairs % size], 1)


def pair_values(
    unary: Float[Tensor, "B S T"], crossing: Float[Tensor, "B T S S S"], temperature: float
) -> Float[Tensor, "B T S S"]:
    """Least (or softened least) cost of all that leads to the pair (last, now) at every frame; the first is unused.

    Time is cut into about sqrt(T) pieces. Each is walked twice, all pieces together: first from every pair that it may
    start with, then, once the pieces are joined, from the costs that it does start with.
    """
    batch, size, frames = unary.shape
    shown = unary.movedim(-1, 1)
    length = math.isqrt(frames) + 1
    missing = -(frames - 2) % length
    step = torch.nn.functional.pad(crossing[:, 2:] + shown[:, 2:, None, None], (0, 0) * 3 + (0, missing))
    step = step.unflatten(1, (-1, length))
    unit = torch.eye(size * size, dtype=unary.dtype, device=unary.device).reshape(-1, size, size)
    piece = torch.where(unit > 0, 0.0, torch.inf).expand(batch, step.shape[1], -1, -1, -1)
    for t in range(length):
        piece = softened_minimum(piece[..., None] + step[:, :, None, t], -3, temperature)
    begin = [shown[:, 0, :, None] + shown[:, 1, None, :]]
    for joined in piece.unbind(1)[:-1]:
        begin.append(softened_minimum(begin[-1].flatten(1)[..., None, None] + joined, 1, temperature))
    value, found = torch.stack(begin, 1), []
    for t in range(length):
        value = softened_minimum(value[..., None] + step[:, :, t], -3, temperature)
        found.append(value)
    later = torch.stack(found, 2).flatten(1, 2)[:, : frames - 2]
    return torch.cat([torch.zeros_like(later[:, :1]), begin[0][:, None], later], 1)
