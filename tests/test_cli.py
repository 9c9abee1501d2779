"""The command line: help with examples at once, one message per mistake, and what a user sees."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from articulate import cli
from articulate.doctor import examine
from articulate.export import EXPORTERS, OPENS_IN
from articulate.video import VideoWriter
from articulate.waiting import allowed_threads, wait_asleep

COMMANDS = ("probe", "apply", "export", "report", "eval", "info", "status", "doctor")
RUNNER = CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    answer = RUNNER.invoke(cli.app, [command, "--help"])
    assert answer.exit_code == 0 and f"Example: articulate {command}" in answer.output


def test_importing_the_package_and_its_command_line_loads_no_heavy_library():
    code = "import sys, articulate.cli; print([m for m in ('torch', 'numpy', 'av', 'numba') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_threads_sleep_while_they_wait_and_their_number_can_be_said(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert allowed_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert allowed_threads() == len(os.sched_getaffinity(0))


def main(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["articulate", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("info", "nowhere"), 3, "nowhere: no such run folder or model file"),
        (("status", "nowhere"), 3, "nowhere: no such folder"),
        (("export", "nowhere"), 2, "--to names the formats"),
        (("export", "nowhere", "--to", "dlcc"), 2, "unknown format"),
        (("apply", "nowhere", "v.mp4", "--shard", "2/2"), 2, "expected i/n"),
        (("apply", "nowhere", "v.mp4", "--device", "cuda:77"), 2, "sees no such device"),
        (("apply", "nowhere", "v.mp4", "--device", "gpu"), 2, "device `gpu`: unknown"),
        (("apply", "nowhere", "v.mp4", "--threads", "0"), 2, "--threads 0"),
        (("probe", "nowhere.mp4"), 3, "no such file"),
        (("report", "nowhere"), 3, "no such run folder"),
        (("eval", "nowhere"), 3, "no such run folder"),
    ],
)
def test_a_mistake_is_one_message_and_its_exit_status(monkeypatch, capsys, words, code, message):
    status, out, err = main(monkeypatch, capsys, *words)
    assert status == code and message in err and "Traceback" not in err and err.count("\n") == 1


def test_probe_and_doctor_print_lines(monkeypatch, capsys, tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 25) as writer:
        from test_model_apply import picture

        for i in range(60):
            writer.write(picture(i))
    status, out, _ = main(monkeypatch, capsys, "probe", str(tmp_path / "v.mp4"))
    assert status == 0 and "60 frames, 96x64" in out and "suggested: data.size=" in out
    found = {line.what: line for line in examine(tmp_path)}
    assert found["writing"].level == "ok" and found["python"].level == "ok" and "h264" in found["video"].text
    absent = {line.what: line for line in examine(tmp_path / "absent")}
    assert absent["writing"].level == "problem"


def test_version_and_list_of_formats(monkeypatch, capsys):
    assert "articulate 0." in main(monkeypatch, capsys, "--version")[1]
    listed = main(monkeypatch, capsys, "export", "anywhere", "--to", "list")[1].split()
    assert {"dlc", "sleap", "bvh", "onnx", "model", "DeepLabCut"} <= set(listed)


def test_every_format_says_what_it_is():
    assert [*EXPORTERS, "model", "onnx"] == list(OPENS_IN)
