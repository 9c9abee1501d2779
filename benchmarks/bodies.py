"""T3 and T7, first guesses alone: built-in bodies in both looks and with every cue, recorded motion, MuJoCo bodies.

`python benchmarks/bodies.py --quick` prints one seed of each on small clips. No training: what is scored is what the
seeds stage finds (the strategy is chosen as the stage does, by confidence that reads no label). Bodies without any cue
may be read as their mirror image, once per clip; coloured ones, and those told apart by widths, never. A row's
`failures` counts the seeds that miss the target of its table (on-joint 3 % of body size for sticks, 4 % for the rest;
tree F1 0.95 up to rigid groups; every landmark matched). Rows of data that a run leaves out stay in the results.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from scoreboard import Row, earlier_rows, publish
from whole_measures import METRICS, ROOT, SHARED, TARGET, rows_of

sys.path.insert(0, str(ROOT))  # stages belongs to the checkout, it is not installed

from articulate.data.store import ClipStore  # noqa: E402
from articulate.errors import DataError  # noqa: E402
from articulate.evaluation import keypoints, sequences, tree  # noqa: E402
from articulate.evaluation.truth import load_truth  # noqa: E402
from stages.recipes import load_recipe  # noqa: E402
from stages.seeds import SeedsStageConfig, most_confident  # noqa: E402

FAMILIES = ("person", "quadruped", "hexapod", "arm", "snake")
CUES = ("colours", "none", "widths")
RECORDINGS = {"salsa": "salsa_0*", "CMU subjects 1, 2": "0[12]_0*"}
BODIES = {
    "ant": {"creature": "ant"},
    "kinova arm": {"model": SHARED / "models_dev" / "kinova_gen3" / "gen3.xml"},
    "humanoid": {"creature": "humanoid"},
    "shadow hand": {"model": SHARED / "models_dev" / "shadow_hand" / "right_hand.xml"},
    "barkour": {"model": SHARED / "models_dev" / "google_barkour_vb" / "barkour_vb.xml"},
}


@dataclass(frozen=True)
class Case:
    """One kind of data: its row's name, the recipe and its options, and whether limbs carry no cue at all."""

    table: str
    name: str
    recipe: str
    options: dict
    symmetric: bool = False


def cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """All data, coloured bodies first."""
    size = {"size": 64, "num_clips": 4, "num_frames": 60, "fps": 15.0}
    if not arguments.quick:
        size |= {"num_clips": 8, "num_frames": 120}
    for cue in CUES:
        for look, table in (("capsules", "T7"), ("sticks", "T3")):
            for family in FAMILIES:
                options = {"family": family, "look": look, "cue": cue, **size}
                yield Case(table, f"{family}, {look}, cue {cue}", "synthetic", options, cue == "none")
        if cue == "colours":
            options = {"family": "person", "look": "capsules", "background": "clutter", **size}
            yield Case("T7", "person, capsules, cue colours, clutter", "synthetic", options)
            for name, pattern in RECORDINGS.items():
                for look, table in (("capsules", "T7"), ("sticks", "T3")):
                    motion = str(SHARED / "cmu_mocap" / "clips" / f"{pattern}.npz")
                    options = {"motion": motion, "look": look, **size}
                    yield Case(table, f"{name}, {look}, cue colours", "synthetic", options)
            for name, body in BODIES.items():
                options = {**body, "colours": "limbs", **size, "size": 96, "num_clips": 3}
                yield Case("T7", f"MuJoCo {name}, cue colours", "mujoco", options)


def scores_of(store: ClipStore, symmetric: bool) -> dict[str, float]:
    """Scores of what the stage finds: one matching from the first half of every clip, scored on the second halves."""
    truths = [load_truth(store.truth_path(i)) for i in range(len(store.clips))]
    clip = torch.cat([torch.full((len(t.xy),), i) for i, t in enumerate(truths)])
    joined = sequences.join_truths(truths)
    found = most_confident(store, joined.xy.shape[1], SeedsStageConfig(), 0, lambda text: None)
    if found is None:
        return {"unmatched": 1.0}
    part = sequences.sequence(torch.arange(len(clip)), clip, joined)
    truth = sequences.mirror_clips(found.xy, part) if symmetric else joined
    match = keypoints.match_keypoints(found.xy[part.fit], truth.xy[part.fit], truth.visible[part.fit])
    size = keypoints.body_size(truth.xy, truth.visible)
    score = part.score
    scores = keypoints.on_joint_scores(found.xy[score], truth.xy[score], truth.visible[score], match, size)
    assert joined.xyz is not None
    edges = tree.edge_scores(tree.map_edges(found.edges, match), truth.edges, tree.rigid_groups(joined.xyz))
    return scores | edges | {"found_keypoints": float(found.xy.shape[1]), "confidence": found.confidence}


def measure(case: Case, make: ModuleType, arguments: argparse.Namespace) -> list[Row]:
    """Rows of one case over the seeds of generation."""
    start, scores = time.perf_counter(), []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "store"
            try:
                make.make(make.Options(**case.options, seed=seed), place, lambda text: None)
            except DataError as error:
                print(f"bodies: {case.name} left out ({error})", file=sys.stderr)
                return []
            scores.append(scores_of(ClipStore.open(place), case.symmetric))
    seconds = (time.perf_counter() - start) / max(1, arguments.seeds)
    metrics = METRICS | {"confidence": ("", "confidence")}
    rows = rows_of(case.table, case.name, "seeds", scores, seconds, metrics)
    print(f"{case.name}: {scores[0].get('error_body', float('nan')):.2f} % of body", file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 clips of 60 frames, 1 seed unless told otherwise")
    parser.add_argument("--only", choices=sorted(TARGET))
    parser.add_argument("--case", help="only data whose name begins with this text")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; what would start later is left out")
    arguments = parser.parse_args()
    arguments.seeds = arguments.seeds or (1 if arguments.quick else 5)
    torch.set_num_threads(1)
    begin, rows = time.perf_counter(), []
    recipes = {name: load_recipe(name) for name in ("synthetic", "mujoco")}
    for case in cases(arguments):
        chosen = arguments.only in (None, case.table) and case.name.startswith(arguments.case or "")
        if chosen and time.perf_counter() - begin < arguments.budget:
            rows += measure(case, recipes[case.recipe], arguments)
    measured = {row.data for row in rows}
    rows += earlier_rows("bodies", lambda row: row.data in measured)
    publish(sorted(rows, key=lambda r: (r.table, r.data)), "bodies")


if __name__ == "__main__":
    main()
