"""One clip of built-in data: pose, view, draw, and keep the truth. Clip i depends on the seed and on i alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from articulate.data.synthetic.backgrounds import make_background
from articulate.data.synthetic.cameras import CAMERA_FROM_WORLD, SceneCamera, view_rotation, yaw_path
from articulate.data.synthetic.capsules import render_capsules
from articulate.data.synthetic.families import get_family
from articulate.data.synthetic.family import Family
from articulate.data.synthetic.mocap import Recording, load_recordings, pose_recording, recording_family
from articulate.data.synthetic.options import SyntheticOptions
from articulate.data.synthetic.poses import Poses, pose_family
from articulate.data.synthetic.sticks import render_sticks
from articulate.data.synthetic.style import Rendered, Style, make_style
from articulate.seeds import numpy_generator

CHUNK = 128  # frames drawn at a time, so that memory does not grow with the clip


@dataclass(frozen=True)
class SyntheticClip:
    """Frames, soft mask, the empty scene, and everything that is true about them (see `truth_of`)."""

    name: str
    fps: float
    frames: UInt8[np.ndarray, "T S S 3"]
    mask: UInt8[np.ndarray, "T S S"]
    background: UInt8[np.ndarray, "S S 3"]
    truth: dict[str, np.ndarray]


@dataclass(frozen=True)
class Scene:
    """A posed clip in front of its camera: points and limb frames in camera axes."""

    family: Family
    activity: str
    fps: float
    xyz: Float[np.ndarray, "T K 3"]
    limb_frames: Float[np.ndarray, "T L 3 3"]
    camera: SceneCamera
    yaw: Float[np.ndarray, " T"]
    elevation: float


def generate_clips(options: SyntheticOptions) -> Iterator[SyntheticClip]:
    """The clips of `options`, one at a time. Raises DataError when recorded motion cannot be used."""
    recordings = load_recordings(options.motion) if options.motion else []
    for index in range(options.num_clips):
        yield draw_scene(make_scene(options, index, recordings), options, index)


def make_scene(options: SyntheticOptions, index: int, recordings: list[Recording] | None = None) -> Scene:
    """Motion and camera of clip `index`, nothing drawn yet."""
    draw = numpy_generator(options.seed, "synthetic", "scene", index)
    if recordings:
        recording = recordings[index % len(recordings)]
        family, activity = recording_family(recording, recordings), recording.name
        stride = max(1, round(recording.fps / options.fps))
        poses = pose_recording(recording, options.num_frames, stride, draw, options.follow)
        fps = recording.fps / stride
    else:
        family = get_family(options.family)
        if options.body_spread > 0:
            family = family.varied(draw, options.body_spread)
        names = options.activities or tuple(family.activities)
        activity, fps = names[index % len(names)], options.fps
        times = np.arange(options.num_frames) / options.fps * options.speed
        motion = numpy_generator(options.seed, "synthetic", "motion", family.name, index)
        poses = pose_family(family, activity, times, motion, options.wander)
    return _viewed(options, index, family, activity, fps, poses, draw)


def _viewed(
    options: SyntheticOptions,
    index: int,
    family: Family,
    activity: str,
    fps: float,
    poses: Poses,
    draw: np.random.Generator,
) -> Scene:
    """Put a clip in front of its camera; the whole clip is centred in the frame."""
    num_frames = len(poses.points)
    if family.planar:
        xyz, frames = poses.points @ CAMERA_FROM_WORLD.T, CAMERA_FROM_WORLD @ poses.limb_frames
        camera = SceneCamera("orthographic", 1.0)
        return Scene(family, activity, fps, xyz, frames, camera, np.zeros(num_frames), 0.0)
    times = np.arange(num_frames) / fps
    shared = numpy_generator(options.seed, "synthetic", "yaw").uniform()
    direction = -1.0 if draw.integers(2) else 1.0
    yaw = yaw_path(index, times, float(times[-1]), np.radians(options.yaw_coverage), shared, direction)
    if options.yaw_start is not None:
        yaw = yaw - yaw[0] + np.radians(options.yaw_start)
    degrees = family.elevation if options.elevation is None else options.elevation
    elevation = np.radians(degrees + options.elevation_spread * draw.standard_normal())
    scale = 2.0 * options.scale / family.reference_size * np.exp(options.scale_spread * draw.standard_normal())
    turn = view_rotation(yaw, float(elevation))
    centre = (poses.points.min((0, 1)) + poses.points.max((0, 1))) / 2
    xyz = np.einsum("tij,tkj->tki", turn, poses.points - centre)
    distance = options.distance * family.reference_size if options.camera == "perspective" else 0.0
    xyz = xyz + np.array([0.0, 0.0, distance])
    camera = SceneCamera(options.camera, float(scale), (0.0, 0.0), distance)
    xy = camera.project(xyz)
    middle = (xy.min((0, 1)) + xy.max((0, 1))) / 2
    camera = replace(camera, translation=(-float(middle[0]), -float(middle[1])))
    return Scene(family, activity, fps, xyz, turn[:, None] @ poses.limb_frames, camera, yaw, float(elevation))


def draw_scene(scene: Scene, options: SyntheticOptions, index: int) -> SyntheticClip:
    """Draw a scene and gather its truth."""
    kind = options.background
    if kind == "auto":
        kind = "black" if options.look == "sticks" else "plain"
    empty = make_background(kind, options.size, numpy_generator(options.seed, "synthetic", "background", index))
    style = make_style(scene.family, options.look, options.cue, options.texture)
    noise = numpy_generator(options.seed, "synthetic", "noise", index)
    parts = [
        _draw(scene, options, style, empty, slice(start, start + CHUNK), noise)
        for start in range(0, len(scene.xyz), CHUNK)
    ]
    frames, mask, visible = (np.concatenate([part[i] for part in parts]) for i in range(3))
    truth = truth_of(scene, visible, mask)
    return SyntheticClip(f"{index:04d}_{scene.activity}", scene.fps, frames, mask, empty, truth)


def _draw(
    scene: Scene,
    options: SyntheticOptions,
    style: Style,
    empty: np.ndarray,
    part: slice,
    noise: np.random.Generator,
) -> Rendered:
    xyz, edges = scene.xyz[part], scene.family.edges
    if options.noise > 0:
        jitter = noise.standard_normal((*xyz.shape[:2], 2)) * (0.02 * options.noise)
        depth = xyz[..., 2:] if scene.camera.perspective else 1.0
        size = scene.camera.focal if scene.camera.perspective else scene.camera.scale
        xyz = xyz + np.concatenate([jitter * depth / size, np.zeros_like(jitter[..., :1])], axis=-1)
    if options.look == "sticks":
        points = scene.camera.project(xyz)
        drawn = render_sticks(points, xyz[..., 2], edges, style, options.size, options.blur, options.occlusion, empty)
    else:
        drawn = render_capsules(xyz, scene.camera, edges, style, options.size, empty, scene.limb_frames[part])
    if options.pixel_noise > 0:
        grain = 255.0 * options.pixel_noise * noise.standard_normal(drawn.frames.shape)
        drawn = drawn._replace(frames=np.clip(np.rint(drawn.frames + grain), 0, 255).astype(np.uint8))
    return drawn


def truth_of(scene: Scene, visible: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Exact truth by name: `xy` in the image frame, `xyz` in the camera frame in `units`, the tree, the camera.

    `bone_lengths[k]` belongs to the bone that ends in keypoint k (0 for the root); `mask_area` is the
    foreground's share of the frame.
    """
    family, camera = scene.family, scene.camera
    return {
        "keypoint_names": np.array(family.names),
        "xy": camera.project(scene.xyz),
        "visible": visible,
        "xyz": scene.xyz,
        "parents": family.parents.astype(np.int64),
        "edges": family.edges.astype(np.int64),
        "bone_lengths": family.bone_lengths,
        "pairs": family.pairs,
        "camera_kind": np.array(camera.kind),
        "camera_scale": np.array(camera.scale),
        "camera_translation": np.array(camera.translation),
        "camera_distance": np.array(camera.distance),
        "camera_yaw": scene.yaw,
        "camera_elevation": np.array(scene.elevation),
        "activity": np.array(scene.activity),
        "family": np.array(family.name),
        "units": np.array(family.units),
        "mask_area": mask.mean((1, 2)) / 255.0,
    }
