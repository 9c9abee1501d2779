"""One training step of the full multi-task detector: the straightforward form against the optimised one.

64 px, RGB, batch 32, 16 keypoints, tasks reconstruction, distractor and middle frame, Jensen-Shannon constraint,
exponential balancing, Adam. Both forms start from the same weights and the same random numbers; losses and keypoints
after the steps are compared. The straightforward form does what the equations say, one after the other: every task
detects for itself, warps solve their spline, heatmaps are drawn and compared in full.
"""

import argparse
import copy
import time

import torch
from scoreboard import Row, publish
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from articulate.geometry.thin_plate import control_points
from articulate.keypoints.detector import Detection, KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.keypoints.soft_argmax import read_heatmaps
from articulate.losses import Balancer, LossTerm
from articulate.seeds import torch_generator

SIZE, BATCH, KEYPOINTS = 64, 32, 16
NAMES = ("reconstruction", "distractor", "middle_frame", "jensen_shannon")


class Trainer:
    """Detector, tasks, optimiser and generator of one form."""

    def __init__(self, *, optimised: bool) -> None:
        torch.manual_seed(0)
        self.optimised = optimised
        config = KeypointDetectorConfig(num_keypoints=KEYPOINTS)
        self.detector = KeypointDetector(config)
        self.tasks = MultiTask(MultiTaskConfig(), config, (SIZE, SIZE))
        self.balancer = Balancer({n: LossTerm() for n in NAMES}, "exponential")
        if optimised:
            self.detector = self.detector.to(memory_format=torch.channels_last)
            self.tasks = self.tasks.to(memory_format=torch.channels_last)
        parameters = [*self.detector.parameters(), *self.tasks.parameters()]
        options = {"fused": True} if optimised else {"foreach": False}
        self.optimiser = torch.optim.Adam(parameters, lr=1e-3, **options)
        self.generator = torch_generator(0, "speed")

    def step(self, images: Tensor) -> dict[str, float]:
        """One training step; returns the raw losses."""
        if self.optimised:
            losses = self.tasks(self.detector, images, self.generator).losses
        else:
            losses = straightforward_losses(self.detector, self.tasks, images, self.generator)
        balanced = self.balancer(losses, 0)
        self.optimiser.zero_grad()
        balanced.total.backward()
        self.optimiser.step()
        return {name: term.raw for name, term in balanced.terms.items()}


