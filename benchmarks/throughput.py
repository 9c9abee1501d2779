"""T11: from a video file to files of tracks with a trained model: frames a second, time per step, memory by length.

    python benchmarks/throughput.py [--quick] [--config configs/animal_split.yaml] [--width W] [--threads 2]

Detector, picture size and lifter are those of the configuration; their weights are untrained, which changes no time.
The video is the shipped mouse recording looped to the length asked for. What is measured is `apply_model`: opening the
video, all steps, and writing the default formats; importing the program is a row of its own.

Wall time depends on what else the machine does. CPU time, over all threads, says what the program needs: 2 / CPU time
is the rate of two idle cores if both are always busy. The careful estimate beside it is that of a pipeline: one thread
makes frames and others run the network, which share the cores evenly as long as frames are not the slower part; what
comes before and after runs alone.
Memory is the high-water mark of a fresh process per length.
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
import yaml
from scoreboard import Row, publish
from stopwatch import Stopwatch

import articulate.apply
import articulate.data.foreground.model
import articulate.inference.frames
import articulate.inference.network
import articulate.inference.predict
import articulate.video
from articulate.apply import Folder, apply_model
from articulate.data.foreground.model import ForegroundModel
from articulate.inference.frames import FrameStream
from articulate.inference.network import FrameDetector, FusedHourglass
from articulate.inference.settings import VideoSettings
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.lifting.registry import build_lifter, default_config
from articulate.model import Model
from articulate.records import Skeleton
from articulate.video import Video

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("ARTICULATE_SHARED_DATA", ROOT / ".." / "shared" / "data"))
MOUSE = SHARED / "mouse_openfield" / "video.mp4"

LOOK, LIFT, WRITE = "background and size of the subject, once", "3D lift", "writing files"
FRAMES = (
    "decoding",
    "colours",
    "resampling",
    "difference to the scene",
    "parts of the mask",
    "following, batches",
)
NETWORK = ("painting and reducing", "network", "reading heatmaps")


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


def untrained(config: dict, width: float | None = None) -> Model:
    """A model of the sizes of a configuration, with a chain of limbs and a lifter of the default kind."""
    torch.manual_seed(0)
    keypoints = config["keypoints"]
    count, detector = keypoints["num_keypoints"], dict(keypoints.get("detector", {}))
    if width is not None:
        detector["width"] = width
    edges = torch.tensor([[k, k + 1] for k in range(count - 1)])
    lifter_config = default_config("views")
    lifter = build_lifter(count, lifter_config, torch.Generator().manual_seed(0))
    lifter.calibrate(torch.rand(32, count, 2))
    return Model(
        KeypointDetector(KeypointDetectorConfig(num_keypoints=count, **detector)).eval(),
        Skeleton(edges, torch.eye(count), torch.zeros(count, count)),
        VideoSettings(size=config["data"]["size"], shrink=keypoints.get("shrink", 1)),
        lifter=lifter.eval(),
        lifter_config=lifter_config,
    )


def measure(model: Model, path: Path, out: Path) -> dict[str, float]:
    """Wall and CPU seconds from the file to its results, and the memory of this process at its highest."""
    started, frames = time.process_time(), Video(path).info.num_frames
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = apply_model(model, [str(path)], out)
    assert outcome.done, outcome.failed
    return {
        "frames": frames,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "start": started,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def steps(model: Model, path: Path, out: Path) -> dict[str, float]:
    """CPU milliseconds of each step for a whole video on one thread, compiled code being loaded already."""
    apply_model(model, [str(path)], out / "warm")
    watch = Stopwatch()
    frames = articulate.inference.frames
    functions = [
        (articulate.video, "upright", "colours"),
        (frames, "take", "resampling"),
        (articulate.data.foreground.model, "take", "resampling"),
        (ForegroundModel, "difference", "difference to the scene"),
        (frames, "subject", "parts of the mask"),
        (articulate.data.foreground.model, "subject", "parts of the mask"),
        (frames, "extent", "parts of the mask"),
        (FrameDetector, "inputs", "painting and reducing"),
        (FusedHourglass, "__call__", "network"),
        (FrameDetector, "__call__", "reading heatmaps"),
        (articulate.inference.predict, "assemble", LIFT),
        (Folder, "complete", WRITE),
    ]
    iterators = [(Video, "frames", "decoding"), (FrameStream, "batches", "following, batches")]
    opaque = [(articulate.inference.predict, "look_at", LOOK)]
    with watch.watch(functions, iterators, opaque):
        apply_model(model, [str(path)], out / "measured")
    return {name: 1000 * seconds for name, seconds in watch.seconds.items()}


def in_fresh_process(arguments: list[str]) -> dict[str, float]:
    """The measurement of another process of this script."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="500 and 2,000 frames instead of 2,000 and 20,000")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "animal_split.yaml")
    parser.add_argument("--width", type=float, default=None, help="width of the detector, instead of the config's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lengths", type=int, nargs=2, default=None)
    parser.add_argument("--one", type=Path, default=None, help="measure this file and print JSON (used by itself)")
    return parser.parse_args()


