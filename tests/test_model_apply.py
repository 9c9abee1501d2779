"""A trained model as one file, on one video and on many: round trips, resuming, shards, failures, the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import articulate
from articulate.apply import Shard, apply_model, names_of
from articulate.data.foreground.crop import following
from articulate.errors import ConfigError, DataError
from articulate.inference.following import BEHIND, smoothed_centre
from articulate.inference.network import FrameDetector, FusedHourglass
from articulate.inference.predict import predict_video
from articulate.inference.settings import VideoSettings, video_settings
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.lifting.articulation import articulation_from_motion
from articulate.lifting.registry import build_lifter, default_config
from articulate.model import Model
from articulate.records import Skeleton
from articulate.video import VideoWriter

KEYPOINTS, SIZE = 5, 32
EDGES = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])


def picture(step: int) -> np.ndarray:
    """A dark disc with an arm, wandering over a bright floor."""
    y, x = np.mgrid[:64, :96]
    cx, cy = 48 + 30 * np.cos(step / 15), 32 + 18 * np.sin(step / 11)
    image = np.full((64, 96), 200.0)
    image[(x - cx) ** 2 + (y - cy) ** 2 < 60] = 40
    image[(np.abs(y - cy) < 2) & (x > cx) & (x < cx + 14)] = 60
    return np.repeat(image.astype(np.uint8)[..., None], 3, axis=2)


def video(path: Path, frames: int, first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 25) as writer:
        for i in range(frames):
            writer.write(picture(first + i))
    return path


@pytest.fixture(scope="module")
def model() -> Model:
    """An untrained model: everything here is about files, frames and numbers, not about their meaning."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = KeypointDetector(KeypointDetectorConfig(num_keypoints=KEYPOINTS, width=0.25))
        for layer in detector.hourglass.children():
            layer.weight.data *= 3  # sharp enough peaks to differ between frames
    config = default_config("views")
    lifter = build_lifter(KEYPOINTS, config, torch.Generator().manual_seed(1)).eval()
    lifter.calibrate(torch.rand(20, KEYPOINTS, 2, generator=torch.Generator().manual_seed(2)))
    connection = torch.zeros(KEYPOINTS, KEYPOINTS)
    connection[EDGES[:, 0], EDGES[:, 1]] = connection[EDGES[:, 1], EDGES[:, 0]] = 1
    joints = torch.rand(30, KEYPOINTS, 3, generator=torch.Generator().manual_seed(3))
    return Model(
        detector=detector.eval(),
        skeleton=Skeleton(EDGES, connection, torch.rand(KEYPOINTS, KEYPOINTS)),
        settings=VideoSettings(size=SIZE),
        lifter=lifter,
        lifter_config=config,
        articulation=articulation_from_motion(joints, EDGES, tuple(f"keypoint_{k:02d}" for k in range(KEYPOINTS))),
        provenance={"seed": 0, "versions": {"articulate": articulate.__version__}},
    )


def same(a, b) -> bool:
    return all(
        torch.equal(torch.nan_to_num(x), torch.nan_to_num(y))
        for x, y in ((a.xy, b.xy), (a.confidence, b.confidence), (a.xyz, b.xyz))
    )


def test_model_file_round_trip_and_damage(model, tmp_path):
    file, card = model.save(tmp_path / "m")
    again = articulate.load(file)
    assert again.fingerprint == model.fingerprint and again.settings == model.settings and again.names == model.names
    source = video(tmp_path / "v.mp4", 40)
    assert same(model.predict(source), again.predict(source))
    assert model.fingerprint in card.read_text()
    first = file.read_bytes()
    model.save(tmp_path / "m")
    assert file.read_bytes() == first  # the same model is the same file
    file.write_bytes(first[:1000])
    with pytest.raises(DataError, match="damaged"):
        Model.load(file)
    with pytest.raises(DataError, match="no such run"):
        Model.load(tmp_path / "nothing")


