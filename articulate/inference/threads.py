"""Frames are made on one thread and go through the network on others; the numbers are those of a single thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from articulate.inference.frames import Batch
from articulate.inference.network import FrameDetector
from articulate.keypoints.soft_argmax import KeypointReading

AHEAD = 3  # batches that wait while the network works

Item = TypeVar("Item")


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Operators run on the thread that calls them; gives the number of threads that were allowed before.

    Threads that share one small operator mostly wait for each other, busily: on two cores that are also used by others
    it was measured to cost five times the CPU time.
    """
    allowed = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield allowed
    finally:
        torch.set_num_threads(allowed)


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items, made up to `depth` early in a thread of their own."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
        waiting = deque(pool.submit(next, source, end) for _ in range(depth))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, source, end))
            yield item  # type: ignore[misc]


def detections(
    detector: FrameDetector, batches: Iterator[Batch], threads: int
) -> Iterator[tuple[Batch, KeypointReading]]:
    """Every batch with its keypoints, in order: one thread makes frames, as many as allowed run the network.

    That is one more than allowed, so that no core waits for the slower of the two. Each batch is the work of one
    thread, so that the numbers do not depend on how many there are.
    """
    if threads == 1:
        yield from ((batch, detector(batch.images, batch.masks)) for batch in batches)
        return
    workers = threads if detector.device.type == "cpu" else 1
    waiting: deque[tuple[Batch, Future[KeypointReading]]] = deque()
    with ThreadPoolExecutor(workers, "network", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for batch in ahead(batches, AHEAD):
            waiting.append((batch, pool.submit(detector, batch.images, batch.masks)))
            if len(waiting) > workers:
                done, found = waiting.popleft()
                yield done, found.result()
        while waiting:
            done, found = waiting.popleft()
            yield done, found.result()