def step_rows(found: dict[str, float], frames: int, about: str, name: str) -> list[Row]:
    """Time per step, and the rate of a pipeline of two threads."""
    ordered = [*FRAMES, *NETWORK, LIFT, WRITE, Stopwatch.REST]
    rows = [Row("T11", about, name, f"CPU time: {s}", "ms/frame", [found[s] / frames]) for s in ordered]
    making, running = sum(found[s] for s in FRAMES), sum(found[s] for s in NETWORK)
    alone = sum(found[s] for s in (LOOK, LIFT, WRITE, Stopwatch.REST))
    rows.append(Row("T11", about, name, f"CPU time: {LOOK}", "ms", [found[LOOK]]))
    rate = 1000 * frames / (max(making, (making + running) / 2) + alone)
    note = f"thread of frames {making / frames:.2f}, of the network {running / frames:.2f}, alone {alone:.0f} ms in all"
    rows.append(Row("T11", about, name, "rate of 2 idle cores as a pipeline", "frames/s", [rate], note=note))
    return rows


def main() -> None:
    """Measure and publish."""
    given = options()
    torch.set_num_threads(given.threads)
    config = yaml.safe_load(given.config.read_text())
    model = untrained(config, given.width)
    if given.one is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(model, given.one, Path(folder))))
        return
    if not MOUSE.is_file():
        sys.exit(f"{MOUSE}: no such file; set ARTICULATE_SHARED_DATA to the folder of shared data")
    lengths = given.lengths or ([500, 2000] if given.quick else [2000, 20000])
    about = f"mouse_openfield looped, {model.settings.size} px, K {model.num_keypoints}"
    name = f"{given.config.stem}: width {model.detector.config.width:g}, shrink {model.settings.shrink}"
    words = [f"--config={given.config}", f"--threads={given.threads}"]
    words += [] if given.width is None else [f"--width={given.width}"]
    rows, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        for length in lengths:
            path = looped(MOUSE, Path(folder) / f"{length}.mp4", length)
            load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            last = in_fresh_process([*words, f"--one={path}"])
            found.append(last)
            data = f"{about}, {length} frames"
            rate, cpu = last["frames"] / last["wall"], 1000 * last["cpu"] / last["frames"]
            rows.append(Row("T11", data, name, "rate, wall clock", "frames/s", [rate], note=load))
            rows.append(Row("T11", data, name, "CPU time", "ms/frame", [cpu]))
            rows.append(Row("T11", data, name, "rate of 2 idle cores", "frames/s", [2000 / cpu], note="2 / CPU time"))
            rows.append(Row("T11", data, name, "peak memory", "MiB", [last["peak"]]))
        ratio = found[1]["peak"] / found[0]["peak"]
        rows.append(Row("T11", about, name, f"peak memory, {lengths[1]} over {lengths[0]} frames", "x", [ratio]))
        rows.append(Row("T11", about, name, "CPU time: start of the program, once", "ms", [1000 * found[0]["start"]]))
        torch.set_num_threads(1)
        each = steps(model, Path(folder) / f"{lengths[0]}.mp4", Path(folder))
        rows += step_rows(each, lengths[0], f"{about}, {lengths[0]} frames", name)
        torch.set_num_threads(given.threads)
    suffix = "" if given.config.stem == "animal_split" and given.width is None else f"_{given.config.stem}"
    publish(rows, "throughput" + suffix + (f"_{given.width:g}" if given.width is not None else ""))


if __name__ == "__main__":
    main()
