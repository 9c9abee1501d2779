"""A crew of threads that share pieces of compiled work, handed over in about a microsecond.

Python's own pools wake a thread through the interpreter's lock, which costs as much as a small drawing. Here a waiting
worker watches a word in memory for about as long as a drawing takes (spin, then block: at most twice the best cost,
Karlin et al. 1991), then sleeps until it is woken. Pieces are taken one by one, so a worker that wakes late, or whose
core is busy elsewhere, costs no waiting. Which thread did a piece does not show in its result.
"""

import os
import threading
import time
from functools import lru_cache
from typing import no_type_check

import numpy as np
import torch
from numba import njit

from articulate.sketch.atomics import add, call, exchange, load, store

# Words of the notice board; those that threads write are 64 bytes apart. OPEN and AWAKE have one for each thread.
DONE, FUNCTION, DESCRIPTION, PIECES, THREADS, OPEN = 0, 8, 9, 10, 11, 16
# Threads that the board has room for.
MOST = 64
AWAKE = OPEN + 8 * MOST
# An open word holds the number of the work above and the pieces that are left of a thread's part below.
LEFT = (1 << 32) - 1
# Looks at the board before a worker sleeps: some 100 microseconds.
LOOKS = 1 << 18


@njit(cache=True, nogil=True)
@no_type_check
def take_pieces(board, thread):
    """Do the pieces of this thread's part of the posted work, then what the others have left of theirs.

    Parts are the same whenever work of this size is posted, so that each core finds its pixels in its own cache. The
    work's number is part of the word that is exchanged: who read the description of work that has ended since then
    takes no piece of what follows.
    """
    threads, done = load(board, THREADS), 0
    for turn in range(threads):
        part = (thread + turn) % threads
        while True:
            word = load(board, OPEN + 8 * part)
            left = word & LEFT
            if left == 0:
                break
            function, description = load(board, FUNCTION), load(board, DESCRIPTION)
            first = load(board, PIECES) * part // load(board, THREADS)
            if exchange(board, OPEN + 8 * part, word, word - 1):
                call(function, description, first + left - 1)
                done += 1
    if done:
        add(board, DONE, done)


@njit(cache=True, nogil=True)
@no_type_check
def serve(board, thread):
    """Take pieces whenever there are some, until none was posted for a while."""
    looks = 0
    while looks < LOOKS:
        if load(board, OPEN + 8 * thread) & LEFT != 0:
            take_pieces(board, thread)
            looks = 0
        looks += 1
    store(board, AWAKE + 8 * thread, 0)


@njit(cache=True, nogil=True)
@no_type_check
def conduct(board, function, description, pieces, threads):
    """Post work, take part in it, and wait for the others for a while; whether all is done."""
    number = ((load(board, OPEN) >> 32) + 1) & ((1 << 30) - 1)
    store(board, DONE, 0)
    store(board, FUNCTION, function)
    store(board, DESCRIPTION, description)
    store(board, PIECES, pieces)
    store(board, THREADS, threads)
    for part in range(threads):
        count = pieces * (part + 1) // threads - pieces * part // threads
        store(board, OPEN + 8 * part, (number << 32) | count)
    take_pieces(board, 0)
    looks = 0
    while load(board, DONE) < pieces and looks < LOOKS:
        looks += 1
    return load(board, DONE) >= pieces


@njit(cache=True, nogil=True)
@no_type_check
def all_done(board, pieces):
    """Whether every piece of the posted work is done."""
    return load(board, DONE) >= pieces


@njit(cache=True, nogil=True)
@no_type_check
def alone(function, description, pieces):
    """Do all pieces in this thread."""
    for piece in range(pieces):
        call(function, description, piece)


class Crew:
    """Workers of one process; see `run_pieces`."""

    def __init__(self) -> None:
        self.words = np.zeros(AWAKE + 8 * MOST, np.int64)
        self.board = self.words.ctypes.data
        self.taken = threading.Lock()
        self.bells: list[threading.Lock] = []

    def wake(self, threads: int) -> None:
        """Have the other threads watch the board soon: called early, so that they wake while work is prepared."""
        while len(self.bells) < threads - 1:
            self._hire()
        for thread in range(1, threads):
            if not self.words[AWAKE + 8 * thread]:
                self.words[AWAKE + 8 * thread] = 1
                self.bells[thread - 1].release()

    def _hire(self) -> None:
        bell, thread = threading.Lock(), len(self.bells) + 1
        bell.acquire()
        self.bells.append(bell)

        def work() -> None:
            while bell.acquire():
                serve(self.board, thread)

        threading.Thread(target=work, name=f"sketch-{thread}", daemon=True).start()

    def run(self, function: int, description: int, pieces: int, threads: int) -> None:
        """Do all pieces with the help of workers that are awake."""
        if conduct(self.board, function, description, pieces, threads):
            return
        try:
            while not all_done(self.board, pieces):
                time.sleep(1e-5)  # a worker lost its core in the middle of a piece: leave it this one
        finally:
            while not all_done(self.board, pieces):  # interrupted: what the workers write to must outlive them
                pass


@lru_cache(maxsize=1)
def crew_of(process: int) -> Crew:
    """The crew of a process: a forked child has another id, because threads do not survive a fork."""
    return Crew()


def call_crew(threads: int) -> None:
    """Say that work for `threads` threads will follow within microseconds."""
    if threads > 1:
        crew = crew_of(os.getpid())
        if crew.taken.acquire(blocking=False):
            crew.wake(min(threads, MOST))
            crew.taken.release()


def run_pieces(function: int, description: int, pieces: int) -> None:
    """Call the compiled `function(description, piece)` at an address for every piece, on PyTorch's number of threads.

    While another thread of the process has the crew, this one works alone.
    """
    threads = min(torch.get_num_threads(), pieces, MOST)
    crew = crew_of(os.getpid()) if threads > 1 else None
    if crew is None or not crew.taken.acquire(blocking=False):
        alone(function, description, pieces)
        return
    try:
        crew.wake(threads)
        crew.run(function, description, pieces, threads)
    finally:
        crew.taken.release()
