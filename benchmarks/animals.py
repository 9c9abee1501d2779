"""T8: keypoints on real animals without labels, beside floors without learning and learned baselines of equal budget.

    python benchmarks/animals.py --quick                # seeds by the body's axis and all floors, three recordings
    python benchmarks/animals.py --budget 60 --seeds 3  # also the learned baselines, 60 CPU seconds of training each
    python benchmarks/animals.py --pipeline             # also the trained detector of configs/animal_split.yaml
    python benchmarks/animals.py --only fly24_pair --methods ours  # one recording, some of the methods

Everything is matched and fitted on the first half of a recording and scored on the second. Percentages are of the body
size (diagonal of the box of the labels). Labels are read for scoring alone. All methods get the same number of
keypoints on every recording. Rows of other recordings and methods that are in the result file stay there.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment
from scoreboard import Row, earlier_rows, publish
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.evaluation import floors, identity, keypoints
from articulate.evaluation.protocol import keypoint_scores
from articulate.evaluation.sequences import Sequence2D
from articulate.evaluation.tree import edge_scores, map_edges, rigid_groups
from articulate.evaluation.truth import load_labels
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.records import Skeleton, Tracks
from articulate.seeding.body.axis import body_axis_seeds
from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeds import derive_seed, numpy_generator, torch_generator

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Recording:
    """A video of shared/data and its labels."""

    name: str
    video: str
    labels: str


RECORDINGS = {
    r.name: r
    for r in (
        Recording("mouse_openfield", "mouse_openfield/video.mp4", "mouse_openfield/labels.npz"),
        Recording("fly13_court", "fly13_court/fly0.mp4", "fly13_court/labels_fly0.npz"),
        Recording("fly24_pair", "fly24_pair/fly0.mp4", "fly24_pair/labels_fly0.npz"),
        Recording("fly13_court_fly1", "fly13_court/fly1.mp4", "fly13_court/labels_fly1.npz"),
        Recording("fly24_pair_fly1", "fly24_pair/fly1.mp4", "fly24_pair/labels_fly1.npz"),
    )
}
NUM_KEYPOINTS = 32  # the default of configs/animal_split.yaml
TREE_SCORES = ("precision", "recall", "f1", "rigid_precision", "rigid_recall", "rigid_f1")
METHODS = ("ours", "floors", "difference_map", "masked_inpainting")
QUICK = ("mouse_openfield", "fly13_court", "fly24_pair")


@dataclass(frozen=True)
class Scene:
    """A recording as a store, with its truth split into halves and its masks at 64 pixels."""

    recording: Recording
    store: ClipStore
    part: Sequence2D
    mask: Tensor
    clip: Tensor


def shared_data() -> Path:
    """Folder of the recordings. Stops the program when there is none."""
    folder = Path(os.environ.get("ARTICULATE_SHARED_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder; set ARTICULATE_SHARED_DATA to where the recordings are")
    return folder


def open_scene(recording: Recording, stores: Path) -> Scene:
    """The recording's store (made by the recipe when it is not there yet) and its truth."""
    data, path = shared_data(), stores / recording.name
    if not (path / "store.json").is_file():
        made = [f"videos=[{data / recording.video}]", "size=128"]
        subprocess.run([sys.executable, str(ROOT / "datasets/video_folder.py"), "--out", str(path), *made], check=True)
    store = ClipStore.open(path)
    truth = load_labels(data / recording.labels, store.frame_index(0), store.source_from_store(0), store.image_size)
    clip = torch.zeros(store.num_frames, dtype=torch.int64)
    fit, score = keypoints.half_split(clip)
    part = Sequence2D(torch.arange(store.num_frames), clip, truth, fit, score)
    masks = store.masks(0)
    assert masks is not None, "the recordings have foreground masks"
    small = torch.nn.functional.avg_pool2d(torch.from_numpy(np.array(masks)).float()[:, None] / 255, 2)
    return Scene(recording, store, part, small, clip)


def thinned(scene: Scene, step: int) -> Scene:
    """Every `step`-th frame, for floors that take long on each."""
    rows = torch.arange(0, scene.store.num_frames, step)
    fit, score = keypoints.half_split(scene.clip[rows])
    part = Sequence2D(rows, scene.clip[rows], scene.part.truth.rows(rows), fit, score)
    return Scene(scene.recording, scene.store, part, scene.mask[rows], scene.clip[rows])


def alone(part: Sequence2D) -> Sequence2D | None:
    """The same with the frames that show a second animal left out; None where that is not known."""
    other = part.truth.other_animal
    if other is None or not (part.score & ~other).any():
        return None
    return replace(part, fit=part.fit & ~other, score=part.score & ~other)


def rows_of(scene: Scene, method: str, found: list[tuple[Tensor, Tensor | None]], seconds: float) -> list[Row]:
    """All metrics of one method; `found` holds keypoints and tree of every seed."""
    every: dict[tuple[str, str], list[float]] = {}
    for xy, edges in found:
        for name, value in metrics(scene, xy, edges).items():
            every.setdefault(name, []).append(value)
    note = f"K={found[0][0].shape[1]}"
    return [
        Row("T8", scene.recording.name, method, name, unit, values, sum(map(math.isnan, values)), seconds, note=note)
        for (name, unit), values in every.items()
    ]


