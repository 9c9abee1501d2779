"""A foot that reaches behind the ankle: its heel is no keypoint. A foot that begins at the ankle has none."""

import numpy as np
import pytest

from articulate.seeding.capsule_fit import Evidence, FitSettings
from articulate.seeding.parts.heels import joints_beside
from articulate.seeding.parts.hidden import Trial
from articulate.seeding.parts.tree import Connection, assemble

NUM_FRAMES, SIZE = 8, 64
JOINTS = [Connection((0, 1), (1, 0), 0.1), Connection((1, 1), (2, 0), 0.1)]


def drawn(behind: float) -> tuple[np.ndarray, Evidence]:
    """Ends of thigh, shin and foot, the foot reaching behind the ankle so far, and the picture of all frames."""
    swing = np.linspace(-0.5, 0.5, NUM_FRAMES)
    ends = np.zeros((NUM_FRAMES, 3, 2, 2))
    down = np.stack([np.sin(swing), np.cos(swing)], -1)
    ends[:, 0, 0] = (24.0, 8.0)
    ends[:, 0, 1] = ends[:, 1, 0] = ends[:, 0, 0] + 16 * down
    ends[:, 1, 1] = ends[:, 1, 0] + 16 * down[::-1]
    ahead = np.stack([np.cos(0.5 * swing), np.sin(0.5 * swing)], -1)
    ends[:, 2, 0] = ends[:, 1, 1] - behind * ahead
    ends[:, 2, 1] = ends[:, 1, 1] + 10 * ahead
    labels = np.full((NUM_FRAMES, SIZE, SIZE), -1, np.int64)
    row, column = np.mgrid[:SIZE, :SIZE]
    pixel = np.stack([column, row], -1)
    for t in range(NUM_FRAMES):
        for part in range(3):
            a, b = ends[t, part]
            foot = np.clip(((pixel - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
            labels[t][np.linalg.norm(pixel - a - foot[..., None] * (b - a), axis=-1) < 2.0] = part
    return ends, Evidence(labels, (labels >= 0).astype(np.float32), np.zeros(NUM_FRAMES, np.int64))


@pytest.mark.parametrize(("behind", "expected"), [(5.0, [((1, 1), (2, 0))]), (0.0, [])])
def test_only_a_limb_that_reaches_behind_its_joint_has_a_heel(behind, expected):
    ends, evidence = drawn(behind)
    settings = FitSettings(steps=40, smoothness=0.0)
    joined = assemble(ends, np.ones(ends.shape[:2]), np.full((3, 2), 2.0), JOINTS, [])
    found = joints_beside(Trial(JOINTS, [], joined, ends, evidence, settings), JOINTS, least=0.5)
    assert [(one.first, one.second) for one in found] == expected
