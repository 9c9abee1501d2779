"""Memory that a step has freed goes back to the system before the next step asks for more."""

import ctypes
import sys


def give_back_freed() -> None:
    """Return freed memory to the system where the C library keeps it for later (glibc); elsewhere nothing happens.

    Each thread of a stream of frames has an arena of its own, which keeps what its last batches took; what is then made
    of the whole video would come on top of it.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # absent in musl
    if trim is not None:
        trim(ctypes.c_size_t(0))
