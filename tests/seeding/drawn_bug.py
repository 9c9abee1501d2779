"""A bug seen from above that walks about: frames, masks and landmarks that are known."""

import numpy as np

from articulate.data.store import ClipStore, StoreWriter
from articulate.seeding.body.frame import BodyPose, body_from_image, image_from_body

SIZE = 64
LEGS = np.array([[0.3, -0.55], [-0.05, -0.6], [-0.4, -0.5], [0.3, 0.55], [-0.05, 0.6], [-0.4, 0.5]])


def drawn_animal(
    num_frames: int, seed: int, circle: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Frames, masks, landmarks (nose, tail, six feet; pixels) and angles of a bug that walks about on grey ground."""
    generator = np.random.default_rng(seed)
    time = np.arange(num_frames)
    angle = (2 * np.pi if circle else 0.05) * time / num_frames + 0.3
    centre = SIZE / 2 + 1.5 * generator.standard_normal((num_frames, 2))
    frames, masks, points = drawn(BodyPose(centre, angle, 30.0))
    return frames, masks, points, angle


def two_that_touch(num_frames: int) -> tuple[np.ndarray, np.ndarray, BodyPose]:
    """Frames, masks and pose of a bug that another one meets head on and turns around, one mask while they touch.

    The other comes nearer and leaves again in the middle third of the frames; it is larger, and partly out of view.
    """
    time = np.arange(num_frames)
    pose = BodyPose(np.full((num_frames, 2), SIZE / 2.0), 2 * np.pi * time / num_frames + 0.3, 16.0)
    frames, masks, _ = drawn(pose)
    nearness = np.clip(1 - np.abs(time - num_frames / 2) / (num_frames / 6), 0, 1)
    way = pose.angle + 0.4 * np.sin(time / 5)
    distance = 40 - 14 * np.sqrt(nearness)
    ahead = np.stack([np.cos(way), np.sin(way)], -1)
    other, over, _ = drawn(BodyPose(pose.centre + distance[:, None] * ahead, way + np.pi, 20.0))
    both = np.where(over[..., None] > 0, other, frames)
    touch = nearness > 0
    return both, np.where(touch[:, None, None], np.maximum(masks, over), masks), pose


def drawn(pose: BodyPose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, masks and landmarks of a bug in this pose of every frame."""
    num_frames = len(pose.angle)
    time = np.arange(num_frames)
    swing = 0.1 * np.sin(time[:, None] / 3 + np.arange(6) * np.pi)
    feet = LEGS[None] + np.stack([swing, np.zeros_like(swing)], -1)
    ends = np.broadcast_to(np.array([[0.6, 0.0], [-0.65, 0.0]]), (num_frames, 2, 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    pixels = np.broadcast_to(np.stack([x.ravel(), y.ravel()], -1).astype(float), (num_frames, SIZE * SIZE, 2))
    body = body_from_image(pixels, pose).reshape(num_frames, SIZE, SIZE, 2)
    u, v = body[..., 0], body[..., 1]
    trunk = (u / 0.6) ** 2 + (v / 0.2) ** 2 < 1
    head = (u - 0.45) ** 2 + v**2 < 0.15**2
    mask = trunk | head
    for leg in range(6):
        hip = np.array([LEGS[leg, 0] * 0.6, 0.0])
        offset = feet[:, leg] - hip
        share = ((body - hip) * offset[:, None, None]).sum(-1) / (offset**2).sum(-1)[:, None, None]
        near = body - hip - np.clip(share, 0, 1)[..., None] * offset[:, None, None]
        mask |= np.linalg.norm(near, axis=-1) < 0.035
    grey = np.where(head, 230, np.where(trunk, 170, np.where(mask, 140, 40))).astype(np.uint8)
    points = image_from_body(np.concatenate([ends, feet], 1), pose)
    return np.repeat(grey[..., None], 3, -1), np.where(mask, 255, 0).astype(np.uint8), points


def make_store(path, frames: np.ndarray, masks: np.ndarray) -> ClipStore:
    """A clip store of one clip."""
    count = len(frames)
    with (
        StoreWriter(path, recipe="test", options={}, image_size=SIZE) as writer,
        writer.clip("bug", fps=30.0, source="drawn", source_size=(SIZE, SIZE), with_mask=True) as clip,
    ):
        clip.append(frames, np.arange(count), np.ones(count, bool), np.tile([1.0, 0.0, 0.0], (count, 1)), masks)
    return ClipStore.open(path)
