"""The process that draws: `python -m articulate.data.mjcf.render JOB.json FOLDER`. Imports MuJoCo.

It writes clip after clip into the folder and says `clip i` on its output. A process of its own, because the drawing
library's name is also that of the recipe, and because a graphics driver that fails takes its process with it.
"""

import json
import sys
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from articulate.data.mjcf.body import Body, find_body, place
from articulate.data.mjcf.creatures import load_creature
from articulate.data.mjcf.options import MujocoOptions
from articulate.data.mjcf.tree import Reduced, mirrored_pairs
from articulate.data.npy_stream import NpyStream
from articulate.data.synthetic.cameras import SceneCamera, view_rotation, yaw_path
from articulate.data.synthetic.family import distinct_colours
from articulate.errors import ArticulateError, DataError

# MuJoCo's world has z up, the scenes of this program have y up.
UPRIGHT_FROM_MUJOCO = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
HEADLIGHT = {"ambient": 0.35, "diffuse": 0.6}  # at least: many models bring no light, and are nearly black


class Studio:
    """A body, its keypoints and its size, in front of a camera."""

    def __init__(self, options: MujocoOptions) -> None:
        self.options = options
        self.model = load_model(options)
        self.body: Body = find_body(self.model, options.body_name)
        self.keypoints: Reduced = self.body.reduced(options.merge, options.max_keypoints)
        points, self.data = self.body.sample(options.reach)
        self.centre = (points.min((0, 1)) + points.max((0, 1))) / 2
        self.radius = float(np.quantile(np.linalg.norm(points - self.centre, axis=-1).max(1), 0.95))
        self.segments = prepare_look(self.body, options)
        side = options.size * options.supersample
        self.renderer = mujoco.Renderer(self.model, side, side)
        self.visual, self.inner = mujoco.MjvOption(), mujoco.MjvOption()
        for shown in (self.visual, self.inner):
            shown.sitegroup[:] = 0
        # Under a skin the limbs are told by shapes that are not drawn otherwise.
        self.inner.flags[mujoco.mjtVisFlag.mjVIS_SKIN] = 0
        self.inner.geomgroup[:] = 1

    def clip(self, index: int, seed: int, yaw_seed: int, folder: Path) -> None:
        """Draw clip `index` into `folder`: `frames.npy`, `mask.npy`, `truth.npz`."""
        o = self.options
        draw = np.random.default_rng(seed)
        times = np.arange(o.num_frames) / o.fps
        poses = self.body.poses(times, o.speed, o.reach, draw)
        shared = np.random.default_rng(yaw_seed).uniform()
        direction = -1.0 if draw.integers(2) else 1.0
        yaw = yaw_path(index, times, float(times[-1]), np.radians(o.yaw_coverage), shared, direction)
        turn = view_rotation(yaw, float(np.radians(o.elevation))) @ UPRIGHT_FROM_MUJOCO
        world = np.stack([self.body.candidates(place(self.model, self.data, pose)) for pose in poses])
        depth = 2 * self.radius * o.distance
        xyz = np.einsum("tij,tkj->tki", turn, world[:, self.keypoints.kept] - self.centre) + [0, 0, depth]
        camera = fitted_camera(xyz, o, self.radius, depth)
        folder.mkdir()
        frames = NpyStream(folder / "frames.npy", (o.size, o.size, 3))
        masks = NpyStream(folder / "mask.npy", (o.size, o.size))
        visible = []
        for t, pose in enumerate(poses):
            place(self.model, self.data, pose)
            image, mask, front = self.picture(turn[t], camera, depth)
            frames.append(image[None])
            masks.append(mask[None])
            visible.append(self.in_view(camera.project(xyz[t]), front))
        frames.close()
        masks.close()
        area = np.load(folder / "mask.npy").mean((1, 2)) / 255.0
        truth = {**self.truth(xyz, camera, yaw, np.stack(visible)), "mask_area": area}
        np.savez(folder / "truth.npz", allow_pickle=False, **truth)

    def picture(
        self, turn: Float[np.ndarray, "3 3"], camera: SceneCamera, depth: float
    ) -> tuple[UInt8[np.ndarray, "S S 3"], UInt8[np.ndarray, "S S"], Int[np.ndarray, "P P"]]:
        """Frame, soft mask, and the segment in front at every rendered pixel (-1: background)."""

        def render(shown: mujoco.MjvOption) -> np.ndarray:
            self.renderer.update_scene(self.data, scene_option=shown)
            aim(self.renderer.scene, self.centre - turn[2] * depth, turn, camera, self.radius, depth)
            return self.renderer.render()

        self.renderer.disable_segmentation_rendering()
        colours = render(self.visual).astype(np.float64)
        self.renderer.enable_segmentation_rendering()
        found = render(self.visual)
        subject = found[..., 1] >= 0
        inner = render(self.inner) if self.model.nskin else found
        is_geom = inner[..., 1] == mujoco.mjtObj.mjOBJ_GEOM
        front = np.where(is_geom, self.segments[np.where(is_geom, inner[..., 0], 0)], -1)
        whole = np.where(subject[..., None], colours, 255 * self.options.background)
        image = np.rint(averaged(whole, self.options.supersample)).astype(np.uint8)
        mask = np.rint(255 * averaged(subject.astype(np.float64), self.options.supersample)).astype(np.uint8)
        return image, mask, front

    def in_view(self, xy: Float[np.ndarray, "K 2"], front: Int[np.ndarray, "P P"]) -> Bool[np.ndarray, " K"]:
        """Keypoints within the frame where the nearest surface, within a pixel, belongs to a limb that meets there."""
        side = len(front)
        column, row = np.rint((xy + 1) / 2 * side - 0.5).astype(int).T
        inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        meets = self.meeting_segments()
        padded = np.pad(front, 1, constant_values=-1)
        seen = np.zeros(len(xy), dtype=bool)
        for k in np.flatnonzero(inside):
            seen[k] = bool(meets[k] & set(padded[row[k] : row[k] + 3, column[k] : column[k] + 3].ravel().tolist()))
        return seen

    def meeting_segments(self) -> list[set[int]]:
        """Per keypoint the segments that carry it or end at it."""
        meets: list[set[int]] = [set() for _ in self.keypoints.kept]
        for candidate, keypoint in enumerate(self.keypoints.keypoint_of):
            above = self.body.parents[candidate]
            meets[keypoint] |= {int(self.body.owner[candidate]), *([int(self.body.owner[above])] if above >= 0 else [])}
        return meets

    def truth(
        self,
        xyz: Float[np.ndarray, "T K 3"],
        camera: SceneCamera,
        yaw: Float[np.ndarray, " T"],
        visible: Bool[np.ndarray, "T K"],
    ) -> dict[str, np.ndarray]:
        """Exact truth under the names of the built-in data; lengths in the model's unit (metres by convention)."""
        parents = self.keypoints.parents
        children = np.flatnonzero(parents >= 0)
        lengths = np.zeros(len(parents))
        lengths[children] = np.median(np.linalg.norm(xyz[:, children] - xyz[:, parents[children]], axis=-1), axis=0)
        names = tuple(self.body.names[c] for c in self.keypoints.kept)
        return {
            "keypoint_names": np.array(names),
            "xy": camera.project(xyz),
            "visible": visible,
            "xyz": xyz,
            "parents": parents.astype(np.int64),
            "edges": np.stack([parents[children], children], axis=1).astype(np.int64),
            "bone_lengths": lengths,
            "pairs": mirrored_pairs(names),
            "camera_kind": np.array(camera.kind),
            "camera_scale": np.array(camera.scale),
            "camera_translation": np.array(camera.translation),
            "camera_distance": np.array(camera.distance),
            "camera_yaw": yaw,
            "camera_elevation": np.array(np.radians(self.options.elevation)),
            "activity": np.array("swing"),
            "family": np.array(self.options.body_name),
            "units": np.array("m"),
        }


