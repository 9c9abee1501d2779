"""The engine: joint and split as a schedule, resuming, stopping, and what the schedule refuses."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from articulate.data.frames import iterate, row_numbers
from articulate.data.store import ClipStore, StoreWriter
from articulate.errors import ConfigError, Interrupted, TrainingError
from articulate.losses import Balancer, LossTerm
from articulate.records import Camera, Clips, Motion, Record, Tracks
from articulate.runs import RunFolder
from articulate.schedule import Context, GroupConfig, Moment, Stage, WholeRun, check_schedule, check_stage_names
from articulate.state import State
from articulate.training import GroupTrainer

SIZE = 8


class Points(Stage):
    """Two keypoints, linear in the mean colour."""

    name = "points"
    consumes = (Clips,)
    produces = Tracks
    loss_names = ("centre",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, state: State) -> Tracks:
        clips = state[Clips]
        xy = self.linear(clips.frames.mean((-1, -2))).unflatten(-1, (2, 2))
        eye = torch.eye(2).expand(*xy.shape[:3], 2, 2)
        return Tracks(xy=xy, score=torch.ones_like(xy[..., 0]), covariance=eye, index=clips.index)

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        noise = torch.randn(2, generator=moment.generator)
        return {"centre": (state[Tracks].xy - 0.1 * noise).square().mean()}


class Depth(Stage):
    """A depth for every keypoint."""

    name = "depth"
    consumes = (Tracks,)
    produces = Motion
    loss_names = ("deep",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, state: State) -> Motion:
        tracks = state[Tracks]
        z = self.linear(tracks.xy.flatten(-2))
        b, t = z.shape[:2]
        joints = torch.cat([tracks.xy, z[..., None]], -1)
        camera = Camera(torch.ones(b, t), torch.zeros(b, t, 2))
        return Motion(joints=joints, bone_lengths=torch.ones(b, 1), camera=camera, index=tracks.index)

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        return {"deep": (state[Motion].joints[..., 2] - 1).square().mean()}


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    """Two clips of noise; one frame cannot be decoded."""
    generator = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", recipe="test", options={}, image_size=SIZE) as writer:
        for name, count in (("a", 7), ("b", 5)):
            frames = generator.integers(0, 255, (count, SIZE, SIZE, 3)).astype(np.uint8)
            valid = np.arange(count) != 3
            with writer.clip(name, fps=25, source="made.mp4", source_size=(SIZE, SIZE)) as clip:
                clip.append(frames, 2 * np.arange(count), valid, np.tile([1.0, 0.0, 0.0], (count, 1)))
    return ClipStore.open(tmp_path / "store")


def make(store: ClipStore, folder: Path) -> tuple[Context, dict[str, Stage]]:
    """A context and the two stages with fixed first weights."""
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(0, torch.device("cpu"), store, RunFolder(folder), {}, {}, lambda text: None)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return context, {"points": Points(), "depth": Depth()}


def trainer(context: Context, stages: list[Stage], steps: int, records: State, number: int = 0) -> GroupTrainer:
    """The trainer of one group with weight 1 for every loss."""
    terms = {name: LossTerm() for stage in stages for name in stage.loss_names}
    whole = WholeRun(context, records, lambda: iterate(context.store, 4))
    config = GroupConfig(stages=[s.name for s in stages], steps=steps, batch_size=3)
    return GroupTrainer(number, config, stages, context, whole, terms, Balancer(terms, "fixed"))


def weights(stage: Stage) -> dict[str, Tensor]:
    """A copy of a stage's weights."""
    return {k: v.clone() for k, v in stage.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return all(torch.equal(a[k], b[k]) for k in a)


def whole_tracks(context: Context, stage: Stage) -> State:
    """The whole-run record of the first stage."""
    record = stage.finish(WholeRun(context, State(), lambda: iterate(context.store, 4)))
    assert record is not None
    return State(record)


def test_split_leaves_the_detector_as_it_was(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    before = weights(stages["points"])
    trainer(context, [stages["depth"]], 5, whole_tracks(context, stages["points"])).train("f", "split")
    assert same(before, weights(stages["points"]))


def test_pixels_are_read_where_a_stage_of_the_group_consumes_them(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    records = whole_tracks(context, stages["points"])
    alone, both = (trainer(context, [stages[n] for n in names], 5, records) for names in (["depth"], list(stages)))
    assert Clips not in alone.batch(2) and Clips in both.batch(2)
    # The rows are those of the frames that are read for the other group.
    assert torch.equal(alone.batch(2)[Tracks].xy, both.batch(2)[Tracks].xy)
    expected = stages["points"](State(both.batch(2)[Clips]))
    assert torch.allclose(alone.batch(2)[Tracks].xy, expected.xy)


def test_joint_moves_both(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    before = {name: weights(stage) for name, stage in stages.items()}
    group = trainer(context, list(stages.values()), 5, State())
    group.terms["centre"] = LossTerm(weight=0.0)
    group.balancer = Balancer(dict(group.terms), "fixed")
    group.train("f", "joint")
    assert not same(before["depth"], weights(stages["depth"]))
    # Only the depth loss is active: what moved the detector came through the stage boundary.
    assert not same(before["points"], weights(stages["points"]))


def test_rows_follow_the_true_frame_numbers(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    group = trainer(context, [stages["depth"]], 1, whole_tracks(context, stages["points"]))
    index = group.batches.batch(0).index
    rows = row_numbers(store, index)
    expected = [int(f) // 2 + (7 if int(c) else 0) for c, f in zip(index.clip[:, 0], index.frame[:, 0], strict=True)]
    assert rows[:, 0].tolist() == expected


def test_frames_that_cannot_be_decoded_are_rows_of_nan(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    tracks = whole_tracks(context, stages["points"])[Tracks]
    missing = tracks.xy.isnan().all(-1).all(-1)[0]
    assert missing.nonzero()[:, 0].tolist() == [3, 10]
    assert tracks.score[0, 3].tolist() == [0, 0]
    assert tracks.index is not None and tracks.index.frame[0].tolist() == [0, 2, 4, 6, 8, 10, 12, 0, 2, 4, 6, 8]


class StopAt(Depth):
    """Asks to stop at one step, as SIGTERM would, or makes a loss that is not finite."""

    stop: int | None = None
    broken: int | None = None
    group: GroupTrainer

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        if moment.step == self.stop:
            os.kill(os.getpid(), signal.SIGTERM)
        losses = super().losses(state, moment)
        return {k: v * torch.nan for k, v in losses.items()} if moment.step == self.broken else losses


def test_a_stopped_training_goes_on_bit_for_bit(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "whole")
    trainer(context, list(stages.values()), 9, State()).train("f", "whole")
    again, parts = make(store, tmp_path / "parts")
    stopping = StopAt()
    stopping.load_state_dict(parts["depth"].state_dict())
    stopping.stop = 4
    with pytest.raises(Interrupted, match="step 5 of 9"):
        trainer(again, [parts["points"], stopping], 9, State()).train("f", "parts")
    again, fresh = make(store, tmp_path / "parts")
    trainer(again, list(fresh.values()), 9, State()).train("f", "parts")
    assert all(same(weights(stages[name]), weights(fresh[name])) for name in stages)
    lines = [json.loads(line)["step"] for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert lines == list(range(9))


def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    broken = StopAt()
    broken.broken = 3
    with pytest.raises(TrainingError, match="deep.*step 3"):
        trainer(context, [stages["points"], broken], 9, State()).train("f", "nan")


def test_another_configuration_does_not_resume(store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    trainer(context, [stages["points"]], 2, State()).train("one", "first")
    assert trainer(context, [stages["points"]], 2, State()).resume("one") == 2
    assert trainer(context, [stages["points"]], 2, State()).resume("two") == 0


def test_the_schedule_refuses_what_it_cannot_do() -> None:
    stages: dict[str, Stage] = {"points": Points(), "depth": Depth()}
    with pytest.raises(ConfigError, match="did you mean `points`"):
        check_stage_names([GroupConfig(stages=["point"])], list(stages))
    with pytest.raises(ConfigError, match="`depth` needs Tracks"):
        check_schedule([GroupConfig(stages=["depth"])], stages, [])
    good = [GroupConfig(stages=["points"], steps=1), GroupConfig(stages=["depth"], steps=1)]
    with pytest.raises(ConfigError, match="no scheduled stage computes `depp`; did you mean `deep`"):
        check_schedule(good, stages, ["centre", "deep", "depp"])
    with pytest.raises(ConfigError, match="`deep` is computed.*no weight"):
        check_schedule(good, stages, ["centre"])
    check_schedule(good, stages, ["centre", "deep"])


def test_an_absent_record_says_what_there_is(store: ClipStore) -> None:
    state = State(next(iter(iterate(store, 4))))
    with pytest.raises(ConfigError, match=r"Tracks is not available yet \(have: Clips\)"):
        state[Tracks]


@pytest.mark.parametrize("kind", [Tracks, Motion])
def test_records_round_trip(kind: type[Record], store: ClipStore, tmp_path: Path) -> None:
    context, stages = make(store, tmp_path / "run")
    records = whole_tracks(context, stages["points"])
    if kind is Motion:
        motion = stages["depth"].finish(WholeRun(context, records, lambda: iterate(store, 4)))
        assert motion is not None
        records.add(motion)
    record = records[kind]
    record.save(tmp_path / "record.npz")
    loaded = kind.load(tmp_path / "record.npz")
    for name, array in record.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array)
