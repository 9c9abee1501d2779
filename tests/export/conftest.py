"""A perfect run of the small figure of tests/evaluation, as a `Result`."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from figure_scene import EDGES, NAMES, make_scene  # noqa: E402

from articulate.lifting.articulation import articulation_from_motion  # noqa: E402
from articulate.result import ClipInfo, Result  # noqa: E402


@pytest.fixture(scope="session")
def result(tmp_path_factory) -> Result:
    """Two clips of 40 frames, 7 keypoints, with the clip store to draw on."""
    folder = tmp_path_factory.mktemp("figure") / "store"
    store, tracks, skeleton, motion = make_scene(folder)
    return Result(
        tracks=tracks,
        skeleton=skeleton,
        clips=tuple(ClipInfo(c.name, c.fps, c.source, c.source_size) for c in store.clips),
        source_from_store=torch.cat([torch.from_numpy(store.source_from_store(i)) for i in range(2)]),
        store_size=store.image_size,
        motion=motion,
        articulation=articulation_from_motion(motion.joints[0].double(), EDGES, NAMES),
        provenance={"version": "0.1.0", "seed": 3, "stand_in": "STAND-IN DATA: test", "config": {"name": "test"}},
        store=str(folder),
    )
