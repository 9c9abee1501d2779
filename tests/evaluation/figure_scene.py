"""A small articulated figure with known answers: store on disk, and the records that a perfect run would produce."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from articulate.data.store import ClipStore, StoreWriter
from articulate.geometry.coordinates import pixels_from_normalised
from articulate.lifting.kinematics import forward_kinematics
from articulate.records import Camera, FrameIndex, Motion, Skeleton, Tracks
from articulate.seeds import torch_generator

NAMES = ("hip", "neck", "head", "left_hand", "right_hand", "left_foot", "right_foot")
PARENTS = [-1, 0, 1, 1, 1, 0, 0]
EDGES = torch.tensor([[0, 1], [0, 5], [0, 6], [1, 2], [1, 3], [1, 4]])
LENGTHS = torch.tensor([1.2, 1.1, 1.1, 0.6, 1.0, 1.0], dtype=torch.float64)
PAIRS = [(3, 4), (5, 6)]
SCALE = 0.25


def motion_of_clip(num_frames: int, number: int) -> torch.Tensor:
    """Joints [T, K, 3] of one clip: limbs that swing about their rest directions while the body turns."""
    generator = torch_generator(7, "scene", number)
    t = torch.arange(num_frames, dtype=torch.float64)[:, None] / 12
    phase = 6.28 * torch.rand(6, 2, generator=generator, dtype=torch.float64)
    middle = torch.tensor([-math.pi / 2, 1.1, 2.0, -math.pi / 2, 0.5, 2.6], dtype=torch.float64)
    angle = middle + 0.6 * torch.sin(t + phase[:, 0])
    out = 0.7 * torch.sin(0.7 * t + phase[:, 1])
    direction = torch.stack([angle.cos() * out.cos(), angle.sin() * out.cos(), out.sin()], -1)
    yaw = 0.8 * torch.sin(t[:, 0] / 2 + number)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    turn = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], -1).view(-1, 3, 3)
    joints = forward_kinematics(torch.zeros(num_frames, 3, dtype=torch.float64), direction, LENGTHS, EDGES)
    return (joints @ turn.transpose(1, 2)).float()


def picture(xy: torch.Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """RGB frame and mask of the figure at image coordinates `xy`."""
    pixels = pixels_from_normalised(xy, (size, size)).tolist()
    canvas, mask = Image.new("RGB", (size, size), (235, 235, 225)), Image.new("L", (size, size))
    for number, (a, b) in enumerate(EDGES.tolist()):
        line = [tuple(pixels[a]), tuple(pixels[b])]
        ImageDraw.Draw(canvas).line(line, fill=(40 + 30 * number, 60, 160 - 20 * number), width=max(2, size // 14))
        ImageDraw.Draw(mask).line(line, fill=255, width=max(2, size // 14))
    for x, y in pixels:
        box = [x - size / 20, y - size / 20, x + size / 20, y + size / 20]
        ImageDraw.Draw(canvas).ellipse(box, fill=(60, 60, 90))
        ImageDraw.Draw(mask).ellipse(box, fill=255)
    return np.asarray(canvas), np.asarray(mask)


def make_scene(folder: Path, num_clips: int = 2, num_frames: int = 40, size: int = 48, with_truth: bool = True):
    """Store at `folder` and the perfect tracks, skeleton and motion of its clips, one after the other."""
    joints, image, clips, frames = [], [], [], []
    with StoreWriter(folder, recipe="synthetic", options={"clips": num_clips}, image_size=size) as store:
        for number in range(num_clips):
            xyz = motion_of_clip(num_frames, number)
            t = torch.arange(num_frames)
            shift = torch.stack([0.1 * torch.sin(t / 15.0), 0.15 + 0.05 * torch.cos(t / 9.0)], -1)
            xy = SCALE * xyz[..., :2] + shift[:, None]
            drawn = [picture(frame, size) for frame in xy]
            source = np.stack([np.full(num_frames, 2.0), 10.0 + np.arange(num_frames), np.full(num_frames, 6.0)], -1)
            with store.clip(f"clip{number}", fps=25, source="", source_size=(220, 120), with_mask=True) as clip:
                clip.append(
                    np.stack([d[0] for d in drawn]),
                    np.arange(num_frames) + 3,
                    np.ones(num_frames, bool),
                    source,
                    np.stack([d[1] for d in drawn]),
                )
                if with_truth:
                    clip.truth(truth_arrays(xy, xyz))
            joints.append(xyz)
            image.append(shift)
            clips += [number] * num_frames
            frames += list(range(3, num_frames + 3))
    index = FrameIndex(torch.tensor([clips]), torch.tensor([frames]))
    return ClipStore.open(folder), *records(torch.cat(joints), torch.cat(image), index)


def truth_arrays(xy: torch.Tensor, xyz: torch.Tensor) -> dict[str, np.ndarray]:
    """What a recipe writes beside a clip."""
    return {
        "keypoint_names": np.array(NAMES),
        "xy": xy.numpy(),
        "visible": np.ones(xy.shape[:2], bool),
        "xyz": xyz.numpy(),
        "parents": np.array(PARENTS),
        "edges": EDGES.numpy(),
        "bone_lengths": LENGTHS.numpy(),
        "pairs": np.array(PAIRS),
        "activity": np.array("wave"),
        "units": np.array("mean bone length"),
    }


def records(xyz: torch.Tensor, shift: torch.Tensor, index: FrameIndex) -> tuple[Tracks, Skeleton, Motion]:
    """The records of a perfect run."""
    count, joints = len(xyz), len(NAMES)
    xy = SCALE * xyz[..., :2] + shift[:, None]
    tracks = Tracks(
        xy[None], torch.full((1, count, joints), 0.9), 1e-4 * torch.eye(2).expand(1, count, joints, 2, 2), index
    )
    connection = torch.zeros(joints, joints)
    connection[EDGES[:, 0], EDGES[:, 1]] = connection[EDGES[:, 1], EDGES[:, 0]] = 1.0
    distance = torch.cdist(xyz, xyz).var(0)
    skeleton = Skeleton(EDGES, connection, distance, 0.9 * connection + 0.01)
    camera = Camera(torch.full((1, count), SCALE), shift[None].float())
    lengths = LENGTHS.float()[None]
    motion = Motion(xyz[None], lengths, camera, torch.full((1, count, len(EDGES)), 0.8), index)
    return tracks, skeleton, motion
