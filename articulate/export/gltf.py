"""glTF binary (.glb): an animated, skinned skeleton; one animation per clip. y up, unit: mean bone length."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from articulate.export.armature import TWIST_NOTE, Y_UP, Armature, ArmatureMotion, armature, clip_motion
from articulate.export.drawing import palette
from articulate.export.writing import atomic, require, short_provenance
from articulate.result import Result

FLOAT, BYTE = 5126, 5121  # component types of glTF 2.0, section 3.6.2.2


class Buffer:
    """Collects arrays into the one binary chunk and describes them as accessors."""

    def __init__(self, gltf: Any):
        self.gltf, self.document, self.bytes = gltf, gltf.GLTF2(), bytearray()

    def add(self, array: np.ndarray, kind: str, *, bounds: bool = False) -> int:
        """Number of the accessor for `array` (float32 or uint8; rows are elements of `kind`)."""
        self.bytes += b"\0" * (-len(self.bytes) % 4)
        data = np.ascontiguousarray(array)
        view = self.gltf.BufferView(buffer=0, byteOffset=len(self.bytes), byteLength=data.nbytes)
        self.bytes += data.tobytes()
        self.document.bufferViews.append(view)
        accessor = self.gltf.Accessor(
            bufferView=len(self.document.bufferViews) - 1,
            componentType=BYTE if data.dtype == np.uint8 else FLOAT,
            count=len(data),
            type=kind,
            normalized=False,
        )
        if bounds:  # required for positions and for the times of an animation
            rows = data.reshape(len(data), -1)
            accessor.min, accessor.max = rows.min(0).tolist(), rows.max(0).tolist()
        self.document.accessors.append(accessor)
        return len(self.document.accessors) - 1


def spindle(start: np.ndarray, end: np.ndarray, width: float) -> np.ndarray:
    """Corner positions [24, 3] of the eight faces of a bone drawn as a long octahedron."""
    axis = end - start
    length = max(float(np.linalg.norm(axis)), 1e-6)
    along = axis / length
    helper = np.eye(3)[int(np.argmin(np.abs(along)))]
    side = np.cross(helper, along)
    side /= max(float(np.linalg.norm(side)), 1e-9)
    other = np.cross(along, side)
    middle = start + 0.2 * axis
    ring = [middle + width * length * v for v in (side, other, -side, -other)]
    faces = []
    for i in range(4):
        a, b = ring[i], ring[(i + 1) % 4]
        faces += [start, b, a, end, a, b]
    return np.array(faces)


def flat_normals(corners: np.ndarray) -> np.ndarray:
    """One unit normal per corner, that of its triangle."""
    triangles = corners.reshape(-1, 3, 3)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    normal[np.linalg.norm(normal, axis=1) < 0.5] = [0, 0, 1]  # a bone of no length has no faces
    return np.repeat(normal, 3, axis=0)


def rest_starts(skeleton: Armature) -> np.ndarray:
    """Start of every bone in the rest pose, from the root."""
    starts = skeleton.start.numpy().copy()
    for bone, parent in enumerate(skeleton.parent):
        if parent >= 0:
            starts[bone] += starts[parent]
    return starts


def add_mesh(buffer: Buffer, skeleton: Armature, colours: list[tuple[int, int, int]]) -> None:
    """All bones as one skinned mesh, each corner tied to its own bone (joint 0 is the root, bone l is joint l + 1)."""
    gltf, document, starts = buffer.gltf, buffer.document, rest_starts(skeleton)
    vectors = skeleton.vector.numpy()
    corners = np.concatenate([spindle(s, s + v, 0.07) for s, v in zip(starts, vectors, strict=True)])
    joints = np.zeros((len(corners), 4), np.uint8)
    joints[:, 0] = np.repeat(np.arange(len(vectors)) + 1, 24)
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(corners), 1))
    paint = np.repeat(np.array(colours, np.float32) / 255, 24, axis=0)
    attributes = gltf.Attributes(
        POSITION=buffer.add(corners.astype(np.float32), "VEC3", bounds=True),
        NORMAL=buffer.add(flat_normals(corners).astype(np.float32), "VEC3"),
        COLOR_0=buffer.add(paint.astype(np.float32), "VEC3"),
        JOINTS_0=buffer.add(joints, "VEC4"),
        WEIGHTS_0=buffer.add(weights, "VEC4"),
    )
    surface = gltf.PbrMetallicRoughness(metallicFactor=0.0, roughnessFactor=0.8)
    document.materials.append(gltf.Material(name="bone", pbrMetallicRoughness=surface, doubleSided=True))
    document.meshes.append(gltf.Mesh(name="bones", primitives=[gltf.Primitive(attributes=attributes, material=0)]))
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(vectors) + 1, 1, 1))
    inverse[1:, 3, :3] = -starts  # column-major: the last row in memory is the translation
    matrices = buffer.add(inverse.reshape(-1, 16), "MAT4")
    document.skins.append(gltf.Skin(inverseBindMatrices=matrices, joints=list(range(len(vectors) + 1)), skeleton=0))


def add_nodes(buffer: Buffer, skeleton: Armature) -> None:
    """Node 0 the root, node l + 1 bone l, then a tip with the name of its keypoint for each bone, then the mesh."""
    gltf, document = buffer.gltf, buffer.document
    document.nodes.append(gltf.Node(name=skeleton.root_name, children=[b + 1 for b in skeleton.children_of(-1)]))
    count = len(skeleton.names)
    for bone, name in enumerate(skeleton.names):
        children = [c + 1 for c in skeleton.children_of(bone)] + [count + 1 + bone]
        document.nodes.append(gltf.Node(name=name, translation=skeleton.start[bone].tolist(), children=children))
    for bone, name in enumerate(skeleton.children):
        document.nodes.append(gltf.Node(name=name, translation=skeleton.vector[bone].tolist()))
    document.nodes.append(gltf.Node(name="skeleton", mesh=0, skin=0))
    document.scenes.append(gltf.Scene(nodes=[0, len(document.nodes) - 1]))
    document.scene = 0


def add_animation(buffer: Buffer, motion: ArmatureMotion, name: str) -> None:
    """Translation and rotation of the root and the swing of every bone, key by key."""
    gltf = buffer.gltf
    times = (np.arange(len(motion.root)) / motion.fps).astype(np.float32)[:, None]
    clock = buffer.add(times, "SCALAR", bounds=True)
    body = Rotation.from_matrix(motion.body.numpy()).as_quat()
    swing = motion.swing.numpy()[..., [1, 2, 3, 0]]  # glTF: x, y, z, w
    tracks = [(0, "translation", motion.root.numpy(), "VEC3"), (0, "rotation", continuous(body), "VEC4")]
    tracks += [(b + 1, "rotation", continuous(swing[:, b]), "VEC4") for b in range(swing.shape[1])]
    animation = gltf.Animation(name=name)
    for node, target, values, kind in tracks:
        output = buffer.add(values.astype(np.float32), kind)
        animation.samplers.append(gltf.AnimationSampler(input=clock, output=output, interpolation="LINEAR"))
        channel = gltf.AnimationChannelTarget(node=node, path=target)
        animation.channels.append(gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=channel))
    buffer.document.animations.append(animation)


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations with signs that never jump, so that players interpolate the short way."""
    turn = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0
    sign = np.where(np.concatenate([[False], np.cumsum(turn) % 2 == 1]), -1.0, 1.0)
    return quaternions * sign[:, None]


