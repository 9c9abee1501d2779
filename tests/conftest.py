"""Shared fixtures: one thread, and the folder of real data where it exists."""

import os
from pathlib import Path

import pytest
import torch

SHARED_DATA = Path(os.environ.get("ARTICULATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def single_thread() -> None:
    """One thread, so that sums are in one order and results repeat bit for bit."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; tests that need it skip with a printed reason when it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data not found at {SHARED_DATA} (set ARTICULATE_SHARED_DATA)")
    return SHARED_DATA
