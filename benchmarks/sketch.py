"""T9: the renderer against the plain forms, forward + backward: speed, memory, growth, threads, agreement.

`python benchmarks/sketch.py [--quick] [--only T9 | threads] [--seeds N] [--budget SECONDS] [--device D]`. Times are CPU
time of the process where one thread draws (other users of the machine do not count), wall-clock for threads and CUDA;
the least of several rounds in which the methods take turns. `--only threads` wants two idle cores.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import torch
from scoreboard import Row, publish

from articulate.seeds import torch_generator
from articulate.sketch import draw_tree, pieces
from articulate.waiting import wait_asleep

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "sketch_scaling.png"
HALF_WIDTH = 0.03
# Changes from one thread to two, each after a run of repeats: a worker sleeps while there is one thread only.
TURNS = 10
# VmHWM, not ru_maxrss: the latter is inherited from the parent process, so that growth below it reads as zero.
MEMORY_PROBE = """
import ctypes, gc, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from sketch import inputs, run, methods
def high_water():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
points = inputs(0, {batch}, {keypoints})
method = methods({size}, {profile!r})[{name!r}]
run(methods(16, {profile!r})[{name!r}], inputs(0, 1, {keypoints}))  # compiles, loads libraries
gc.collect()
try:  # gives back what compiling has left to the allocator: a drawing in there would not show
    ctypes.CDLL(None).malloc_trim(0)
except (AttributeError, OSError):
    pass