def load_model(options: MujocoOptions) -> mujoco.MjModel:
    """The model of the options, with room to render. Raises DataError naming the file and what MuJoCo says of it."""
    if options.creature:
        model = load_creature(options.creature)
    else:
        try:
            model = mujoco.MjModel.from_xml_path(str(options.model))
        except ValueError as error:
            raise DataError(f"{options.model}: MuJoCo cannot load it ({' '.join(str(error).split())})") from error
    side = options.size * options.supersample
    model.vis.global_.offwidth = max(model.vis.global_.offwidth, side)
    model.vis.global_.offheight = max(model.vis.global_.offheight, side)
    return model


def prepare_look(body: Body, options: MujocoOptions) -> Int[np.ndarray, " geoms"]:
    """Hide the scene, add light, colour limbs where asked; returns the segment of every geom (-1: hidden)."""
    model, segments = body.model, body.segment_of_body[body.model.geom_bodyid]
    model.geom_matid[segments < 0] = -1
    model.geom_rgba[segments < 0, 3] = 0.0
    light = model.vis.headlight
    light.ambient[:] = np.maximum(light.ambient, HEADLIGHT["ambient"])
    light.diffuse[:] = np.maximum(light.diffuse, HEADLIGHT["diffuse"])
    expose(model)
    if options.colours == "limbs":
        model.geom_matid[:] = -1
        model.geom_rgba[:, :3] = distinct_colours(len(body.bodies))[np.maximum(segments, 0)]
    return segments