def test_settings_come_from_the_recipe_of_the_training():
    data = {"recipe": "video_folder", "videos": ["a"], "crop": "none", "foreground": "dark", "greyscale": True}
    settings = video_settings(data, {"foreground": True, "shrink": 2}, 96)
    assert (settings.crop, settings.foreground, settings.greyscale) == ("none", "dark", True)
    assert (settings.size, settings.shrink) == (96, 2)
    assert video_settings({"recipe": "synthetic", "size": 64}, {"foreground": False}, 64).paint is False


def test_fused_network_gives_the_numbers_of_the_module(model):
    if not FusedHourglass.available(torch.device("cpu")):
        pytest.skip("this PyTorch has no fused convolution")
    images = torch.rand(3, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    for skip in ("full", "half"):
        detector = KeypointDetector(KeypointDetectorConfig(num_keypoints=KEYPOINTS, width=0.25, skip=skip))
        with torch.no_grad():
            torch.testing.assert_close(
                FusedHourglass(detector.hourglass)(images), detector.hourglass(images), atol=1e-6, rtol=1e-5
            )
    frames = (images.permute(0, 2, 3, 1) * 255).to(torch.uint8).numpy()
    masks = np.full(frames.shape[:3], 255, np.uint8)
    found = FrameDetector(model.detector, model.settings)(frames, masks)
    plain = model.detector(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(found.xy, plain.xy.detach(), atol=1e-4, rtol=1e-4)


def test_inputs_are_painted_and_reduced_as_in_training(model):
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    masks = generator.integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8)
    share = masks[..., None].astype(np.float32) / np.float32(255)
    plain = frames.astype(np.float32) / np.float32(255) * share + np.float32(0.5) * (1 - share)
    for shrink in (1, 2, 4):
        wanted = torch.nn.functional.avg_pool2d(torch.from_numpy(plain).permute(0, 3, 1, 2), shrink)
        detector = FrameDetector(model.detector, VideoSettings(size=SIZE, shrink=shrink))
        assert torch.equal(detector.inputs(frames, masks), wanted)


def test_threads_and_batches_ahead_change_no_bit(model, tmp_path):
    source = video(tmp_path / "v.mp4", 150)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            results.append(predict_video(model, source))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_streaming_centres_equal_those_of_the_training_crop():
    generator = np.random.default_rng(0)
    centres = 200 + np.cumsum(generator.normal(0, 2, (90, 2)), axis=0)
    centres[[20, 21, 50]] = np.nan
    boxes = following(centres, np.full(90, 20.0), [slice(0, 90)], 400, 400)
    for place in range(90):
        centre = smoothed_centre(centres, place, min(90, place + BEHIND + 1), np.zeros(2))
        corner = np.array([boxes[place].x0, boxes[place].y0])
        assert np.abs(centre - boxes[place].side / 2 + 0.5 - corner).max() <= 0.51
    unseen = np.full((90, 2), np.nan)
    assert (smoothed_centre(unseen, 40, 57, np.array([7.0, 8.0])) == [7, 8]).all()


def test_lost_frames_are_nan_rows_at_their_numbers(model, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    from PIL import Image

    for i in range(50):
        Image.fromarray(picture(i)).save(folder / f"{i}.png")
    (folder / "23.png").write_bytes(b"no picture")
    result = model.predict(folder)
    lost = (~result.xy.isfinite().all(-1).all(-1)).nonzero().flatten().tolist()
    assert lost == [23] and (result.confidence[23] == 0).all() and result.xyz[23].isnan().all()
    assert result.frame.tolist() == list(range(50)) and result.xyz[22].isfinite().all()


def test_an_interrupted_video_goes_on_bit_for_bit(model, tmp_path):
    source = video(tmp_path / "v.mp4", 200)
    whole = predict_video(model, source)
    seen: list[int] = []

    class End(Exception):
        pass

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done >= 128 and len(seen) < 5:
            raise End

    with pytest.raises(End):
        predict_video(model, source, tmp_path / "work", keep_every=64, report=stop)
    again: list[int] = []
    rest = predict_video(model, source, tmp_path / "work", keep_every=64, report=lambda d, t: again.append(d))
    assert again[0] == 160 and same(whole, rest)  # 128 frames were kept


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for i in range(3):
        video(folder / f"v{i}.mp4", 60, 50 * i)
    (folder / "v3.mp4").write_text("no video")
    return folder


def test_shards_give_the_files_of_one_process(model, videos, tmp_path):
    one = apply_model(model, [str(videos)], tmp_path / "one")
    assert one.done == ["v0", "v1", "v2"] and list(one.failed) == ["v3"]
    for number in (1, 0):
        apply_model(model, [str(videos)], tmp_path / "two", shard=Shard(number, 2))
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert first == second and len(first) > 10
    manifest = json.loads(first["manifest.json"])
    assert [v["status"] for v in manifest["videos"]] == ["done"] * 3 + ["failed"]
    assert manifest["videos"][0]["frames"] == 60 and "v0/tracks_dlc.csv" in manifest["videos"][0]["files"]
    # Once more: nothing is repeated but the failed video.
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "one").rglob("*.npz")}
    again = apply_model(model, [str(videos)], tmp_path / "one")
    assert again.reused == ["v0", "v1", "v2"] and not again.done
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_names_shards_and_formats():
    paths = [Path("a/x.mp4"), Path("b/x.mp4"), Path("b/y.mp4")]
    assert names_of(paths) == ["a_x", "b_x", "y"]
    assert Shard.parse("1/3").part(list(range(7))) == [1, 4]
    for wrong in ("2/2", "1", "a/b", "-1/2"):
        with pytest.raises(ConfigError, match="--shard"):
            Shard.parse(wrong)


