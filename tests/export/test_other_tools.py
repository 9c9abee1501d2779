"""Exports for other tools, opened again by another library than the one that wrote them."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from articulate.errors import ExportError
from articulate.export.armature import Y_UP, Z_UP


def test_slp_opens_in_h5py_and_sleap_io(result, tmp_path):
    sio = pytest.importorskip("sleap_io", reason="the extra `sleap` is not installed")
    (path,) = result.to("sleap", tmp_path / "run.slp")
    labels = sio.load_slp(str(path))
    assert labels.skeletons[0].node_names == list(result.names) and len(labels) == 80
    assert sorted(map(tuple, labels.skeletons[0].edge_inds)) == sorted(map(tuple, result.edges.tolist()))
    frame = labels.find(labels.videos[1], 10)[0]
    assert np.allclose(frame.instances[0].numpy(), result.xy[47], atol=1e-3)
    assert labels.provenance["stand_in"].startswith("STAND-IN")
    assert np.allclose(frame.instances[0].numpy(scores=True)[:, 2], result.confidence[47])
    h5py = pytest.importorskip("h5py", reason="the extra `hdf5` is not installed")
    with h5py.File(path) as file:
        points = file["pred_points"][:]  # SLEAP's own layout: one row per point, in the order of the nodes
        first = points[:7]
    # In the file of SLEAP a whole number is the corner of a pixel or its centre, as the format's version says.
    assert np.allclose(first["score"], result.confidence[0])
    assert np.allclose(np.stack([first["x"], first["y"]], -1) - result.xy[0].numpy(), 0.0, atol=1e-3) or np.allclose(
        np.stack([first["x"], first["y"]], -1) - result.xy[0].numpy(), 0.5, atol=1e-3
    )


def test_sleap_analysis_opens_in_h5py(result, tmp_path):
    pytest.importorskip("sleap_io", reason="the extra `sleap` is not installed")
    h5py = pytest.importorskip("h5py", reason="the extra `hdf5` is not installed")
    _, second = result.to("sleap_h5", tmp_path / "analysis.h5")
    with h5py.File(second) as file:
        tracks = file["tracks"][:]  # (tracks, 2, nodes, frames)
        assert [n.decode() for n in file["node_names"][:]] == list(result.names)
    assert tracks.shape[:3] == (1, 2, 7)
    assert np.allclose(tracks[0, :, :, -1].T, result.xy[79], atol=1e-3)


def test_coco_by_hand_and_in_sleap_io(result, tmp_path):
    xy = result.tracks.xy.clone()
    xy[:, 0, 3] = float("nan")
    lost = dataclasses.replace(result, tracks=dataclasses.replace(result.tracks, xy=xy))
    (path,) = lost.to("coco", tmp_path / "coco.json")
    content = json.loads(path.read_text())
    first = content["annotations"][0]
    assert first["num_keypoints"] == 6 and first["keypoints"][9:12] == [0.0, 0.0, 0]
    assert first["keypoint_scores"] == pytest.approx([0.9] * 7) and len(content["images"]) == 80
    assert content["categories"][0]["skeleton"][0] == [1, 2]
    last = np.array(content["annotations"][-1]["keypoints"]).reshape(7, 3)
    assert np.allclose(last[:, :2], result.xy[79], atol=1e-3)
    sio = pytest.importorskip("sleap_io", reason="the extra `sleap` is not installed")
    for image in content["images"]:  # the reader looks for the pictures, but not into them
        picture = tmp_path / image["file_name"]
        picture.parent.mkdir(exist_ok=True)
        picture.touch()
    labels = sio.load_coco(str(path))
    assert labels.skeletons[0].node_names == list(result.names) and len(labels) == 80


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_nwb_opens_in_pynwb_and_h5py(result, tmp_path):
    pynwb = pytest.importorskip("pynwb", reason="the extra `nwb` is not installed")
    pytest.importorskip("ndx_pose", reason="the extra `nwb` is not installed")
    h5py = pytest.importorskip("h5py", reason="the extra `hdf5` is not installed")
    first, _ = result.to("nwb", tmp_path / "pose.nwb")
    with pynwb.NWBHDF5IO(str(first), "r", load_namespaces=True) as stream:
        pose = stream.read().processing["behavior"]["PoseEstimation"]
        hand = pose.pose_estimation_series["left_hand"]
        assert np.allclose(hand.data[:], result.xy[:40, 3]) and hand.unit == "pixels"
        assert np.allclose(hand.timestamps[:3], [3 / 25, 4 / 25, 5 / 25]) and np.allclose(hand.confidence[:], 0.9)
        assert list(pose.skeleton.nodes[:]) == list(result.names)
    _, second = result.to("nwb_3d", tmp_path / "pose3d.nwb")
    with h5py.File(second) as file:
        assert np.allclose(file["processing/behavior/PoseEstimation/head/data"][:], result.xyz[40:, 2])


class Bvh:
    """A reader of BVH of its own, with forward kinematics by plain matrices."""

    def __init__(self, text: str):
        lines = [line.split() for line in text.splitlines()]
        self.joints, stack, self.order = [], [], []
        for number, words in enumerate(lines):
            if words[0] in ("ROOT", "JOINT", "End"):
                self.joints.append({"name": words[1], "parent": stack[-1] if stack else -1, "channels": []})
                stack.append(len(self.joints) - 1)
            elif words[0] == "OFFSET":
                self.joints[stack[-1]]["offset"] = np.array(words[1:], float)
            elif words[0] == "CHANNELS":
                self.joints[stack[-1]]["channels"] = words[2:]
            elif words[0] == "}":
                stack.pop()
            elif words[0] == "Frame":
                self.table = np.array(lines[number + 1 :], float)
                break

    def places(self, row: np.ndarray) -> dict[str, list[np.ndarray]]:
        """Every place at which a joint or end lies, by the name of the joint (an end: of the joint above it)."""
        frames, found, column = [], {}, 0
        for joint in self.joints:
            shift, turn = joint["offset"].copy(), np.eye(3)
            for channel in joint["channels"]:
                value, axis = row[column], "XYZ".index(channel[0])
                column += 1
                if channel.endswith("position"):
                    shift[axis] += value
                else:
                    c, s = np.cos(np.radians(value)), np.sin(np.radians(value))
                    i, j = [(1, 2), (2, 0), (0, 1)][axis]
                    one = np.eye(3)
                    one[i, i], one[i, j], one[j, i], one[j, j] = c, -s, s, c
                    turn = turn @ one
            above = frames[joint["parent"]] if joint["parent"] >= 0 else (np.zeros(3), np.eye(3))
            frames.append((above[0] + above[1] @ shift, above[1] @ turn))
            name = self.joints[joint["parent"]]["name"] + "_end" if joint["name"] == "Site" else joint["name"]
            found[name] = frames[-1][0]
        return found


def test_bvh_repeats_the_motion(result, tmp_path):
    _, second = result.to("bvh", tmp_path / "motion.bvh")
    motion = Bvh(second.read_text())
    assert motion.table.shape == (40, 6 + 3 * 6)
    turn = torch.tensor(Y_UP)
    for frame in (0, 17, 39):
        places, wanted = motion.places(motion.table[frame]), (result.xyz[40 + frame] @ turn.T).numpy()
        assert np.allclose(places["hip"], wanted[0], atol=1e-4)
        assert np.allclose(places["neck_to_head"], wanted[1], atol=1e-4)
        assert np.allclose(places["neck_to_head_end"], wanted[2], atol=1e-4)
        assert np.allclose(places["hip_to_left_foot_end"], wanted[5], atol=1e-4)


def test_glb_opens_in_trimesh(result, tmp_path):
    pytest.importorskip("pygltflib", reason="the extra `gltf` is not installed")
    trimesh = pytest.importorskip("trimesh", reason="the extra `gltf` is not installed")
    (path,) = result.to("glb", tmp_path / "motion.glb")
    scene = trimesh.load(str(path))
    assert {"hip", "hip_to_neck", "neck_to_head", "left_hand"} <= set(scene.graph.nodes)
    rest = (result.articulation.rest_pose @ torch.tensor(Y_UP).double().T).numpy()
    for k in (1, 2, 3, 6):
        assert np.allclose(scene.graph[result.names[k]][0][:3, 3], rest[k] - rest[0], atol=1e-5)
    (mesh,) = scene.geometry.values()
    assert len(mesh.faces) == 8 * 6
    low, high = (rest - rest[0]).min(0), (rest - rest[0]).max(0)
    assert (mesh.bounds[0] < low + 0.05).all() and (mesh.bounds[1] > high - 0.05).all()


def test_glb_animation_repeats_the_motion(result, tmp_path):
    """Read byte by byte with the struct of the format, and posed by plain quaternion arithmetic."""
    pytest.importorskip("pygltflib", reason="the extra `gltf` is not installed")
    from scipy.spatial.transform import Rotation

    (path,) = result.to("glb", tmp_path / "motion.glb")
    raw = path.read_bytes()
    length = int.from_bytes(raw[12:16], "little")
    document, blob = json.loads(raw[20 : 20 + length]), raw[28 + length :]

    def array(number: int) -> np.ndarray:
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        part = blob[view.get("byteOffset", 0) :][: view["byteLength"]]
        return np.frombuffer(part, np.float32).reshape(accessor["count"], -1)

    animation = document["animations"][1]
    assert animation["name"] == "clip1" and document["asset"]["extras"]["forward_kinematics_residual"] < 1e-5
    poses = {node: (np.array(n.get("translation", [0, 0, 0.0])), np.eye(3)) for node, n in enumerate(document["nodes"])}
    for channel in animation["channels"]:
        value = array(animation["samplers"][channel["sampler"]]["output"])[17]
        place, turn = poses[channel["target"]["node"]]
        if channel["target"]["path"] == "translation":
            poses[channel["target"]["node"]] = (value, turn)
        else:
            poses[channel["target"]["node"]] = (place, Rotation.from_quat(value).as_matrix())
    found = {}

    def visit(node: int, place: np.ndarray, turn: np.ndarray) -> None:
        here = place + turn @ poses[node][0]
        found[document["nodes"][node]["name"]] = here
        for child in document["nodes"][node].get("children", []):
            visit(child, here, turn @ poses[node][1])

    visit(0, np.zeros(3), np.eye(3))
    wanted = (result.xyz[57] @ torch.tensor(Y_UP).T).numpy()
    for k, name in enumerate(result.names):
        assert np.allclose(found[name], wanted[k], atol=1e-4), name


def test_mjcf_runs_in_mujoco(result, tmp_path):
    mujoco = pytest.importorskip("mujoco", reason="the extra `mujoco` is not installed")
    (path,) = result.to("mjcf", tmp_path / "model.xml")
    model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert model.njnt == 1 + 3 * 6
    rest = (result.articulation.rest_pose @ torch.tensor(Z_UP).double().T).numpy()
    for k, name in enumerate(result.names):
        assert np.allclose(data.site(name).xpos, rest[k] - rest[0], atol=1e-5), name
    hinge = model.joint("neck_to_left_hand_swing1")
    low, high = result.articulation.joint_ranges[3, 0].tolist()
    assert np.allclose(hinge.range, [low, high], atol=1e-4)
    # Turning one swing by its upper limit moves the hand where the swing convention says.
    from articulate.lifting.swing import direction_from_swing

    data.qpos[hinge.qposadr[0]] = high
    mujoco.mj_forward(model, data)
    rest_direction = (result.articulation.rest_pose[3] - result.articulation.rest_pose[1])[None]
    length = rest_direction.norm()
    turned = direction_from_swing(rest_direction / length, torch.tensor([[high, 0.0]]).double())[0] * length
    wanted = (turned @ torch.tensor(Z_UP).double().T).numpy() + data.site("neck").xpos
    assert np.allclose(data.site("left_hand").xpos, wanted, atol=1e-5)
    mujoco.mj_step(model, data, 20)
    assert np.isfinite(data.qpos).all()


def test_urdf_opens_in_mujoco(result, tmp_path):
    mujoco = pytest.importorskip("mujoco", reason="the extra `mujoco` is not installed")
    (path,) = result.to("urdf", tmp_path / "model.urdf")
    model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert model.njnt == 3 * 6 and "residual" in path.read_text() and "twist" in path.read_text()
    rest = (result.articulation.rest_pose @ torch.tensor(Z_UP).double().T).numpy()
    assert np.allclose(data.body("neck_to_head").xpos, rest[1] - rest[0], atol=1e-5)


@pytest.mark.parametrize("name", ["bvh", "glb", "mjcf", "urdf", "nwb_3d", "anipose"])
def test_formats_of_motion_say_that_there_is_none(result, tmp_path, name):
    flat = dataclasses.replace(result, motion=None, articulation=None)
    if name == "glb":
        pytest.importorskip("pygltflib", reason="the extra `gltf` is not installed")
    if name == "nwb_3d":
        pytest.importorskip("ndx_pose", reason="the extra `nwb` is not installed")
    with pytest.raises(ExportError, match="no 3D"):
        flat.to(name, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_lost_frames_hold_the_pose_before(result, tmp_path):
    joints = result.motion.joints.clone()
    joints[:, :2], joints[:, 10:13] = float("nan"), float("nan")
    lost = dataclasses.replace(result, motion=dataclasses.replace(result.motion, joints=joints))
    first, _ = lost.to("bvh", tmp_path / "motion.bvh")
    table = Bvh(first.read_text()).table
    assert np.isfinite(table).all() and (table[10] == table[9]).all() and (table[0] == table[2]).all()
