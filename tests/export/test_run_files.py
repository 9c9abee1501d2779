"""The files that every run leaves, opened again by other libraries than those that wrote them."""

import csv
import dataclasses
import errno
import json
from xml.etree import ElementTree

import av
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from articulate.errors import ExportError
from articulate.export import EXPORTERS, RUN_FILES, write_run_files
from articulate.export.overlay import write_overlay
from articulate.export.writing import atomic, require, write_json


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("results")
    write_run_files(result, path, [name for name in RUN_FILES if name != "overlay"])
    return path


def test_connections_table(folder, result):
    with open(folder / "connections.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    limbs = [(int(r["parent"]), int(r["child"])) for r in rows if r["connected"] == "1"]
    assert sorted(limbs) == sorted(map(tuple, result.edges.tolist()))
    assert rows[0]["parent_name"] == "hip" and float(rows[0]["probability"]) == pytest.approx(0.91)
    matrix = np.load(folder / "connections.npy")
    assert matrix.shape == (7, 7) and (matrix == matrix.T).all() and matrix.sum() == 12


def test_skeleton_json(folder, result):
    content = json.loads((folder / "skeleton.json").read_text())
    assert content["names"][0] == "hip" and content["parents"] == [-1, 0, 1, 1, 1, 0, 0] and content["root"] == 0
    assert content["limbs"][0]["length"] == pytest.approx(1.2, abs=1e-4)
    assert np.shape(content["joint_ranges"]) == (7, 2, 2) and content["provenance"]["stand_in"]
    assert 0 <= content["forward_kinematics_residual"] < 1e-5 and "conventional" in content["twist"]


def test_graph(folder):
    graph = nx.read_graphml(folder / "skeleton.graphml", node_type=int)
    assert nx.is_arborescence(graph) and graph.nodes[3]["name"] == "left_hand"
    assert graph.edges[0, 1]["probability"] == pytest.approx(0.91) and "STAND-IN" in graph.graph["provenance"]
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ElementTree.parse(folder / "skeleton.graphml").getroot()
    assert root.find(f"{space}graph").get("edgedefault") == "directed" and len(root.findall(f".//{space}edge")) == 6


def test_archives(folder, result):
    with np.load(folder / "tracks.npz", allow_pickle=False) as stored:
        assert np.allclose(stored["xy"], result.xy, atol=1e-3) and stored["frame"][40] == 3
        # 1e-4 image units^2 = (2 video pixels a store pixel * 24 store pixels a unit)^2 * 1e-4
        assert stored["covariance"][0, 0, 0, 0] == pytest.approx(48**2 * 1e-4)
    with np.load(folder / "pose3d.npz", allow_pickle=False) as stored:
        assert np.allclose(stored["xyz"], result.xyz) and str(stored["units"]) == "mean bone length"


def test_deeplabcut_csv_is_one_table_per_video(folder, result):
    frame = pd.read_csv(folder / "tracks_dlc.clip1.csv", header=[0, 1, 2], index_col=0)
    assert frame.columns.names == ["scorer", "bodyparts", "coords"] and frame.index[0] == 3 and len(frame) == 40
    hand = frame["articulate"]["left_hand"]
    assert np.allclose(hand[["x", "y"]], result.xy[40:, 3]) and np.allclose(hand["likelihood"], 0.9)


def test_deeplabcut_csv_opens_in_sleap_io(folder, result):
    sio = pytest.importorskip("sleap_io", reason="the extra `sleap` is not installed")
    labels = sio.load_file(str(folder / "tracks_dlc.clip0.csv"), format="dlc")
    assert sorted(n.name for n in labels.skeletons[0].nodes) == sorted(result.names)


def test_deeplabcut_h5(result, tmp_path):
    pytest.importorskip("tables", reason="the extra `hdf5` is not installed")
    h5py = pytest.importorskip("h5py", reason="the extra `hdf5` is not installed")
    first, _, config = result.to("dlc_h5", tmp_path / "dlc.h5")
    frame = pd.read_hdf(first, key="df_with_missing")
    assert np.allclose(frame["articulate"]["hip"][["x", "y"]], result.xy[:40, 0])
    with h5py.File(first) as file:
        assert file["df_with_missing"].attrs["pandas_version"] == b"0.15.2"
        assert file["df_with_missing/table"].shape == (40,)
    assert '- ["hip", "neck"]' in config.read_text()


def test_anipose(result, tmp_path):
    first, _ = result.to("anipose", tmp_path / "pose.csv")
    frame = pd.read_csv(first)
    assert np.allclose(frame[["head_x", "head_y", "head_z"]], result.xyz[:40, 2]) and frame["fnum"][0] == 3
    assert {"head_error", "head_ncams", "head_score", "M_00", "center_2"} <= set(frame.columns)


def test_overlay_shows_both_views(result, tmp_path):
    write_overlay(result, tmp_path / "overlay.mp4", at_most=12)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 12 and frames[0].shape == (360, 720, 3)
    difference = np.abs(frames[0].astype(int) - frames[5].astype(int))
    assert difference[:, :360].max() > 30 and difference[:, 360:].max() > 30


def test_overlay_without_anything_to_draw_on(result, tmp_path):
    gone = dataclasses.replace(result, store=str(tmp_path / "gone"))
    with pytest.raises(ExportError, match="nothing to draw on"):
        write_overlay(gone, tmp_path / "overlay.mp4")
    assert list(tmp_path.iterdir()) == []


def test_no_3d_is_said(result, tmp_path):
    flat = dataclasses.replace(result, motion=None, articulation=None)
    with pytest.raises(ExportError, match="no 3D motion"):
        flat.to("pose3d", tmp_path / "pose3d.npz")
    names = [p.name for p in write_run_files(flat, tmp_path, [n for n in RUN_FILES if n != "overlay"])]
    assert "pose3d.npz" not in names and "skeleton.json" in names


OTHERS = {"coco": "coco.json", "mjcf": "m.xml", "urdf": "m.urdf", "bvh": "m.bvh", "anipose": "pose.csv"}
SINGLE = {name: file for name, file in RUN_FILES.items() if name != "overlay"} | OTHERS


@pytest.mark.parametrize("name", SINGLE)
def test_a_full_disk_is_one_message_and_leaves_the_old_file(result, tmp_path, monkeypatch, name):
    path = tmp_path / SINGLE[name]
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(ExportError, match="the disk is full; nothing was changed"):
        EXPORTERS[name](result, path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_in_the_words_of_hdf5(tmp_path):
    with pytest.raises(ExportError, match="the disk is full"), atomic(tmp_path / "a.h5"):
        raise OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})


def test_a_missing_extra_is_named():
    with pytest.raises(ExportError, match=r"pip install 'articulate-models\[nwb\]'"):
        require("no_such_package_here", "nwb", "the NWB format")


def test_atomic_keeps_the_old_file_on_any_error(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"nan": float("nan"), "nested": [1, float("inf")]})
    assert json.loads(path.read_text()) == {"nan": None, "nested": [1, None]}
    with pytest.raises(ZeroDivisionError), atomic(path) as partial:
        partial.write_text("half")
        _ = 1 / 0
    assert json.loads(path.read_text())["nested"] == [1, None] and len(list(tmp_path.iterdir())) == 1