def test_a_changed_video_or_model_is_done_again(model, videos, tmp_path):
    source = video(tmp_path / "v.mp4", 40)
    assert apply_model(model, [str(source)], tmp_path / "out", ["tracks"]).done == ["v"]
    video(source, 45)
    assert apply_model(model, [str(source)], tmp_path / "out", ["tracks"]).done == ["v"]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["videos"][0]["frames"] == 45
    with pytest.raises(ConfigError, match="unknown format"):
        apply_model(model, [str(source)], tmp_path / "out", ["dlcc"])


def test_two_processes_at_once_share_one_folder(model, tmp_path):
    file = model.save(tmp_path / "m")[0]
    for i in range(3):
        video(tmp_path / f"in/v{i}.mp4", 40, 30 * i)
    command = [sys.executable, "-m", "articulate.cli", "apply", str(file), str(tmp_path / "in"), "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(articulate.__file__).parents[1])}
    both = [
        subprocess.Popen([*command, "--out", str(tmp_path / "two"), "--shard", f"{i}/2"], env=environment)
        for i in range(2)
    ]
    assert [process.wait(timeout=200) for process in both] == [0, 0]
    apply_model(model, [str(tmp_path / "in")], tmp_path / "one")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_killed_midway_loses_and_repeats_nothing(model, tmp_path):
    file = model.save(tmp_path / "m")[0]
    video(tmp_path / "in/a.mp4", 40)
    video(tmp_path / "in/b.mp4", 1000)
    command = [sys.executable, "-m", "articulate.cli", "apply", str(file), str(tmp_path / "in"), "--threads", "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(articulate.__file__).parents[1])}
    out = tmp_path / "killed"
    process = subprocess.Popen([*command, "--out", str(out)], env=environment, stdout=subprocess.DEVNULL)
    state = out / ".b.work" / "progress.json"
    deadline = time.monotonic() + 120
    while not (state.is_file() and json.loads(state.read_text())["done"] > 0) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = json.loads(state.read_text())["done"]
    assert 0 < kept < 1000 and (out / "a" / "video.json").is_file() and not (out / "b").exists()
    starts: dict[str, int] = {}
    again = apply_model(model, [str(tmp_path / "in")], out, progress=lambda n, d, t: starts.setdefault(n, d) and None)
    assert again.reused == ["a"] and again.done == ["b"] and starts == {"b": kept + 32}
    apply_model(model, [str(tmp_path / "in")], tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
