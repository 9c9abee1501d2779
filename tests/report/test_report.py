"""The report: complete without network, honest about what is off, and alive in a real browser."""

import dataclasses
import html
import json
import re
import shutil
import subprocess

import pytest
import torch

from articulate.data.store import ClipStore
from articulate.evaluation.protocol import evaluate_run
from articulate.export.writing import write_json
from articulate.report import advice, charts, write_report

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def run(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    metrics = evaluate_run(ClipStore.open(result.store), result.tracks, result.skeleton, result.motion)
    write_json(folder / "results" / "metrics.json", metrics)
    lines = [{"group": 0, "step": s, "total": 2.0 / (s + 1)} for s in range(50)]
    (folder / "metrics.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + '\n{"group": 0, "st')
    write_report(result, folder, folder / "report.html")
    return folder, metrics


def test_one_file_without_network(run):
    text = (run[0] / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', text) and "http" not in re.sub(r"data:[^\"]*", "", text)
    for part in (
        "What to trust",
        "On-joint error",
        "mean pose",
        "left_hand",
        "0.91",
        "How to cite",
        "STAND-IN",
        "clip1",
    ):
        assert part in text
    assert text.count("data:image/jpeg") == 32


def test_alive_in_a_browser(run):
    if BROWSER is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    page = (run[0] / "report.html").as_uri() + "#check"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom", page]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    match = re.search(r'data-check="([^"]*)"', dom)
    assert match, dom[-500:]
    found = json.loads(html.unescape(match.group(1)))
    assert found["errors"] == [] and found["turns"] and found["scrubs"]
    assert found["phone"] <= 360


def test_names_cannot_break_the_page(result, tmp_path):
    names = ('</script><b id="x">', *result.names[1:])
    odd = dataclasses.replace(result, articulation=dataclasses.replace(result.articulation, names=names))
    text = write_report(odd, tmp_path, tmp_path / "report.html").read_text()
    assert '<b id="x">' not in text and text.count("</script>") == 2


def test_without_3d_metrics_video_and_tree(result, tmp_path):
    """A run that only found keypoints, whose store is gone."""
    skeleton = type(result.skeleton).unknown(7)
    poor = dataclasses.replace(
        result, motion=None, articulation=None, skeleton=skeleton, store=str(tmp_path / "gone"), provenance={}
    )
    text = write_report(poor, tmp_path, tmp_path / "report.html").read_text()
    for part in ("no 3D motion", "no frames can be shown", "No metrics.json", "No tree was found"):
        assert part in text


def test_lost_frames_are_shown(result, tmp_path):
    xy, joints = result.tracks.xy.clone(), result.motion.joints.clone()
    xy[:, 5:9], joints[:, 5:9] = float("nan"), float("nan")
    lost = dataclasses.replace(
        result,
        tracks=dataclasses.replace(result.tracks, xy=xy),
        motion=dataclasses.replace(result.motion, joints=joints),
    )
    text = write_report(lost, tmp_path, tmp_path / "report.html").read_text()
    assert "NaN" not in text.split('type="application/json">')[1]


def test_every_problem_gets_one_sentence_of_advice(result):
    free = {
        "frames": 80,
        "lost_frames": 20,
        "on_animal": 60.0,
        "dead": {"still": [1], "off": [1, 2]},
        "jitter_image": 3.0,
        "edge_probability": [0.9, 0.3, 0.9, 0.9, 0.9, 0.9],
        "bone_confidence": [0.5, 0.9, 0.9, 0.9, 0.9, 0.9],
        "rigidity_3d_mean": 25.0,
        "reprojection_image": 5.0,
    }
    worse = {"ours": {"error_body": 30.0}, "floors": {"mean_pose": {"error_body": 20.0}}}
    found = advice.findings(result, {"label_free": free, "keypoints": worse}, ["clip0: the camera moves"])
    warnings = [f for f in found if f.level == "warn"]
    assert len(warnings) == 9 and all(f.advice for f in warnings)
    said = " ".join(f.text for f in found)
    for part in ("neck, head", "hip - left_foot", "20 of 80 frames", "no better than `mean pose`", "the camera moves"):
        assert part in said


def test_a_good_run_is_called_good(result, run):
    found = advice.findings(dataclasses.replace(result, provenance={}), run[1], [])
    assert {f.level for f in found} == {"good"}


def test_curves_skip_a_line_that_was_cut_off(run):
    (group,) = charts.loss_curves(run[0] / "metrics.jsonl")
    assert group["curves"][0]["name"] == "total" and "(log)" in group["curves"][0]["svg"]
    assert charts.loss_curves(run[0] / "absent.jsonl") == []


def test_graph_of_a_flat_skeleton(result):
    flat = dataclasses.replace(result, articulation=None)
    assert charts.graph(flat).count("<circle") == 7
    line = torch.zeros(7, 3)
    degenerate = dataclasses.replace(result, articulation=dataclasses.replace(result.articulation, rest_pose=line))
    assert "nan" not in charts.graph(degenerate)
