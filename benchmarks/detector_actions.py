"""Action recognition and landmark regression from the general-purpose detector on built-in people, beside floors.

Clips of labelled activities, each with its own random phase, tempo and view. The detector is trained on frames of the
training clips without any label; an LSTM then tells the activity of unseen clips from 32 frames of keypoints, and one
linear map tells the true joints. Beside it: the same with true keypoints, with an untrained detector, and chance.
"""

import argparse
import time

import numpy as np
import torch
from detector import STEPS_A_SECOND
from scoreboard import Row, publish
from torch import Tensor

from articulate.data.synthetic.clips import generate_clips
from articulate.data.synthetic.options import SyntheticOptions
from articulate.evaluation.detector import action_accuracy, landmark_regression_error
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.losses import Balancer, LossTerm
from articulate.seeds import derive_seed, torch_generator

SIDE, KEYPOINTS, FRAMES = 32, 12, 32
WEIGHTS = {"reconstruction": 3.0, "middle_frame": 1.0, "jensen_shannon": 0.3}


def load_clips(number: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Frames [N, T, 3, 32, 32], true keypoints [N, T, P, 2] and the activity's number of `number` clips."""
    options = SyntheticOptions(
        look="sticks", cue="colours", size=SIDE, num_clips=number, num_frames=FRAMES, fps=12, yaw_coverage=20,
        yaw_start=20, seed=seed,
    )  # fmt: skip
    frames, truth, activity = [], [], []
    for clip in generate_clips(options):
        frames.append(torch.from_numpy(clip.frames).permute(0, 3, 1, 2))
        truth.append(torch.from_numpy(np.asarray(clip.truth["xy"], dtype=np.float32)))
        activity.append(str(clip.truth["activity"]))
    names = sorted(set(activity))
    return torch.stack(frames), torch.stack(truth), torch.tensor([names.index(a) for a in activity])


def train_detector(frames: Tensor, steps: int, seed: int, device: str) -> KeypointDetector:
    """Reconstruction, middle frame and Jensen-Shannon on single frames."""
    config = KeypointDetectorConfig(num_keypoints=KEYPOINTS, width=0.5, skip="half", temperature=0.3)
    tasks_config = MultiTaskConfig(
        tasks={"reconstruction": {"width": 0.5, "background": 0.1}, "middle_frame": {"width": 0.5, "share": 0.5}}
    )
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "weights"))
        detector, tasks = KeypointDetector(config), MultiTask(tasks_config, config, (SIDE, SIDE))
    detector, tasks = (m.to(device, memory_format=torch.channels_last) for m in (detector, tasks))
    balancer = Balancer({n: LossTerm(weight=w) for n, w in WEIGHTS.items()}, "exponential")
    optimiser = torch.optim.Adam([*detector.parameters(), *tasks.parameters()], lr=2e-3, fused=True)
    generator, flat = torch_generator(seed, "tasks", device=device), frames.flatten(0, 1)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 2e-3 * (1 if step < 0.5 * steps else 0.3 if step < 0.8 * steps else 0.1)
        chosen = torch.randint(len(flat), (24,), generator=generator, device=device).to(flat.device)
        losses = tasks(detector, flat[chosen].to(device) / 255, generator).losses
        optimiser.zero_grad()
        balancer(losses, step).total.backward()
        optimiser.step()
    return detector.eval()


@torch.no_grad()
def detect_clips(detector: KeypointDetector, frames: Tensor, device: str) -> Tensor:
    """Keypoints [N, T, K, 2] of all clips."""
    return torch.stack([detector(clip.to(device) / 255).xy.cpu() for clip in frames])


def measure(xy: Tensor, truth: Tensor, activity: Tensor, train: int, seed: int) -> tuple[float, float]:
    """Action accuracy (%) on unseen clips, and landmark error (% of the side) there, both fitted on the first."""
    generator = torch_generator(seed, "actions")
    accuracy = action_accuracy(xy[:train], activity[:train], xy[train:], activity[train:], generator)
    fit, test = (part.flatten(0, 1) for part in (xy[:train], xy[train:]))
    error = landmark_regression_error(fit, truth[:train].flatten(0, 1), test, truth[train:].flatten(0, 1))
    return 100 * accuracy, error


def main() -> None:
    """Parse the arguments, train, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=120, help="nominal seconds per training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seeds, budget = (1, 40.0) if arguments.quick else (arguments.seeds, arguments.budget)
    steps = round(budget * STEPS_A_SECOND[torch.device(arguments.device).type])
    number = 300
    train = number * 2 // 3
    collected: dict[str, list[tuple[float, float]]] = {}
    start = time.perf_counter()
    for seed in range(seeds):
        frames, truth, activity = load_clips(number, seed)
        detectors = {f"trained {steps} steps": steps, "untrained detector": 0}
        for method, count in detectors.items():
            detector = train_detector(frames[:train], count, seed, arguments.device)
            xy = detect_clips(detector, frames, arguments.device)
            collected.setdefault(method, []).append(measure(xy, truth, activity, train, seed))
        collected.setdefault("true keypoints", []).append(measure(truth, truth, activity, train, seed))
        still = torch.zeros_like(truth[:, :, :1])
        share = 100 * float(torch.bincount(activity[train:]).max()) / (number - train)
        collected.setdefault("chance, mean pose", []).append((share, measure(still, truth, activity, train, seed)[1]))
        print(f"seed {seed} after {time.perf_counter() - start:.0f} s: { ({m: v[-1] for m, v in collected.items()}) }")
    data = f"built-in people, {SIDE} px, {len(torch.unique(activity))} activities, {number} clips"
    rows = []
    for method, values in collected.items():
        rows.append(
            Row("actions", data, method, "action accuracy", "%", [v[0] for v in values], device=arguments.device)
        )
        rows.append(Row("actions", data, method, "landmark regression", "% of side", [v[1] for v in values]))
    publish(rows, "detector_actions")


if __name__ == "__main__":
    main()
