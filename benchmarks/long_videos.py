"""T11b: several long videos of one animal kind in one store and one set of seeds: memory by length, and errors.

    python benchmarks/long_videos.py [--quick] [--seeds N]

The shipped mouse recording is cut into four videos and looped into a long one. `data.max_frames` frames are kept of
them together, as configs/animal_split.yaml does, and seeds are found over all clips at once. Memory is the high-water
mark of a fresh process; it must not depend on how long the long video is. Labels are read for scoring alone: errors are
those of the four parts, fitted on the first half of each and scored on the second, beside the recording in one piece.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from animals import NUM_KEYPOINTS, ROOT, shared_data
from scoreboard import Row, publish
from throughput import looped

from articulate.data.store import ClipStore
from articulate.evaluation.protocol import keypoint_scores
from articulate.evaluation.sequences import labels_of_run
from articulate.records import FrameIndex, Tracks
from articulate.seeding.body.axis import body_axis_seeds
from articulate.seeding.body.config import BodyAxisConfig
from articulate.video import Video, VideoWriter

PARTS = 4


def cut(source: Path, folder: Path) -> tuple[list[Path], list[int]]:
    """The video in PARTS videos of equal length, and the first frame of each."""
    video = Video(source)
    edges = np.linspace(0, video.info.num_frames, PARTS + 1).astype(int)
    paths = [folder / f"part{i}.mp4" for i in range(PARTS)]
    for path, start, stop in zip(paths, edges, edges[1:], strict=False):
        with VideoWriter(path, video.info.fps, quality=12) as writer:
            for frame in video.frames(int(start), int(stop)):
                writer.write(frame.image)
    return paths, edges[:-1].tolist()


def measure(store_path: Path, videos: list[str], most: int, seed: int, out: Path) -> dict[str, float]:
    """Make the store, find seeds, write them; peak memory after each, and seconds."""
    start = time.perf_counter()
    words = [f"videos=[{','.join(videos)}]", "size=128", f"max_frames={most}"]
    command = [sys.executable, str(ROOT / "datasets/video_folder.py"), "--out", str(store_path), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    made = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    store = ClipStore.open(store_path)
    seeds = body_axis_seeds(store, NUM_KEYPOINTS, BodyAxisConfig(), seed, lambda text: None)
    assert seeds is not None, "the recording has masks"
    torch.save((seeds.xy, seeds.score), out)
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"store": made, "seeds": found, "seconds": time.perf_counter() - start, "frames": store.num_frames}


def errors(store: ClipStore, xy: torch.Tensor, score: torch.Tensor, starts: list[int]) -> dict[str, float]:
    """On-joint and regressed error over the clips that are parts of the recording."""
    stored = dict(np.load(shared_data() / "mouse_openfield" / "labels.npz", allow_pickle=False))
    frame = np.concatenate([store.frame_index(i) for i in range(len(store.clips))])
    clip = np.repeat(np.arange(len(store.clips)), [c.num_frames for c in store.clips])
    index = FrameIndex(torch.from_numpy(clip)[None], torch.from_numpy(frame.astype(np.int64))[None])
    tracks = Tracks(xy[None], score[None], torch.zeros(1, *xy.shape, 2), index)
    numbers = stored.get("frame_idx", np.arange(len(stored["xy"])))
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for i, start in enumerate(starts):  # the frames of a part are counted from its own start
            paths[i] = Path(folder) / f"{i}.npz"
            np.savez(paths[i], **(stored | {"frame_idx": numbers - start}))
        part = labels_of_run(store, tracks, paths)
    return keypoint_scores(xy[part.rows], part)


def in_fresh_process(**about) -> dict[str, float]:
    """`measure` of another process of this script."""
    command = [sys.executable, __file__, "--one", json.dumps(about)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def rows_for(folder: Path, lengths: list[int], seeds: int, most: int) -> list[Row]:
    """Memory for the four parts and a video of each length; errors of the parts, and of the recording alone."""
    source = shared_data() / "mouse_openfield" / "video.mp4"
    parts, starts = cut(source, folder)
    rows, peaks, name = [], [], "ours: body axis"
    for length in [0, *lengths]:  # 0: the recording in one piece
        videos = [source] if not length else [*parts, looped(source, folder / f"loop{length}.mp4", length)]
        what = f"mouse_openfield in {PARTS} videos and one of {length} frames" if length else "mouse_openfield alone"
        about, found, on_joint, regressed = f"{what}, {most} frames kept", [], [], []
        for seed in range(seeds):
            store, out = folder / f"store{length}_{seed}", folder / f"seeds{length}_{seed}.pt"
            names = [str(v) for v in videos]
            found.append(in_fresh_process(store_path=str(store), videos=names, most=most, seed=seed, out=str(out)))
            scores = errors(ClipStore.open(store), *torch.load(out, weights_only=True), starts if length else [0])
            on_joint.append(scores["error_body"])
            regressed.append(scores["regressed_body"])
        seconds = float(np.mean([f["seconds"] for f in found]))
        for metric, unit, values in (
            ("on-joint", "% body", on_joint),
            ("regressed", "% body", regressed),
            ("peak memory, store", "MiB", [f["store"] for f in found]),
            ("peak memory, seeds", "MiB", [f["seeds"] for f in found]),
        ):
            rows.append(Row("T11b", about, name, metric, unit, values, seconds=seconds, note=f"K={NUM_KEYPOINTS}"))
        peaks.append(max(max(f["store"], f["seeds"]) for f in found))
    ratio = peaks[-1] / peaks[-2]
    rows.append(
        Row("T11b", "mouse_openfield", name, f"peak memory, {lengths[-1]} over {lengths[-2]} frames", "x", [ratio])
    )
    return rows


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs=2, default=[2000, 20000])
    parser.add_argument("--one", type=json.loads, default=None, help="measure this and print JSON (used by itself)")
    given = parser.parse_args()
    if given.one is not None:
        about = given.one
        found = measure(Path(about["store_path"]), about["videos"], about["most"], about["seed"], Path(about["out"]))
        print(json.dumps(found))
        return
    most = yaml.safe_load((ROOT / "configs/animal_split.yaml").read_text())["data"]["max_frames"]
    with tempfile.TemporaryDirectory() as folder:
        publish(rows_for(Path(folder), given.lengths, 1 if given.quick else given.seeds, most), "long_videos")


if __name__ == "__main__":
    main()
