"""A MuJoCo model as an articulated body: its segments, the candidates for keypoints, random poses. Imports MuJoCo."""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float, Int

from articulate.data.mjcf.motion import smooth_signals, within
from articulate.data.mjcf.tree import Reduced, reduce_tree
from articulate.errors import DataError

FREE, BALL, SLIDE, HINGE = range(4)
SHOWN_GROUPS = 3  # by convention collision shapes are in group 3 and up
SPHERE = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])


@dataclass(frozen=True)
class Body:
    """The largest tree of a model. A segment is a body with joints (or the root) and all that is fixed to it.

    Candidates for keypoints: per segment the place of its first joint (fixed in its parent, so bones are rigid where a
    body's joints share one place), then the ends of the leaves. `owner[c]` is the segment that carries candidate c.
    """

    model: mujoco.MjModel
    bodies: Int[np.ndarray, " S"]
    segment_of_body: Int[np.ndarray, " bodies"]
    owner: Int[np.ndarray, " N"]
    ends: Float[np.ndarray, "E 3"]
    parents: Int[np.ndarray, " N"]
    names: tuple[str, ...]

    def candidates(self, data: mujoco.MjData) -> Float[np.ndarray, "N 3"]:
        """Positions of the candidates in the world, for the pose of `data`."""
        points = data.xpos[self.bodies].copy()
        for s, body in enumerate(self.bodies[1:], 1):
            joint = self.model.body_jntadr[body]
            if self.model.jnt_type[joint] != SLIDE:
                points[s] = data.xanchor[joint]
        carriers = self.bodies[self.owner[len(self.bodies) :]]
        turned = np.einsum("eij,ej->ei", data.xmat[carriers].reshape(-1, 3, 3), self.ends)
        return np.concatenate([points, data.xpos[carriers] + turned])

    def poses(
        self, times: Float[np.ndarray, " T"], speed: float, reach: float, generator: np.random.Generator
    ) -> Float[np.ndarray, "T Q"]:
        """Smooth random coordinates of all joints of the tree; a free root stays where it is."""
        model = self.model
        joints = [j for j in range(model.njnt) if self.segment_of_body[model.jnt_bodyid[j]] >= 0]
        signals = smooth_signals(3 * len(joints), times, speed, generator)
        start = model.key_qpos[0] if model.nkey else model.qpos0
        path = np.tile(start, (len(times), 1))
        for i, joint in enumerate(joints):
            kind, address = model.jnt_type[joint], model.jnt_qposadr[joint]
            low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.pi, np.pi)
            if kind == HINGE or (kind == SLIDE and model.jnt_limited[joint]):
                path[:, [address]] = within(signals[:, [3 * i]], np.array([low]), np.array([high]), reach)
            elif kind == BALL:
                most = high if model.jnt_limited[joint] else np.pi / 3
                path[:, address : address + 4] = quaternions(reach * most * signals[:, 3 * i : 3 * i + 3] / np.sqrt(3))
        return path

    def reduced(self, tolerance: float, most: int) -> Reduced:
        """Keypoints of this body; `tolerance` is a share of its size, the longest side of its box over some poses."""
        points, _ = self.sample(1.0)
        size = np.ptp(points, axis=1).max()
        return reduce_tree(points, self.parents, tolerance * size, most)

    def sample(self, reach: float, count: int = 64) -> tuple[Float[np.ndarray, "P N 3"], mujoco.MjData]:
        """Candidates in poses that are the same for every seed, from which sizes are measured."""
        data = mujoco.MjData(self.model)
        poses = self.poses(np.linspace(0, 997, count), 1.0, reach, np.random.default_rng(0))
        return np.stack([self.candidates(place(self.model, data, pose)) for pose in poses]), data


def place(model: mujoco.MjModel, data: mujoco.MjData, pose: Float[np.ndarray, " Q"]) -> mujoco.MjData:
    """Kinematics of a pose: what positions and drawing need, without contacts."""
    data.qpos[:] = pose
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    return data


def quaternions(vectors: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 4"]:
    """Unit quaternions (w, x, y, z) of rotation vectors (rad)."""
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), np.sinc(angle / (2 * np.pi)) / 2 * vectors], axis=1)


def find_body(model: mujoco.MjModel, where: str) -> Body:
    """The largest tree of bodies of `model`. Raises DataError when nothing in it can move."""
    roots, counts = np.unique(model.body_rootid[1:], return_counts=True)
    if len(roots) == 0:
        raise DataError(f"{where}: the model has no body")
    root = roots[np.argmax(counts)]
    inside = np.flatnonzero(model.body_rootid == root)
    segment_of_body = np.full(model.nbody, -1)
    bodies: list[int] = []
    for body in inside:
        own = body == root or model.body_jntnum[body] > 0
        if own:
            bodies.append(int(body))
        segment_of_body[body] = len(bodies) - 1 if own else segment_of_body[model.body_parentid[body]]
    if len(bodies) < 2:
        raise DataError(f"{where}: no body has a joint, so nothing moves")
    above = [int(segment_of_body[model.body_parentid[b]]) for b in bodies[1:]]
    owner, parents = list(range(len(bodies))), [-1, *above]
    names = [model.body(b).name or f"body_{b}" for b in bodies]
    ends = []
    for segment in sorted(set(range(1, len(bodies))) - set(above)):
        end = far_end(model, segment, bodies[segment], segment_of_body)
        if end is not None:
            ends.append(end)
            owner.append(segment)
            parents.append(segment)
            names.append(f"{names[segment]}_end")
    return Body(
        model,
        np.array(bodies),
        segment_of_body,
        np.array(owner),
        np.array(ends).reshape(-1, 3),
        np.array(parents),
        tuple(names),
    )


def far_end(
    model: mujoco.MjModel, segment: int, body: int, segment_of_body: Int[np.ndarray, " bodies"]
) -> Float[np.ndarray, " 3"] | None:
    """The end of a leaf, in the frame of `body`: mean of its shapes' points in the outermost tenth from its joint.

    None where the leaf has no shape, or none that reaches away from the joint.
    """
    data = place(model, mujoco.MjData(model), model.qpos0)
    geoms = np.flatnonzero(segment_of_body[model.geom_bodyid] == segment)
    shown = geoms[model.geom_group[geoms] < SHOWN_GROUPS]
    points = [
        data.geom_xpos[g] + shape_points(model, int(g)) @ data.geom_xmat[g].reshape(3, 3).T
        for g in (shown if len(shown) else geoms)
    ]
    if not points:
        return None
    joint = model.body_jntadr[body]
    anchor = data.xanchor[joint] if model.jnt_type[joint] != SLIDE else data.xpos[body]
    cloud = np.concatenate(points)
    distance = np.linalg.norm(cloud - anchor, axis=1)
    end = cloud[distance >= 0.9 * distance.max()].mean(0)
    return data.xmat[body].reshape(3, 3).T @ (end - data.xpos[body])


def shape_points(model: mujoco.MjModel, geom: int) -> Float[np.ndarray, "P 3"]:
    """Points on the surface of a geom, in its own frame: vertices of a mesh, 26 directions of a primitive."""
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        return model.mesh_vert[first : first + count].astype(np.float64)
    size = model.geom_size[geom]
    unit = SPHERE / np.linalg.norm(SPHERE, axis=1, keepdims=True)
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return unit * size[0] + np.sign(SPHERE) * [0, 0, size[1]]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_SPHERE:
        return unit * size[0]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        return unit * size
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return SPHERE * [size[0], size[0], size[1]]
    return SPHERE * size
