"""Soft-argmax variants: error by distance from the border and by leaked mass, training of a small net, and time."""

import argparse
import math
import time

import torch
from scoreboard import Row, publish

from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.soft_argmax import METHODS, gaussian_profile, read_heatmaps
from articulate.seeds import torch_generator

SIDE = 32
RINGS = ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 16.0))
LEAKS = (0.0, 0.1, 0.3, 0.6)


def logits_of_gaussians(centre: torch.Tensor, sigma: float, leak: float, noise: float, generator) -> torch.Tensor:
    """log((1 - leak) * Gaussian + leak * uniform) + noise: heatmaps whose true point is known. Centre in cells."""
    frame = (2 * centre + 1) / SIDE - 1
    columns = gaussian_profile(frame[..., 0], SIDE, sigma)
    rows = gaussian_profile(frame[..., 1], SIDE, sigma)
    mass = rows[..., :, None] * columns[..., None, :]
    mass = mass / mass.sum((-2, -1), keepdim=True)
    mass = (1 - leak) * mass + leak / SIDE**2
    return mass.clamp_min(1e-12).log() + noise * torch.randn(mass.shape, generator=generator, dtype=mass.dtype)


def points_in_ring(ring: tuple[float, float], number: int, generator) -> torch.Tensor:
    """Points (cells) whose distance from the nearest edge of the frame lies in `ring` (cells)."""
    found: list[torch.Tensor] = []
    while sum(len(f) for f in found) < number:
        place = torch.rand(4 * number, 2, generator=generator, dtype=torch.float64) * SIDE
        edge = torch.minimum(place, SIDE - place).amin(-1)
        found.append(place[(edge >= ring[0]) & (edge < ring[1])])
    return torch.cat(found)[:number, None] - 0.5


def readers() -> dict[str, dict]:
    """Every variant: the settings of `read_heatmaps`, and how far the heatmap reaches beyond the frame."""
    variants: dict[str, dict] = {m: {"method": m} for m in METHODS}
    variants |= {f"plain, temperature {t}": {"method": "plain", "temperature": t} for t in (0.5, 0.25)}
    variants |= {"corrected, radius 3": {"method": "corrected", "radius": 3}}
    variants |= {"corrected, radius 6": {"method": "corrected", "radius": 6}}
    return variants


def padded_error(method: str, centre: torch.Tensor, sigma: float, leak: float, noise: float, generator) -> float:
    """Mean error (cells) when the outer 4 cells of the heatmap are margin: points stay 4 cells inside the map."""
    frame = SIDE - 8
    logits = logits_of_gaussians(centre * (frame / SIDE) + 4 - 0.5 * (1 - frame / SIDE), sigma, leak, noise, generator)
    xy = read_heatmaps(logits, method=method, padding=4).xy
    return float((xy - ((2 * centre + 1) / SIDE - 1)).norm(dim=-1).mean()) * frame / 2


def accuracy_rows(seeds: int, number: int) -> list[Row]:
    """Mean error in cells: by ring without a leak, by leaked mass over all rings, with noise, for each variant."""
    settings = [(f"edge distance {a:g} to {b:g} cells", (a, b), 1.0, 0.0, 0.0) for a, b in RINGS]
    settings += [(f"leak {leak:g}, everywhere", (0.0, 16.0), 1.0, leak, 0.0) for leak in LEAKS]
    settings += [("leak 0.3, 1 to 2 cells", (1.0, 2.0), 1.0, 0.3, 0.0)]
    settings += [
        ("sigma 2, everywhere", (0.0, 16.0), 2.0, 0.0, 0.0),
        ("noise 0.3, leak 0.1", (0.0, 16.0), 1.0, 0.1, 0.3),
    ]
    rows = []
    for name, options in readers().items():
        for metric, ring, sigma, leak, noise in settings:
            values = []
            for seed in range(seeds):
                generator = torch_generator(seed, "soft_argmax", metric)
                centre = points_in_ring(ring, number, generator)
                xy = read_heatmaps(logits_of_gaussians(centre, sigma, leak, noise, generator), **options).xy
                values.append(float((xy - ((2 * centre + 1) / SIDE - 1)).norm(dim=-1).mean()) * SIDE / 2)
            rows.append(Row("soft-argmax", "Gaussian heatmaps 32 x 32", name, metric, "cells", values))
    for method in METHODS:
        for metric, ring, sigma, leak, noise in settings:
            values = []
            for seed in range(seeds):
                generator = torch_generator(seed, "soft_argmax", metric)
                centre = points_in_ring(ring, number, generator)
                values.append(padded_error(method, centre, sigma, leak, noise, generator))
            rows.append(
                Row("soft-argmax", "Gaussian heatmaps 32 x 32", f"{method}, padding 4", metric, "cells", values)
            )
    return rows


def step_seconds(method: str, padding: int, repeats: int) -> list[float]:
    """Seconds of `repeats` training steps of the detector alone: 64 px, batch 32, 16 keypoints."""
    torch.manual_seed(0)
    detector = KeypointDetector(KeypointDetectorConfig(num_keypoints=16, method=method, padding=padding))
    images = torch.rand(32, 3, 64, 64)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        detector(images).xy.square().sum().backward()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def time_rows(repeats: int) -> list[Row]:
    """Extra time of one training step over the plain soft-argmax, interleaved; the minimum of repeats is compared."""
    variants = [(m, 0) for m in METHODS] + [("plain", 4)]
    best = dict.fromkeys(variants, math.inf)
    for _ in range(repeats):
        for variant in variants:
            best[variant] = min(best[variant], *step_seconds(*variant, 2))
    floor = best["plain", 0]
    return [
        Row("soft-argmax", "training step, 64 px, batch 32, K 16", f"{m}, padding {p}" if p else m, "extra time", "%",
            [100 * (seconds / floor - 1)], seconds=seconds)
        for (m, p), seconds in best.items()
    ]  # fmt: skip


def main() -> None:
    """Parse the arguments, print the table, write benchmarks/results/soft_argmax.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("accuracy", "time"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    if arguments.only != "time":
        rows += accuracy_rows(min(arguments.seeds, 2) if arguments.quick else arguments.seeds, 500)
    if arguments.only != "accuracy":
        rows += time_rows(3 if arguments.quick else 10)
    publish(rows, "soft_argmax")


if __name__ == "__main__":
    main()
