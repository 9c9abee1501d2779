"""T11: from a video file to tracks with a trained model: frames a second, where the time goes, memory against length.

    python benchmarks/throughput.py [--quick] [--width 0.5] [--keypoints 16] [--threads 2]

The video is the shipped mouse recording looped to the length asked for (without the shared data: a generated one). The
detector's weights are untrained, which changes no time. Wall time depends on what else the machine does; CPU time per
frame, over all threads, says what this program needs, and cores / CPU time is the rate on an idle machine. Memory is
the high-water mark of a fresh process per length.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import torch
from scoreboard import Row, publish

from articulate.data.sources import open_source
from articulate.inference.frames import FrameStream, look_at
from articulate.inference.network import FrameDetector
from articulate.inference.predict import BATCH, Rows, predict_video
from articulate.inference.settings import VideoSettings
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.model import Model
from articulate.records import Skeleton
from articulate.video import Video

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ARTICULATE_SHARED_DATA", ROOT / ".." / "shared" / "data"))
MOUSE = SHARED / "mouse_openfield" / "video.mp4"
SIZE = 128


def looped(source: Path, target: Path, num_frames: int) -> Path:
    """The packets of `source` again and again up to `num_frames` frames, without encoding anything."""
    with av.open(str(target), "w") as out:
        stream = None
        written, shift = 0, 0
        while written < num_frames:
            with av.open(str(source)) as container:
                own = container.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(own)
                last = 0
                for packet in container.demux(own):
                    if packet.dts is None or written == num_frames:
                        continue
                    last = max(last, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)
                    written += 1
                shift += last
    return target


def untrained(width: float, num_keypoints: int, shrink: int) -> Model:
    """A model of this size."""
    torch.manual_seed(0)
    config = KeypointDetectorConfig(num_keypoints=num_keypoints, width=width)
    edges = torch.tensor([[k, k + 1] for k in range(num_keypoints - 1)])
    skeleton = Skeleton(edges, torch.eye(num_keypoints), torch.zeros(num_keypoints, num_keypoints))
    settings = VideoSettings(size=SIZE, shrink=shrink)
    return Model(KeypointDetector(config).eval(), skeleton, settings)


def measure(model: Model, path: Path) -> dict[str, float]:
    """Wall and CPU seconds of one prediction, its frames, and the memory of this process at its highest."""
    frames = Video(path).info.num_frames
    wall, cpu = time.perf_counter(), time.process_time()
    predict_video(model, path)
    return {
        "frames": frames,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def parts(model: Model, path: Path, frames: int) -> dict[str, float]:
    """CPU milliseconds per frame of decoding, of decoding and preparing, and of detecting, one after the other."""
    source = open_source(path)
    clock = time.thread_time()
    count = sum(1 for _ in source.frames(0, frames))
    decoding = (time.thread_time() - clock) / count
    clock = time.thread_time()
    view = look_at(source, model.settings)
    looking = time.thread_time() - clock
    rows = Rows(source.info.num_frames, model.num_keypoints)
    stream = FrameStream(source, model.settings, BATCH, rows.arrays["centres"], view)
    detector = FrameDetector(model.detector, model.settings)
    preparing = detecting = 0.0
    batches, done = stream.batches(), 0
    while done < frames:
        clock = time.thread_time()
        batch = next(batches)
        preparing += time.thread_time() - clock
        clock = time.thread_time()
        detector(batch.images, batch.masks)
        detecting += time.thread_time() - clock
        done += len(batch.images)
    return {
        "decoding": 1000 * decoding,
        "tracking, cropping, masking": 1000 * (preparing / done - decoding),
        "detecting": 1000 * detecting / done,
        "looking at the video, once": 1000 * looking,
    }


def in_fresh_process(arguments: list[str]) -> dict[str, float]:
    """The measurement of another process of this script."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="500 and 1,500 frames instead of 2,000 and 20,000")
    parser.add_argument("--width", type=float, default=0.5, help="width of the detector")
    parser.add_argument("--keypoints", type=int, default=16)
    parser.add_argument("--shrink", type=int, default=1, help="factor by which frames are reduced for the detector")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lengths", type=int, nargs=2, default=None)
    parser.add_argument("--one", type=Path, default=None, help="measure this file and print JSON (used by itself)")
    return parser.parse_args()


def main() -> None:
    """Measure and publish."""
    given = options()
    torch.set_num_threads(given.threads)
    model = untrained(given.width, given.keypoints, given.shrink)
    if given.one is not None:
        print(json.dumps(measure(model, given.one)))
        return
    if not MOUSE.is_file():
        sys.exit(f"{MOUSE}: no such file; set ARTICULATE_SHARED_DATA to the folder of shared data")
    lengths = given.lengths or ([500, 1500] if given.quick else [2000, 20000])
    about = f"mouse_openfield looped, 256x192 -> {SIZE} px, K {given.keypoints}"
    name = f"width {given.width:g}" + (f", shrink {given.shrink}" if given.shrink > 1 else "")
    words = [f"--width={given.width}", f"--keypoints={given.keypoints}", f"--shrink={given.shrink}"]
    words.append(f"--threads={given.threads}")
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for length in lengths:
            path = looped(MOUSE, Path(folder) / f"{length}.mp4", length)
            found.append(in_fresh_process([*words, f"--one={path}"]))
            last = found[-1]
            data = f"{about}, {length} frames"
            rate, cpu = last["frames"] / last["wall"], 1000 * last["cpu"] / last["frames"]
            rows.append(Row("T11", data, name, "rate, wall clock", "frames/s", [rate], note=load))
            rows.append(Row("T11", data, name, "CPU time", "ms/frame", [cpu]))
            rows.append(Row("T11", data, name, "rate of 2 idle cores", "frames/s", [2000 / cpu], note="2 / CPU time"))
            rows.append(Row("T11", data, name, "peak memory", "MiB", [last["peak"]]))
        ratio = found[1]["peak"] / found[0]["peak"]
        rows.append(Row("T11", about, name, f"peak memory, {lengths[1]} over {lengths[0]} frames", "x", [ratio]))
        torch.set_num_threads(1)
        for part, value in parts(model, Path(folder) / f"{lengths[0]}.mp4", 480).items():
            rows.append(Row("T11", about, name, f"CPU time: {part}", "ms" + "/frame" * ("once" not in part), [value]))
    publish(rows, "throughput" + ("_shrink" if given.shrink > 1 else ""))


if __name__ == "__main__":
    main()