def expose(model: mujoco.MjModel) -> None:
    """Dim all lights alike where a white face turned to all of them would be brighter than white.

    Where the brightest channel is cut off, a limb changes its hue with the light.
    """
    headlight = model.vis.headlight
    brightest = headlight.ambient + headlight.diffuse + (model.light_ambient + model.light_diffuse).sum(0)
    share = 1.0 / max(1.0, float(brightest.max()))
    for intensity in (headlight.ambient, headlight.diffuse, model.light_ambient, model.light_diffuse):
        intensity[:] *= share


def fitted_camera(xyz: Float[np.ndarray, "T K 3"], options: MujocoOptions, radius: float, depth: float) -> SceneCamera:
    """One scale for all clips of a body; each clip is centred in the frame."""
    camera = SceneCamera(options.camera, options.scale / radius, (0.0, 0.0), depth)
    xy = camera.project(xyz)
    middle = (xy.min((0, 1)) + xy.max((0, 1))) / 2
    return SceneCamera(options.camera, camera.scale, (-float(middle[0]), -float(middle[1])), depth)


def aim(
    scene: mujoco.MjvScene,
    place_of_camera: Float[np.ndarray, " 3"],
    turn: Float[np.ndarray, "3 3"],
    camera: SceneCamera,
    radius: float,
    depth: float,
) -> None:
    """Give MuJoCo's scene exactly our camera: rows of `turn` are its right, down and forward axes in the world."""
    near = max(depth - 2 * radius, 0.1 * radius)
    # Extent of the image at the near plane (perspective) or anywhere (orthographic), in units of the world.
    unit = near / camera.focal if camera.perspective else 1 / camera.scale
    for gl in scene.camera:
        gl.pos, gl.forward, gl.up = place_of_camera, turn[2], -turn[1]
        gl.orthographic = not camera.perspective
        gl.frustum_center, gl.frustum_width = -unit * camera.translation[0], 0.0
        gl.frustum_top, gl.frustum_bottom = unit * (1 + camera.translation[1]), unit * (camera.translation[1] - 1)
        gl.frustum_near, gl.frustum_far = near, depth + 2 * radius
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_SKYBOX):
        scene.flags[flag] = 0
    for light in scene.lights[: scene.nlight]:
        if light.headlight:
            light.pos, light.dir = place_of_camera, turn[2]


def averaged(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of `factor` pixels."""
    side = len(image) // factor
    return image.reshape(side, factor, side, factor, *image.shape[2:]).mean((1, 3))


def main(arguments: list[str]) -> int:
    """Draw all clips of the options; returns the exit status."""
    job = json.loads(Path(arguments[0]).read_text())
    try:
        studio = Studio(MujocoOptions(**job["options"]))
        for index, seed in enumerate(job["clip_seeds"]):
            studio.clip(index, seed, job["yaw_seed"], Path(arguments[1]) / f"clip-{index:04d}")
            print(f"clip {index}", flush=True)
    except ArticulateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