def write_gltf(result: Result, path: Path) -> list[Path]:
    """Write the `.glb`. Lost frames hold the pose before them. Raises ExportError without 3D or without the extra."""
    gltf = require("pygltflib", "gltf", "the glTF format")
    skeleton = armature(result, path, Y_UP)
    buffer = Buffer(gltf)
    colours = palette(result.num_keypoints)
    add_mesh(buffer, skeleton, [colours[child] for _, child in result.edges.tolist()])
    add_nodes(buffer, skeleton)
    residuals = []
    for number, clip in enumerate(result.clips):
        motion = clip_motion(result, number, Y_UP)
        residuals.append(motion.residual)
        add_animation(buffer, motion, clip.name)
    buffer.document.asset = gltf.Asset(version="2.0", generator="articulate")
    buffer.document.asset.extras = {
        **{k: v for k, v in short_provenance(result).items() if isinstance(v, str | int)},
        "units": "mean bone length",
        "forward_kinematics_residual": max(residuals),
        "note": TWIST_NOTE,
    }
    buffer.document.buffers.append(gltf.Buffer(byteLength=len(buffer.bytes)))
    buffer.document.set_binary_blob(bytes(buffer.bytes))
    with atomic(path) as partial:
        buffer.document.save_binary(str(partial))
    return [path]
