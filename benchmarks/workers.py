"""Cells of a benchmark, kept in one file, on several processes at once: for machines with many cores."""

import fcntl
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch


class Cells:
    """Everything that was ever measured, by name, in a JSON file that several processes may write to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> dict[str, Any]:
        """All cells by now; none where there is no file."""
        return json.loads(self.path.read_text()) if self.path.is_file() else {}

    def keep(self, name: str, cell: Any) -> dict[str, Any]:
        """Write one cell, atomically, beside what other processes have written meanwhile; returns all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cells = self.known() | {name: cell}
            partial = self.path.with_suffix(".tmp")
            partial.write_text(json.dumps(cells, indent=1) + "\n")
            partial.replace(self.path)
        return cells


def one_process(threads: int) -> None:
    """What every worker does first: its share of the cores, for PyTorch and for what starts threads of its own."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    torch.set_num_threads(threads)


def finished(
    work: Callable[..., Any], tasks: Sequence[tuple], jobs: int, go_on: Callable[[], bool]
) -> Iterator[tuple[tuple, Any]]:
    """`(task, work(*task))` as they end, `jobs` at a time; none is begun once `go_on` says no.

    Args:
        work: a function of a module (workers import it).
        tasks: its arguments, most wanted first.
        jobs: processes; 1 works in this one.
        go_on: asked before every task is begun.

    Raises:
        Exception: what `work` raised, with the tasks in progress brought to their end first.
    """
    if jobs == 1:
        for task in tasks:
            if not go_on():
                return
            yield task, work(*task)
        return
    context = multiprocessing.get_context("spawn")
    left, running = list(tasks), dict[Future, tuple]()
    with ProcessPoolExecutor(jobs, context, one_process, (torch.get_num_threads(),)) as pool:
        while True:
            while left and len(running) < jobs and go_on():
                task = left.pop(0)
                running[pool.submit(work, *task)] = task
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()
