"""The command a user types: every shipped configuration, clear words for bad input, resuming after SIGKILL."""

import errno
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import articulate
from articulate.records import Motion, Skeleton, Tracks
from articulate.runs import RunFolder
from articulate.video import VideoWriter
from run_pipeline import main, parse
from stages import STAGES, pipeline
from stages.pipeline import load

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SMOKE = [path for path in CONFIGS if path.stem.endswith("_smoke")]
RESULTS = {"skeleton.json", "connections.csv", "connections.npy", "skeleton.graphml", "tracks.npz", "overlay.mp4",
           "metrics.json", "report.html"}  # fmt: skip


def blob_video(path: Path, num_frames: int = 30, size: int = 64) -> Path:
    """A dark two-armed thing that turns and walks over a bright floor."""
    y, x = np.mgrid[:size, :size]
    with VideoWriter(path, 25) as writer:
        for t in range(num_frames):
            cx, cy = size / 2 + 12 * np.cos(t / 8), size / 2 + 10 * np.sin(t / 8)
            along = (x - cx) * np.cos(t / 8) + (y - cy) * np.sin(t / 8)
            across = -(x - cx) * np.sin(t / 8) + (y - cy) * np.cos(t / 8)
            body = (along / 11) ** 2 + (across / 4) ** 2 < 1
            arm = (np.abs(along - 4) < 2) & (np.abs(across) < 9)
            frame = np.full((size, size, 3), 210, np.uint8)
            frame[body | arm] = (40, 50, 60)
            writer.write(frame)
    return path


def folders(tmp_path: Path) -> list[str]:
    """Overrides that keep a run inside the test's folder."""
    return [f"runs={tmp_path / 'runs'}", f"stores={tmp_path / 'stores'}"]


def command(config: str, tmp_path: Path, *more: str) -> list[str]:
    """The arguments of run_pipeline.py."""
    return [str(ROOT / "configs" / f"{config}.yaml"), *folders(tmp_path), *more, "--device", "cpu", "--threads", "1"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_loads(path: Path) -> None:
    config, sections = load(path, ["data.videos=[clip.mp4]"] if "animal" in path.stem else [])
    assert config.name == path.stem
    assert set(sections) == {name for name in STAGES if any(name in group.stages for group in config.schedule)}


def test_options_may_stand_between_configuration_and_overrides() -> None:
    options = parse(["configs/h36m_split.yaml", "--device", "cpu", "seed=1", "--fresh", "data.size=96"])
    assert (options.device, options.fresh, options.overrides) == ("cpu", True, ["seed=1", "data.size=96"])


@pytest.mark.parametrize("path", SMOKE, ids=lambda p: p.stem)
def test_every_smoke_configuration_runs_and_is_then_found_done(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [f"data.videos=[{blob_video(tmp_path / 'blob.mp4')}]"] if "animal" in path.stem else []
    assert main(command(path.stem, tmp_path, *more)) == 0
    first = capsys.readouterr().out
    results = tmp_path / "runs" / path.stem / "results"
    assert {file.name for file in results.iterdir()} >= RESULTS
    if "h36m" in path.stem:
        assert first.startswith("STAND-IN DATA")
        assert "STAND-IN" in (results / "report.html").read_text()
        assert "STAND-IN" in (results / "skeleton.json").read_text()
    assert main(command(path.stem, tmp_path, *more)) == 0
    assert "already done" in capsys.readouterr().out


def test_several_videos_train_one_model(tmp_path: Path) -> None:
    films = [blob_video(tmp_path / f"{name}.mp4") for name in ("one", "two")]
    assert main(command("animal_split_smoke", tmp_path, f"data.videos=[{films[0]},{films[1]}]")) == 0
    run = tmp_path / "runs" / "animal_split_smoke"
    files = {file.name for file in (run / "results").iterdir()}
    assert {"tracks_dlc.one.csv", "tracks_dlc.two.csv"} <= files
    model = articulate.load(run)
    results = [model.predict(film) for film in films]
    assert results[0].xy.shape == results[1].xy.shape and (results[0].skeleton.edges == results[1].skeleton.edges).all()


def test_results_are_never_overwritten_and_earlier_groups_are_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("stickman2d_split_smoke", tmp_path)) == 0
    capsys.readouterr()
    assert main(command("stickman2d_split_smoke", tmp_path, "export.report=false")) == 0
    said = capsys.readouterr().out
    assert "stickman2d_split_smoke-2" in said and "already done" in said
    assert main([*command("stickman2d_split_smoke", tmp_path), "--fresh"]) == 0
    assert (tmp_path / "runs" / "stickman2d_split_smoke-3" / "results" / "report.html").is_file()


def test_a_run_that_differs_in_later_losses_takes_the_first_guesses_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("h36m_split_smoke", tmp_path)) == 0
    capsys.readouterr()
    assert main(command("h36m_split_smoke", tmp_path, "losses.lift_bones.weight=2.0")) == 0
    said = capsys.readouterr().out
    for number in (1, 2, 3):
        assert re.search(rf"stage {number} of 5.*already done", said)
    assert not re.search("stage 4 of 5.*already done", said)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("keypoint.num_keypoints=7", ["unknown key `keypoint`", "`keypoints`"]),
        ("keypoints.num_keypoint=7", ["unknown key `num_keypoint`", "did you mean `num_keypoints`"]),
        ("schedule.0.stepz=7", ["unknown key `schedule.0.stepz`", "did you mean `steps`"]),
        ("schedule.0.stages=[keypoint]", ["unknown stage `keypoint`", "did you mean `keypoints`"]),
        ("data.sise=64", ["unknown key `sise`", "did you mean `size`"]),
        ("data.recipe=syntetic", ["unknown recipe `syntetic`", "did you mean `synthetic`"]),
        ("keypoints.num_keypoints=1e1", ["YAML reads 1e1 as text"]),
        ("losses.skech.weight=1.0", ["no scheduled stage computes `skech`", "did you mean `sketch`"]),
        ("keypoints.num_keypoints=1000", ["num_keypoints", "less than or equal to 64", "1000"]),
        ("seed", ["expected key=value"]),
        ("device=gpu", ["device", "gpu"]),
    ],
)
def test_a_mistake_in_the_configuration_is_named(
    override: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command("stickman2d_split_smoke", tmp_path, override)
    assert main(arguments[:-4] + arguments[-2:] if override.startswith("device") else arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for word in words:
        assert word in said


def test_a_missing_configuration_suggests_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT / "configs" / "h36m_splt.yaml")]) == 2
    assert "did you mean" in capsys.readouterr().err