open("/proc/self/clear_refs", "w").write("5")  # the peak so far (compiling) is forgotten
before = high_water()
run(method, points)
print((high_water() - before) / 1024)
"""


def inputs(seed: int, batch: int, num_keypoints: int, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Random points and the edges of a binary tree."""
    g = torch_generator(seed, "benchmark", "sketch")
    points = torch.rand(batch, num_keypoints, 2, generator=g) * 1.6 - 0.8
    child = torch.arange(1, num_keypoints)
    return points.to(device), torch.stack([(child - 1) // 2, child], dim=1).to(device)


def plain_limbs(start, end, size: int, profile: str):
    """The clamped-t form: distance of every pixel to every limb, 1 - prod(1 - h), in whole-image tensor operations."""
    place = (2.0 * torch.arange(size, device=start.device) + 1.0) / size - 1.0
    ax, ay = start[..., 0, None, None], start[..., 1, None, None]
    dx, dy = end[..., 0, None, None] - ax, end[..., 1, None, None] - ay
    ux, uy = place - ax, place[:, None] - ay
    t = ((ux * dx + uy * dy) / (dx * dx + dy * dy + 1e-8)).clamp(0.0, 1.0)
    distance2 = (ux - t * dx) ** 2 + (uy - t * dy) ** 2
    if profile == "gaussian":
        h = torch.exp2(-distance2 / HALF_WIDTH**2)
    else:
        h = HALF_WIDTH**2 / (HALF_WIDTH**2 + distance2)
    return 1.0 - (1.0 - h).prod(dim=1)


def methods(size: int, profile: str) -> dict[str, Callable]:
    """Drawing functions of (points, edges)."""

    def ours(points, edges, backend="auto"):
        return draw_tree(points, edges, size=(size, size), width=HALF_WIDTH, profile=profile, backend=backend)

    def strips(points, edges):
        return ours(points, edges, "chunked")

    def plain_tree(points, edges):
        return plain_limbs(points[:, edges[:, 0]], points[:, edges[:, 1]], size, profile)

    def per_pair(points, edges):
        first, second = torch.triu_indices(points.shape[1], points.shape[1], offset=1, device=points.device)
        h = plain_limbs_weighted(points, first, second, edges, size, profile)
        return 1.0 - (1.0 - h).prod(dim=1)

    return {"ours": ours, "ours, strips of rows": strips, "plain clamped t": plain_tree, "per pair": per_pair}


def plain_limbs_weighted(points, first, second, edges, size: int, profile: str):
    """Rasters of all pairs times a connection matrix, as a per-pair sketch computes them before composing."""
    connection = torch.zeros(points.shape[1], points.shape[1], device=points.device)
    connection[edges[:, 0], edges[:, 1]] = 1.0
    rasters = [
        plain_limbs(points[:, i : i + 1], points[:, j : j + 1], size, profile)
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return torch.stack(rasters, dim=1) * connection[first, second][:, None, None]


def run(method: Callable, scene: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and gradient by the points of the mean square."""
    points = scene[0].clone().requires_grad_()
    image = method(points, scene[1])
    image.square().mean().backward()
    return image.detach(), points.grad


def seconds_each(chosen: dict[str, Callable], scene, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Least seconds of forward + backward of each method, by turns."""
    best = dict.fromkeys(chosen, float("inf"))
    for _ in range(rounds + 1):  # the first round warms up
        for name, method in chosen.items():
            begin = clock()
            run(method, scene)
            if scene[0].is_cuda:
                torch.cuda.synchronize()
            best[name] = min(best[name], clock() - begin)
    return best


def peak_memory(name: str, batch: int, num_keypoints: int, size: int, profile: str, device: str) -> float:
    """Growth of the peak memory (MiB) over forward + backward: resident of a fresh process, or allocated on CUDA."""
    if device != "cpu":
        scene, method = inputs(0, batch, num_keypoints, device), methods(size, profile)[name]
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(method, scene)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = MEMORY_PROBE.format(paths=paths, batch=batch, keypoints=num_keypoints, size=size, profile=profile, name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def headline(device: str, seeds: int, rounds: int) -> list[Row]:
    """128 px, K 16, batch 8: milliseconds, ratios, agreement."""
    rows, clock = [], time.perf_counter if device != "cpu" else time.process_time
    data = "128 px, K 16, batch 8"
    for profile in ("gaussian", "student"):
        chosen = methods(128, profile)
        pair, strips = chosen.pop("per pair"), chosen.pop("ours, strips of rows")
        times = [seconds_each(chosen, inputs(s, 8, 16, device), rounds, clock) for s in range(seeds)]
        # Apart, because what a method leaves to the allocator would be charged to the next one. The per-pair form
        # takes seconds a pass: one seed, one round.
        apart = [seconds_each({"s": strips}, inputs(s, 8, 16, device), rounds, clock)["s"] for s in range(seeds)]
        rows.append(Row("T9", data, f"ours, strips of rows, {profile}", "fwd+bwd", "ms", [1e3 * t for t in apart],
                        device=device))  # fmt: skip
        slow = seconds_each({"per pair": pair}, inputs(0, 8, 16, device), 1, clock)
        rows.append(Row("T9", data, f"per pair, {profile}", "fwd+bwd", "ms", [1e3 * slow["per pair"]], device=device))
        ratio = slow["per pair"] / times[0]["ours"]
        rows.append(Row("T9", data, f"ours over per pair, {profile}", "speed-up", "x", [ratio], device=device))
        for name in chosen:
            rows.append(Row("T9", data, f"{name}, {profile}", "fwd+bwd", "ms", [1e3 * t[name] for t in times],
                            device=device))  # fmt: skip
        ratios = [t["plain clamped t"] / t["ours"] for t in times]
        rows.append(Row("T9", data, f"ours over plain clamped t, {profile}", "speed-up", "x", ratios, device=device))
        value, slope = [], []
        for s in range(seeds):
            ours, plain = (run(chosen[n], inputs(s, 8, 16, device)) for n in ("ours", "plain clamped t"))
            value.append(float((ours[0][:, 0] - plain[0]).abs().max()))
            slope.append(float((ours[1] - plain[1]).abs().max() / plain[1].abs().max()))
        rows.append(Row("T9", data, f"ours against plain, {profile}", "largest difference", "intensity", value))
        rows.append(Row("T9", data, f"ours against plain, {profile}", "gradient difference", "of the largest", slope))
    return rows


def memory(device: str) -> list[Row]:
    """128 px, K 16, batch 8: growth of the peak memory of every method."""
    rows, image = [], 8 * 128 * 128 * 4 / 2**20
    for profile in ("gaussian", "student"):
        for name in methods(128, profile):
            used = peak_memory(name, 8, 16, 128, profile, device)
            rows.append(Row("T9", "128 px, K 16, batch 8", f"{name}, {profile}", "peak memory", "MiB", [used],
                            device=device, note=f"{used / image:.1f} output images"))  # fmt: skip
    return rows


def scaling(device: str, rounds: int, seeds: int, quick: bool) -> list[Row]:
    """Growth with keypoints, size and batch around the headline."""
    cases = [(16, 64, 8), (16, 128, 8), (16, 256, 8), (8, 128, 8), (32, 128, 8), (16, 128, 32)]
    cases += [] if quick else [(64, 128, 8), (16, 128, 64), (16, 512, 8)]
    if device != "cpu":  # there, launching takes the time of all of these
        cases += [(16, 128, 512), (16, 256, 256), (32, 256, 256)]
    rows, clock = [], time.perf_counter if device != "cpu" else time.process_time
    for keypoints, size, batch in cases:
        for profile in ("gaussian", "student"):
            chosen = {name: methods(size, profile)[name] for name in ("ours", "plain clamped t")}
            times = [seconds_each(chosen, inputs(s, batch, keypoints, device), rounds, clock) for s in range(seeds)]
            for name in chosen:
                data, label = f"{size} px, K {keypoints}, batch {batch}", f"{name}, {profile}, sweep"
                values = [1e3 * t[name] for t in times]
                rows.append(Row("T9", data, label, "fwd+bwd", "ms", values, device=device))
            ratios = [t["plain clamped t"] / t["ours"] for t in times]
            rows.append(Row("T9", data, f"ours over plain clamped t, {profile}, sweep", "speed-up", "x", ratios,
                            device=device))  # fmt: skip
    return rows


def draw_and_pull(method: Callable, scene, slope: torch.Tensor) -> None:
    """Forward and backward without a loss."""
    method(scene[0].clone().requires_grad_(), scene[1]).backward(slope)


def kernel_seconds(method: Callable, scene, slope: torch.Tensor, count: int, repeats: int) -> float:
    """Least seconds of the compiled calls of forward and backward on `count` threads."""
    taken: list[float] = []

    def timed(*work):
        begin = time.perf_counter()
        whole(*work)
        taken.append(time.perf_counter() - begin)

    whole = pieces.run_pieces
    pieces.run_pieces = timed
    torch.set_num_threads(count)
    for _ in range(repeats):
        draw_and_pull(method, scene, slope)
    torch.set_num_threads(1)
    pieces.run_pieces = whole
    return min(taken[0::2]) + min(taken[1::2])


def threads(repeats: int) -> list[Row]:
    """One thread and two: wall-clock by turns, least of many repeats; and the compiled calls alone."""
    rows = []
    for size, batch in ((128, 8), (128, 64), (256, 16)):
        for profile in ("gaussian", "student"):
            method, scene = methods(size, profile)["ours"], inputs(0, batch, 16)
            slope = torch.rand(batch, 1, size, size)
            best, kernels = {1: float("inf"), 2: float("inf")}, {1: float("inf"), 2: float("inf")}
            for _ in range(TURNS):
                for count in (1, 2):
                    torch.set_num_threads(count)
                    for _ in range(repeats // TURNS):
                        begin = time.perf_counter()
                        draw_and_pull(method, scene, slope)
                        best[count] = min(best[count], time.perf_counter() - begin)
                    kernels[count] = min(kernels[count], kernel_seconds(method, scene, slope, count, repeats // TURNS))
            data, label = f"{size} px, K 16, batch {batch}", f"ours, {profile}"
            for metric, found in (("two threads over one", best), ("two threads over one, compiled calls", kernels)):
                rows.append(Row("T9", data, label, metric, "x", [found[1] / found[2]],
                                note=f"{1e3 * found[1]:.3f} ms and {1e3 * found[2]:.3f} ms"))  # fmt: skip
            # Amdahl (1967): allocation and autograd around the compiled calls are not divided.
            limit = best[1] / (best[1] - kernels[1] / 2)
            rows.append(Row("T9", data, label, "limit for two threads, compiled calls alone divided", "x", [limit],
                            note=f"{kernels[1] / best[1]:.2f} of the time in compiled calls"))  # fmt: skip
    return rows


def picture(rows: list[Row]) -> None:
    """Line plot of the scaling rows."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.2), sharey=True)
    for axis, (label, place, fixed) in zip(
        axes, (("side [px]", 0, (16, 8)), ("keypoints", 1, (128, 8)), ("batch", 2, (128, 16))), strict=True
    ):
        for name in (f"{m}, {p}, sweep" for p in ("gaussian", "student") for m in ("ours", "plain clamped t")):
            points = set()
            for r in rows:
                if r.method == name and r.metric == "fwd+bwd":
                    size, keypoints, batch = (int(w.split()[w.strip().startswith(("K", "b"))])
                                              for w in (p.strip() for p in r.data.split(",")))  # fmt: skip
                    numbers = (size, keypoints, batch)
                    rest = tuple(v for i, v in enumerate(numbers) if i != place)
                    if rest == fixed:
                        points.add((numbers[place], r.mean))
            ordered = sorted(points)
            axis.plot(*zip(*ordered, strict=True), marker="o", label=name.removesuffix(", sweep"),
                      linestyle="-" if "gaussian" in name else "--")  # fmt: skip
        axis.set(xlabel=label, xscale="log", yscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("forward + backward [ms]")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    """Parse the command line, measure, publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="T9", choices=["T9", "threads"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds after which the sweeps are left out")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only == "threads":
        if "OMP_WAIT_POLICY" not in os.environ:  # as in a run; it must be said before PyTorch is loaded
            wait_asleep()
            os.execv(sys.executable, [sys.executable, *sys.argv])
        publish(threads(40 if arguments.quick else 300), "sketch_threads")
        return
    begin = time.perf_counter()
    seeds = min(arguments.seeds, 3) if arguments.quick else arguments.seeds
    rows = memory(arguments.device) + headline(arguments.device, seeds, 10)
    if time.perf_counter() - begin < arguments.budget:
        rows += scaling(arguments.device, 2, seeds, arguments.quick)
        if arguments.device == "cpu":
            picture(rows)
    publish(rows, "sketch" if arguments.device == "cpu" else "sketch_gpu")


if __name__ == "__main__":
    main()