def metrics(scene: Scene, xy: Tensor, edges: Tensor | None) -> dict[tuple[str, str], float]:
    """Errors, share on the animal, jitter, switches, and where there is a tree its recall up to rigid groups."""
    part = scene.part
    ours = keypoint_scores(xy, part)
    result = {
        ("on-joint", "% body"): ours["error_body"] if ours["unmatched"] == 0 else math.nan,
        ("on-joint, matched landmarks only", "% body"): ours["error_body"],
        ("unmatched landmarks", "count"): ours["unmatched"],
        ("regressed", "% body"): ours["regressed_body"],
        ("keypoints that move", "count"): ours["moving"],
        ("PCK at 0.1", "%"): ours["pck_10"],
        ("identity switches", "per 1000 frames"): ours["switches_per_1000"],
    }
    without = alone(part)
    if without is not None:
        apart = keypoint_scores(xy, without)
        result[("on-joint, second animal left out", "% body")] = apart["error_body"]
        result[("regressed, second animal left out", "% body")] = apart["regressed_body"]
    masks = scene.store.masks(0)
    assert masks is not None
    mask = torch.from_numpy(masks[part.rows[::4].numpy()]).float()[:, None] / 255
    frame = torch.from_numpy(scene.store.frame_index(0).astype(np.int64))[part.rows]
    result[("on the animal", "% of keypoints")] = identity.on_mask(xy[::4], mask).nanmean().item()
    result[("jitter", "% image")] = identity.temporal_jitter(xy, scene.clip, frame).nanmean().item()
    if edges is not None:
        result |= tree_metrics(part, xy, edges)
    return result


def tree_metrics(part: Sequence2D, xy: Tensor, edges: Tensor) -> dict[tuple[str, str], float]:
    """Edges mapped to landmarks by the matching, against the listed ones, as they are and up to rigid groups.

    Rigid groups are those of the labels in 2D (from above nearly 3D) at 1 % of the body. Noisy labels make
    few groups; a looser tolerance chains all points into one and every tree would score 1.
    """
    truth = part.truth
    match = keypoints.match_keypoints(xy[part.fit], truth.xy[part.fit], truth.visible[part.fit])
    groups = rigid_groups(truth.xy.masked_fill(~truth.visible[..., None], math.nan))
    scores = edge_scores(map_edges(edges, match), truth.edges, groups)
    return {(f"tree {name}", "share"): value for name, value in scores.items() if name in TREE_SCORES}


def clustered(scene: Scene, seed: int) -> Tensor:
    """K-means of the pixels of every mask, linked over time by the least total movement."""
    generator = numpy_generator(seed, "animals", "k_means")
    grid = np.stack(floors.pixel_grid(64, 64), -1)
    count = NUM_KEYPOINTS
    found = np.full((len(scene.mask), count, 2), math.nan)
    previous = None
    for t, mask in enumerate(scene.mask[:, 0].numpy()):
        points = grid[mask >= 0.5]
        if len(points) <= count:
            continue
        if previous is None:
            previous = points[generator.choice(len(points), count, replace=False)]
        centres, _ = kmeans2(points, previous, iter=4, minit="matrix", missing="warn")
        cost = np.linalg.norm(previous[:, None] - centres[None], axis=-1)
        found[t] = previous = centres[linear_sum_assignment(cost)[1]]
    return torch.from_numpy(found).float()


def trained(scene: Scene, task: str, seed: int, budget: float, device: str) -> Tensor:
    """A full-width detector trained on one task for `budget` CPU seconds, 64 pixels, background subtracted."""
    frames = torch.from_numpy(np.asarray(scene.store.frames(0))).permute(0, 3, 1, 2)
    soft = torch.from_numpy(np.array(scene.store.masks(0))).float()[:, None] / 255

    def images(rows: Tensor) -> Tensor:
        # Only the animal: a crop that follows it makes the background move, which both tasks would explain instead.
        picture = torch.nn.functional.avg_pool2d(frames[rows].float() / 255 * soft[rows], 2)
        return picture.to(device)

    generator = torch_generator(seed, "animals", task)
    config = KeypointDetectorConfig(num_keypoints=NUM_KEYPOINTS, padding=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "animals", task, "weights"))
        detector = KeypointDetector(config).to(device)
        tasks = MultiTask(MultiTaskConfig(tasks={task: {}}), config, (64, 64)).to(device)
    optimiser = torch.optim.Adam([*detector.parameters(), *tasks.parameters()], lr=1e-3)
    on_device = torch_generator(seed, "animals", task, "views", device=device)
    start, last = time.process_time(), len(frames) - 1
    while time.process_time() - start < budget:
        rows = torch.randint(0, len(frames), (32,), generator=generator)
        later = (rows + torch.randint(3, 13, (32,), generator=generator)).clamp(max=last)
        result = tasks(detector, images(rows), on_device, partner=images(later))
        optimiser.zero_grad()
        torch.stack(list(result.losses.values())).sum().backward()
        optimiser.step()
    with torch.no_grad():
        rows = torch.arange(len(frames)).split(128)
        return torch.cat([detector(images(r)).xy.cpu() for r in rows])


