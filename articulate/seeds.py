"""Child random generators derived by name, so that adding one consumer never shifts another's numbers."""

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Seed in [0, 2**63) that depends on `seed` and on the path of `names` (SHA-256, first eight bytes)."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Generator on `device` for the consumer called `names`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator for the consumer called `names`."""
    return np.random.default_rng(derive_seed(seed, *names))
