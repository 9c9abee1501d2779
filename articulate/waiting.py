"""How threads wait for each other; no heavy library is loaded here, because it must be said before they are."""

import os


def wait_asleep() -> None:
    """Let the threads of PyTorch's operators sleep while they wait, unless the environment says otherwise.

    OpenMP's threads spin while they wait. Where the cores have other work, too, one of two threads then burns a core
    for as long as the other is off it: measured on two shared cores, a training step took three times as long.
    Has an effect only before PyTorch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def allowed_threads() -> int:
    """Threads to use when nobody says: what `OMP_NUM_THREADS` allows, else one for each core of this process."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
