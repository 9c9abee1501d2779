"""The report: complete without network, honest about what is off, and alive in a real browser."""

import dataclasses
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from articulate.data.store import ClipStore
from articulate.evaluation.protocol import evaluate_run
from articulate.export.writing import write_json
from articulate.report import advice, charts, write_report
from articulate.report.labels import short_names
from articulate.report.pictures import close_up
from articulate.report.verdict import verdict

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
    assert "A body of 7 keypoints and 6 limbs, moving in 3D" in text


def test_alive_in_a_browser(run):
    if BROWSER is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    page = (run[0] / "report.html").as_uri() + "#check"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=4000"]
    ended = subprocess.run([BROWSER, *options, "--dump-dom", page], capture_output=True, text=True, timeout=120)
    dom = ended.stdout
    assert "CONSOLE" not in ended.stderr, ended.stderr[-2000:]
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
    warnings = [f for f in found if f.level in ("warn", "fail")]
    assert len(warnings) == 9 and all(f.advice for f in warnings)
    said = verdict(result, found, with_truth=True)
    assert said.level == "fail" and "keypoints are not usable" in said.sentence
    assert [part.level for part in said.parts] == ["fail", "fail", "fail"] and "not usable" in said.parts[2].text
    said = " ".join(f.text for f in found)
    for part in ("neck, head", "hip - left_foot", "20 of 80 frames", "no better than `mean pose`", "the camera moves"):
        assert part in said


def test_a_good_run_is_called_good(result, run):
    found = advice.findings(dataclasses.replace(result, provenance={}), run[1], [])
    assert {f.level for f in found} == {"good"}
    said = verdict(result, found, with_truth=False)
    assert said.sentence.endswith("all of it looks right as far as can be told without labels.")
    assert {part.words for part in said.parts} == {"looks right"}


def test_a_part_that_hardly_beats_its_floor_is_not_praised(result):
    scores = {"ours": {"mpjpe_d": 6.3}, "floors": {"flat": {"mpjpe_d": 7.0}}}
    (found,) = advice.about_floors({"pose3d": scores})
    assert found.level == "warn" and "only a little better than `flat`" in found.text
    said = verdict(result, [found], with_truth=True)
    assert said.sentence.endswith("use the 3D with care.") and said.parts[0].words == "not measured"


def test_a_view_from_above_is_no_warning_where_depth_was_seen(result, monkeypatch):
    """Turns within the picture say nothing about depth; limbs in front of limbs do, and confidence shows it."""
    monkeypatch.setattr(advice, "seen_from_above", lambda xy: True)
    texts = {
        sure: [f.text for f in advice.about_depth(result, {"bone_confidence": [sure] * len(result.skeleton.edges)})]
        for sure in (0.5, 0.9)
    }
    assert any("from above" in text for text in texts[0.5])
    assert not any("from above" in text for text in texts[0.9])


def test_pictures_show_what_the_detector_saw(result):
    image, xy = np.zeros((96, 96, 3), np.uint8), np.full((7, 2), 50.0)
    image[20:60, 30:70] = 9
    size = (96, 96)
    clips = tuple(dataclasses.replace(clip, source_size=size) for clip in result.clips)
    box = torch.tensor([[40 / result.store_size, 30.0, 20.0]]).expand(80, 3)
    near, place = close_up(dataclasses.replace(result, clips=clips, source_from_store=box), 0, image, xy)
    assert near.shape == (40, 40, 3) and (near == 9).all() and (place == [[20, 30]]).all()


def test_short_names_are_numbers_where_nobody_gave_names():
    assert short_names(["keypoint_00", "keypoint_12", "left_hand"]) == ["0", "12", "left_hand"]


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
