"""Twin limbs: lines of limbs that hang on one branch and are about as long, as left and right are, are built alike."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from articulate.seeding.puppet.model import Puppet

ALIKE = 0.3  # of their mean length, by which the lengths of twins may differ at most

Chain = tuple[int, ...]  # numbers of limbs, from the branch to the free end


def chains_of(edges: Int[np.ndarray, "L 2"]) -> list[tuple[int, Chain]]:
    """Every line of limbs from a point where three or more meet to a free end, with that point."""
    degree = np.bincount(edges.reshape(-1))
    found = []
    for end in np.flatnonzero(degree == 1):
        line: list[int] = []
        point = int(end)
        while degree[point] < 3:
            ahead = [int(e) for e in np.flatnonzero((edges == point).any(1)) if not line or e != line[-1]]
            if not ahead:
                break
            line.append(ahead[0])
            a, b = edges[ahead[0]]
            point = int(b) if a == point else int(a)
        if degree[point] >= 3:
            found.append((point, tuple(line[::-1])))
    return found


def like_lengths(branches: list[int], lengths: Float[np.ndarray, " C"]) -> list[list[int]]:
    """Numbers of the lines that hang on one branch and are about as long, two or more at a time."""
    groups: list[list[int]] = []
    taken: set[int] = set()
    for i in np.argsort(-lengths):
        if int(i) in taken:
            continue
        group = [
            int(j)
            for j in np.argsort(-lengths)
            if int(j) not in taken
            and branches[j] == branches[i]
            and abs(lengths[i] - lengths[j]) <= ALIKE * (lengths[i] + lengths[j]) / 2
        ]
        if len(group) > 1:
            groups.append(group)
            taken |= set(group)
    return groups


def twins_of(puppet: Puppet) -> list[list[Chain]]:
    """Chains that are alike in place, in length and in the number of their limbs."""
    chains = chains_of(puppet.edges)
    lengths = np.array([puppet.longest[list(chain)].sum() for _, chain in chains])
    groups = like_lengths([branch for branch, _ in chains], lengths)
    alike = []
    for group in groups:
        for count in {len(chains[i][1]) for i in group}:
            same = [chains[i][1] for i in group if len(chains[i][1]) == count]
            if len(same) > 1:
                alike.append(same)
    return alike


def twins_alike(puppet: Puppet) -> Puppet:
    """The puppet in which limbs of twins have the mean of their lengths and half-widths."""
    longest, radii = puppet.longest.copy(), puppet.radii.copy()
    for chains in twins_of(puppet):
        for limbs in np.array(chains).T:
            longest[limbs], radii[limbs] = longest[limbs].mean(), radii[limbs].mean()
    return replace(puppet, longest=longest, radii=radii)
