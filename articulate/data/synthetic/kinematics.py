"""Forward kinematics of a figure from bone angles, and the rotations it is made of (NumPy, float64)."""

import numpy as np
from jaxtyping import Float, Int


def rotation_about(axis: int, angle: Float[np.ndarray, "..."]) -> Float[np.ndarray, "... 3 3"]:
    """Right-handed rotation by `angle` (rad) about axis 0 (x), 1 (y) or 2 (z)."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = cos
    matrix[..., second, second] = cos
    matrix[..., first, second] = -sin
    matrix[..., second, first] = sin
    return matrix


def rotation_from_angles(angles: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3 3"]:
    """R = Rz(abduction) Rx(flexion) Ry(twist): twist about the bone's own upright axis comes first."""
    return rotation_about(2, angles[..., 2]) @ rotation_about(0, angles[..., 0]) @ rotation_about(1, angles[..., 1])


def forward_kinematics(
    parents: Int[np.ndarray, " K"],
    offsets: Float[np.ndarray, "K 3"],
    angles: Float[np.ndarray, "T K 3"],
    root_rotation: Float[np.ndarray, "T 3 3"],
    root_translation: Float[np.ndarray, "T 3"],
) -> tuple[Float[np.ndarray, "T K 3"], Float[np.ndarray, "T K 3 3"]]:
    """Positions and bone orientations: G_k = G_parent R(angles_k), p_k = p_parent + G_k offset_k.

    Each bone has its own rotation, so a limit on `angles[k]` is a limit on the swing of one bone.
    """
    local = rotation_from_angles(angles)
    positions = np.empty((len(angles), len(parents), 3))
    orientations = np.empty((len(angles), len(parents), 3, 3))
    for k, parent in enumerate(parents):
        if parent < 0:
            positions[:, k], orientations[:, k] = root_translation, root_rotation
        else:
            orientations[:, k] = orientations[:, parent] @ local[:, k]
            positions[:, k] = positions[:, parent] + orientations[:, k] @ offsets[k]
    return positions, orientations


def lowest_height(heights: Float[np.ndarray, "T K"], softness: float) -> Float[np.ndarray, " T"]:
    """Smooth minimum over K, -softness log mean exp(-h / softness): changes feet without a jerk."""
    scaled = -heights / softness
    top = scaled.max(1, keepdims=True)
    return -softness * (top[:, 0] + np.log(np.exp(scaled - top).mean(1)))


def swing_frames(
    points: Float[np.ndarray, "T K 3"], parents: Int[np.ndarray, " K"], edges: Int[np.ndarray, "L 2"]
) -> Float[np.ndarray, "T L 3 3"]:
    """Orientation of each limb for a figure of which only joint positions are known.

    Limbs are taken parent first; each frame is its parent limb's frame turned by the smallest rotation that brings its
    direction in line (a bone's own twist cannot be known from positions).
    """
    num_frames = len(points)
    limb_of = {int(child): index for index, (_, child) in enumerate(edges)}
    reference = np.broadcast_to(np.eye(3), (num_frames, 3, 3))
    frames = np.empty((num_frames, len(edges), 3, 3))
    depth = [_depth(parents, int(child)) for child in edges[:, 1]]
    for index in np.argsort(depth, kind="stable"):
        parent, child = edges[index]
        base = frames[:, limb_of[int(parent)]] if int(parent) in limb_of else reference
        frames[:, index] = _aligned(base, points[:, child] - points[:, parent])
    return frames


def _depth(parents: np.ndarray, keypoint: int) -> int:
    count = 0
    while parents[keypoint] >= 0:
        keypoint, count = int(parents[keypoint]), count + 1
    return count


def _aligned(base: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """`base` turned by the smallest rotation that takes its y axis to `direction` (Rodrigues)."""
    # A zero-length limb keeps its parent's frame; 1e-12 keeps the division finite.
    target = direction / np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-12)
    source = base[..., :, 1]
    axis = np.cross(source, target)
    cos = np.einsum("ti,ti->t", source, target)
    cross = np.zeros_like(base)
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross = cross - np.swapaxes(cross, 1, 2)
    # 1 + cos is 0 for a limb folded straight back; any half turn is right there.
    turn = np.eye(3) + cross + cross @ cross / np.maximum(1 + cos, 1e-6)[:, None, None]
    return turn @ base