def bad_videos(folder: Path) -> dict[str, Path]:
    """One file per way in which a video can be wrong."""
    whole = blob_video(folder / "whole.mp4")
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    blob_video(folder / "three.mp4", 3)
    return {name: folder / f"{name}.mp4" for name in ("absent", "zero", "text", "cut", "three")}


@pytest.mark.parametrize("name", ["absent", "zero", "text", "cut", "three"])
def test_a_bad_video_is_one_clear_message(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bad_videos(tmp_path)[name]
    status = main(command("animal_split_smoke", tmp_path, f"data.videos=[{path}]"))
    said = capsys.readouterr().err
    assert status in (2, 3)
    assert path.name in said or (name == "three" and "3 frames" in said)
    assert "Traceback" not in said


def test_no_video_given_names_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("animal_split_smoke", tmp_path)) == 2
    assert "videos" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (["data.videos=a.mp4"], 2, "'videos=[a.mp4]'"),
        (["data={recipe: synthetic, family: cow}"], 2, "data: family 'cow' is unknown, allowed are"),
        (["--device", "gpu"], 2, "device `gpu`: unknown; use cpu"),
        (["--threads", "0"], 2, "--threads 0: one thread is the least"),
    ],
)
def test_a_mistake_is_one_line_that_says_how_to_mend_it(
    given: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command("animal_split_smoke", tmp_path), *given]) == status
    said = capsys.readouterr().err.strip()
    assert message in said and said.count("\n") == 0 and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert main(command("stickman2d_split_smoke", tmp_path, f"runs={taken / 'runs'}")) == 5
    said = capsys.readouterr().err
    assert str(taken / "runs") in said and "can write" in said and "Traceback" not in said


def test_stand_in_null_makes_absence_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command("h36m_split_smoke", tmp_path, "data.stand_in=null")) == 3
    assert "Human3.6M" in capsys.readouterr().err


def test_a_full_disk_is_said_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command("stickman2d_split_smoke", tmp_path)) == 0
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert main(command("stickman2d_split_smoke", tmp_path, "seed=1")) == 5
    assert "Disk full" in capsys.readouterr().err
    assert all(p.read_bytes() == content for p, content in before.items())


def test_a_loss_that_is_not_finite_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = STAGES["sketch"].training_step

    def broken(self, state, moment):  # type: ignore[no-untyped-def]
        losses = original(self, state, moment)
        return {**losses, "sketch": losses["sketch"] * (torch.nan if moment.step == 2 else 1)}

    monkeypatch.setattr(STAGES["sketch"], "training_step", broken)
    assert main(command("stickman2d_split_smoke", tmp_path)) == 4
    said = capsys.readouterr().err
    assert "`sketch`" in said and "step 2" in said and "Traceback" not in said


def records(folder: Path) -> dict[str, np.ndarray]:
    """Everything numeric that a run found."""
    found = {}
    for kind in (Tracks, Skeleton, Motion):
        path = RunFolder(folder).records / f"{kind.__name__.lower()}.npz"
        found |= {f"{kind.__name__}.{name}": a for name, a in kind.load(path).arrays().items() if a.dtype.kind != "U"}
    return found


def test_killed_at_random_moments_it_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    more = ["schedule.1.steps=40", "schedule.3.steps=40"]
    assert main(command("h36m_split_smoke", tmp_path / "whole", *more)) == 0
    moments = random.Random(0)
    arguments = [sys.executable, "run_pipeline.py", *command("h36m_split_smoke", tmp_path / "killed", *more)]
    environment = {**os.environ, "ARTICULATE_CHECKPOINT_SECONDS": "0.2"}
    run = tmp_path / "killed" / "runs" / "h36m_split_smoke"
    for _ in range(5):
        process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while process.poll() is None and not run.exists() and time.monotonic() - began < 60:
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(arguments, env=environment, capture_output=True, timeout=250).returncode == 0
    whole, killed = records(tmp_path / "whole" / "runs" / "h36m_split_smoke"), records(run)
    assert whole.keys() == killed.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, killed[name], err_msg=name)


def test_the_resolved_configuration_is_kept(tmp_path: Path) -> None:
    folder = RunFolder.choose(tmp_path, "run", {"config": {"seed": 1}})
    assert yaml.safe_load((folder.path / "config.yaml").read_text()) == {"config": {"seed": 1}}
    assert RunFolder.choose(tmp_path, "run", {"config": {"seed": 1}}).path == folder.path
    assert RunFolder.choose(tmp_path, "run", {"config": {"seed": 2}}).path.name == "run-2"
    assert pipeline.MINIMUM_FRAMES > 3
