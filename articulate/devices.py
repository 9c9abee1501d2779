"""Where a command computes: its device and its number of CPU threads."""

import torch

from articulate.errors import ConfigError
from articulate.waiting import allowed_threads


def choose_device(name: str) -> torch.device:
    """The device `name`: `auto` is the best one that is there. Raises ConfigError when it is unknown or not there."""
    if name == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device `{name}`: unknown; use cpu, cuda, cuda:N, mps or auto") from None
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise ConfigError(f"device `{name}`: this PyTorch sees no such device; use cpu or auto")
    return device


def use_threads(count: int | None) -> None:
    """Compute on `count` CPU threads; None: on as many as this process may use. Raises ConfigError below one."""
    if count is not None and count < 1:
        raise ConfigError(f"--threads {count}: one thread is the least; leave the option out to use every core")
    torch.set_num_threads(count or allowed_threads())