def straightforward_losses(
    detector: KeypointDetector, tasks: MultiTask, images: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """The same losses, task by task."""
    middle = tasks.task("middle_frame")
    warp = middle.config.warp.sample(images, generator)
    halves = [solved_warp(images, warp.scaled(factor)) for factor in (0.5, 1.0)]
    losses = {}
    for name in ("reconstruction", "distractor"):
        detection = plain_detect(detector, images)
        cleaned = full_gaussians(detection.xy, detector.config.sigma_px)
        losses |= tasks.task(name)(detection, images, generator, cleaned=cleaned).losses
    detection = plain_detect(detector, images)
    found = [plain_detect(detector, half) for half in halves]
    views = middle_views(halves, found)
    losses |= middle(detection, images, generator, cleaned=full_gaussians(detection.xy, 1.0), views=views).losses
    losses["jensen_shannon"] = full_jensen_shannon(plain_detect(detector, images).heatmaps, detector.config.sigma_px)
    return losses


def middle_views(halves: list[Tensor], found: list[Detection]):
    """Both warps and what was detected in them, as the middle-frame task takes them."""
    from articulate.keypoints.tasks import Views

    both = Detection(
        torch.cat([f.heatmaps for f in found]), torch.cat([f.xy for f in found]),
        torch.cat([f.score for f in found]), torch.cat([f.covariance for f in found]),
    )  # fmt: skip
    return Views(torch.cat(halves), detection=both)


def plain_detect(detector: KeypointDetector, images: Tensor) -> Detection:
    """The hourglass with out-of-place activations, and the same reading."""
    net = detector.hourglass

    def active(x: Tensor) -> Tensor:
        return functional.leaky_relu(x, 0.1)

    full = active(net.conv2(active(net.conv1(images))))
    half = active(net.conv4(functional.max_pool2d(full, 2)))
    deep = active(net.conv6(functional.max_pool2d(half, 2)))
    up = functional.interpolate(deep, scale_factor=2.0) + active(net.conv6b(half))
    up = functional.interpolate(active(net.conv8(up)), scale_factor=2.0) + active(net.conv4b(full))
    heatmaps = net.conv11(active(net.conv10(up)))
    return Detection(heatmaps, *read_heatmaps(heatmaps))


def full_gaussians(xy: Tensor, sigma: float) -> Tensor:
    """Cleaned heatmaps pixel by pixel."""
    axis = (2 * torch.arange(SIZE, dtype=xy.dtype) + 1) / SIZE - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    squared = (x - xy[..., 0, None, None]) ** 2 + (y - xy[..., 1, None, None]) ** 2
    return torch.exp(-squared / (2 * (sigma * 2 / SIZE) ** 2))


def full_jensen_shannon(heatmaps: Tensor, sigma: float) -> Tensor:
    """The divergence summed over all cells, around the same centre."""
    from articulate.keypoints.regularisers import windowed_centre
    from articulate.keypoints.soft_argmax import cut_window

    p = heatmaps.flatten(2).softmax(-1)
    with torch.no_grad():
        centre = windowed_centre(cut_window(heatmaps, 5), sigma, (SIZE, SIZE))
    axis = torch.arange(SIZE, dtype=p.dtype)
    squared = (axis - centre[..., :1])[:, :, None, :] ** 2 + (axis - centre[..., 1:])[:, :, :, None] ** 2
    q = torch.exp(-0.5 * squared / sigma**2).flatten(2)
    q = q / q.sum(-1, keepdim=True)
    middle = (0.5 * (p + q) + 1e-12).log()
    return 0.5 * (p * ((p + 1e-12).log() - middle) + q * ((q + 1e-12).log() - middle)).sum(-1).mean()


def solved_warp(images: Tensor, warp) -> Tensor:
    """The thin-plate warp by solving for each image's kernel weights and summing kernels at every pixel."""
    control = control_points(warp.side)
    count, number = len(control), len(images)
    distance = torch.cdist(control, control) ** 2
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    system[:count, :count] = distance * distance.clamp_min(1e-30).log()
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = control
    system[count + 1 :, :count] = control.T
    target = torch.cat([warp.displacement.double(), torch.zeros(number, 3, 2, dtype=torch.float64)], 1)
    weights = torch.linalg.solve(system.expand(number, -1, -1), target)
    axis = (2 * torch.arange(SIZE, dtype=torch.float64) + 1) / SIZE - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    pixels = torch.stack([x, y], -1).flatten(0, 1).expand(number, -1, -1)
    squared = (pixels[:, :, None] - control).square().sum(-1)
    bend = (squared * squared.clamp_min(1e-30).log()) @ weights[:, :count]
    ones = torch.ones(number, len(pixels[0]), 1, dtype=torch.float64)
    bend = bend + torch.cat([ones, pixels], -1) @ weights[:, count:]
    affine = warp.affine.double()
    grid = (pixels @ affine[..., :2].transpose(-1, -2) + affine[..., 2][:, None] + bend).float()
    return functional.grid_sample(images, grid.unflatten(1, (SIZE, SIZE)), padding_mode="border", align_corners=False)


def both_forms() -> tuple[Trainer, Trainer]:
    """Straightforward and optimised, with the same weights."""
    plain, fast = Trainer(optimised=False), Trainer(optimised=True)
    fast.detector.load_state_dict(copy.deepcopy(plain.detector.state_dict()))
    return plain, fast


def compare(forms: tuple[Trainer, Trainer], steps: int, images: Tensor) -> tuple[list[float], list[float], float]:
    """Seconds of interleaved steps of both forms, and the largest relative difference of any loss in the first."""
    times: tuple[list[float], list[float]] = ([], [])
    worst = 0.0
    for step in range(steps + 1):
        found = []
        for form, kept in zip(forms, times, strict=True):
            start = time.perf_counter()
            found.append(form.step(images))
            if step:
                kept.append(time.perf_counter() - start)
        if step == 0:
            worst = max(abs(found[0][n] - found[1][n]) / max(1.0, abs(found[0][n])) for n in NAMES)
    return *times, worst


def print_profile(trainer: Trainer, images: Tensor) -> None:
    """Where the time of one step goes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        trainer.step(images)
    print(f"\nprofile of the {'optimised' if trainer.optimised else 'straightforward'} step")
    print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=44))


def main() -> None:
    """Parse the arguments, print profiles and the ratio, write benchmarks/results/detector_speed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = torch.rand(BATCH, 3, SIZE, SIZE, generator=torch_generator(0, "images"))
    forms = both_forms()
    plain, fast, worst = compare(forms, 1 if arguments.quick else arguments.steps, images)
    if not arguments.quick:
        for trainer in forms:
            print_profile(trainer, images)
    data = f"{SIZE} px, batch {BATCH}, K {KEYPOINTS}"
    rows = [
        Row("detector speed", data, "straightforward", "training step, minimum", "s", [min(plain)]),
        Row("detector speed", data, "optimised", "training step, minimum", "s", [min(fast)]),
        Row("detector speed", data, "optimised", "speed-up", "x", [min(plain) / min(fast)]),
        Row("detector speed", data, "optimised", "largest difference of a loss", "relative", [worst]),
    ]
    publish(rows, "detector_speed")


if __name__ == "__main__":
    main()