def floor_rows(scene: Scene, step: int) -> list[Row]:
    """The methods that learn nothing, on every `step`-th frame."""
    scene = thinned(scene, step)
    truth, count = scene.part.truth, NUM_KEYPOINTS
    methods: dict[str, Callable[[], Tensor]] = {
        "floor: mean pose": lambda: floors.mean_pose(truth.xy, scene.part.fit, truth.visible),
        "floor: centroid + axes": lambda: floors.principal_axes(scene.mask, scene.clip),
        "floor: geodesic extremities": lambda: floors.geodesic_extremities(scene.mask, scene.clip, count),
        "floor: K-means of the mask": lambda: clustered(scene, 0),
    }
    rows = []
    for name, method in methods.items():
        start = time.perf_counter()
        xy = method()
        rows += rows_of(scene, name, [(xy, None)], time.perf_counter() - start)
    return rows


def seed_rows(scene: Scene, seeds: int) -> list[Row]:
    """Ours: the seeds stage of configs/animal_split.yaml, which needs no schedule."""
    found, start = [], time.perf_counter()
    for seed in range(seeds):
        result = body_axis_seeds(scene.store, NUM_KEYPOINTS, BodyAxisConfig(), seed, progress)
        assert result is not None, "the recordings have masks"
        found.append((result.xy, result.edges))
    return rows_of(scene, "ours: body axis", found, (time.perf_counter() - start) / seeds)


def pipeline_rows(scene: Scene, seeds: int, runs: Path, device: str) -> list[Row]:
    """Ours as a user runs it: seeds and a detector trained on them, by configs/animal_split.yaml."""
    from stages import pipeline

    found, start = [], time.perf_counter()
    for seed in range(seeds):
        video = shared_data() / scene.recording.video
        words = [f"seed={seed}", f"data.videos=[{video}]", f"data.size={scene.store.image_size}"]
        words += ["data.max_frames=20000", f"keypoints.num_keypoints={NUM_KEYPOINTS}"]
        words += [f"name={scene.recording.name}_{seed}", f"runs={runs}", f"stores={runs / 'stores'}"]
        results = pipeline.run(ROOT / "configs/animal_split.yaml", words, device=device)
        tracks = Tracks.load(newest(results.parent, "Tracks"))
        assert tracks.xy.shape[1] == scene.store.num_frames, "every frame of the recording has a row"
        found.append((tracks.xy[0].float().cpu(), Skeleton.load(newest(results.parent, "Skeleton")).edges))
    return rows_of(scene, "ours: trained detector", found, (time.perf_counter() - start) / seeds)


def newest(run: Path, record: str) -> Path:
    """The last record of a kind that a run wrote."""
    return max(run.rglob(f"*.{record}.npz"), key=lambda path: path.stat().st_mtime)


def progress(text: str) -> None:
    """A line for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, no training, three recordings")
    parser.add_argument("--only", choices=["T8", *RECORDINGS], help="one recording")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--budget", type=float, default=60, help="CPU seconds of training per learned baseline and seed"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="only these")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--stores", type=Path, default=ROOT / "stores" / "animals", help="where the stores are kept")
    parser.add_argument("--pipeline", action="store_true", help="also train configs/animal_split.yaml")
    arguments = parser.parse_args()
    names = QUICK if arguments.quick else tuple(RECORDINGS)
    names = (arguments.only,) if arguments.only in RECORDINGS else names
    seeds = 1 if arguments.quick else arguments.seeds
    methods = [m for m in arguments.methods if not arguments.quick or m in ("ours", "floors")]
    for name in names:
        scene, rows = open_scene(RECORDINGS[name], arguments.stores), []
        rows += seed_rows(scene, seeds) if "ours" in methods else []
        rows += floor_rows(scene, 4 if arguments.quick else 1) if "floors" in methods else []
        if arguments.pipeline:
            rows += pipeline_rows(scene, seeds, arguments.stores.parent / "animals_runs", arguments.device)
        for task in (m for m in methods if m in ("difference_map", "masked_inpainting")):
            start = time.perf_counter()
            found = [(trained(scene, task, s, arguments.budget, arguments.device), None) for s in range(seeds)]
            rows += rows_of(scene, f"learned: {task}", found, (time.perf_counter() - start) / seeds)
        publish(with_earlier(rows), "animals")  # after every recording, so that a run that is stopped leaves its table


def with_earlier(rows: list[Row]) -> list[Row]:
    """These rows and those of the result file that are of other recordings or methods, in the order of RECORDINGS."""
    new = {(r.data, r.method) for r in rows}
    rows = rows + earlier_rows("animals", lambda row: (row.data, row.method) in new)
    order = list(RECORDINGS)
    return sorted(rows, key=lambda r: (order.index(r.data), not r.method.startswith("ours"), r.method))


if __name__ == "__main__":
    main()
