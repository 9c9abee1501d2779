"""What tables T3 and T7 are about: targets, metrics, the bodies that whole runs see."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoreboard import Row

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
TARGET = {"T3": 3.0, "T7": 4.0}
TARGET_F1 = 0.95
TARGET_DEPTH = 0.5
TARGET_SWITCHES = 10.0  # per 1000 frames
FULL = {"size": 128, "num_frames": 120, "fps": 30.0}
METRICS = {
    "on-joint error": ("% body", "error_body"),
    "PCK 0.05": ("%", "pck_05"),
    "unmatched landmarks": ("", "unmatched"),
    "edge F1": ("share", "f1"),
    "edge F1 up to rigid groups": ("share", "rigid_f1"),
    "keypoints found": ("", "found_keypoints"),
}
WHOLE_METRICS = METRICS | {
    "MPJPE / flat": ("ratio", "over_flat"),
    "MPJPE": ("%d", "mpjpe_d"),
    "signs of depth right": ("share", "sign_accuracy"),
    "identity switches": ("per 1000 frames", "switches_per_1000"),
    "left/right flips": ("%", "left_right_flips"),
}


@dataclass(frozen=True)
class Body:
    """A body of the tables: its row's name, and the data section of a run but for the seed."""

    table: str
    name: str
    data: dict

    @property
    def data_key(self) -> str:
        """The data section as a part of the names of kept cells: files without their folders."""
        data = {key: Path(value).name if key in ("motion", "model") else value for key, value in self.data.items()}
        return json.dumps(data, sort_keys=True)


def bodies(size: int, num_clips: int, num_frames: int) -> Iterator[Body]:
    """The bodies of whole runs: people as sticks and capsules, creatures, MuJoCo bodies; limbs differ in colour.

    Motion lasts four seconds a clip whatever the number of frames, and the subject turns half round in it. Recorded
    people are always drawn at `FULL`: at half of it a third of their 22 or 30 limbs is no longer than it is wide.
    """
    length = {"size": size, "num_clips": num_clips, "num_frames": num_frames, "fps": num_frames / 4}
    clips = SHARED / "cmu_mocap" / "clips"
    recorded, subjects = (FULL | {"motion": str(clips / name)} for name in ("salsa_0*.npz", "0[12]_0*.npz"))
    built_in = {"recipe": "synthetic", "cue": "colours", **length}
    yield Body("T3", "person, sticks", {**built_in, "family": "person", "look": "sticks"})
    yield Body("T3", "CMU salsa, sticks", {**built_in, **recorded, "look": "sticks"})
    for family in ("person", "quadruped", "hexapod", "arm", "snake"):
        yield Body("T7", f"{family}, capsules", {**built_in, "family": family, "look": "capsules"})
    simulated = {"recipe": "mujoco", "colours": "limbs", **length}
    yield Body("T7", "MuJoCo ant", {**simulated, "creature": "ant"})
    model = str(SHARED / "models_dev" / "kinova_gen3" / "gen3.xml")
    yield Body("T7", "MuJoCo kinova arm", {**simulated, "model": model})
    yield Body("T3", "CMU subjects 1 and 2, sticks", {**built_in, **subjects, "look": "sticks"})
    yield Body("T7", "CMU salsa, capsules", {**built_in, **recorded, "look": "capsules"})
    model = str(SHARED / "models_dev" / "google_barkour_vb" / "barkour_vb.xml")
    yield Body("T7", "MuJoCo barkour", {**simulated, "model": model})
    yield Body("T7", "MuJoCo humanoid", {**simulated, "creature": "humanoid"})
    yield Body("T7", "MuJoCo quadruped", {**simulated, "creature": "quadruped"})


def missed(table: str, scores: dict[str, float], *, depth: bool) -> bool:
    """Whether one seed misses the target of its table; with `depth` the whole target, 3D and identity too."""
    reached = scores.get("error_body", 1e9) <= TARGET[table] and scores.get("rigid_f1", 0.0) >= TARGET_F1
    reached = reached and not scores.get("unmatched", 1.0)
    if depth:
        reached = reached and scores.get("over_flat", 1e9) <= TARGET_DEPTH
        reached = reached and scores.get("switches_per_1000", 1e9) <= TARGET_SWITCHES
    return not reached


def rows_of(
    table: str, data: str, method: str, scores: Sequence[dict], seconds: float, metrics=METRICS, *, depth: bool = False
) -> list[Row]:
    """One row for every metric; a seed without a result is NaN and a failure."""
    failures = sum(missed(table, one, depth=depth) for one in scores)
    return [
        Row(table, data, method, name, unit, [s.get(key, float("nan")) for s in scores], failures, seconds)
        for name, (unit, key) in metrics.items()
    ]
