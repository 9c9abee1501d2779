"""Where the 3D error of whole runs comes from, without a detector: true or found keypoints, tree, order and depths.

`python benchmarks/whole_lifting.py` prints rows of T3 and T7: MPJPE after centring, after one reflection per sequence,
over that of flat depth. Read from the top, each row has one more thing found instead of given: first the depth of true
keypoints on the true tree, then which limb covers which, the keypoints, the tree. The last row is what found keypoints
cost where every depth is true. Finished cells are kept and a later call goes on; `failures` counts seeds above half.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scoreboard import RESULTS, Row, current_commit, publish
from torch import Tensor
from whole_measures import TARGET_DEPTH, Body, bodies
from whole_runs import settings
from workers import Cells, finished

from articulate.data.store import ClipStore
from articulate.evaluation import keypoints, pose3d
from articulate.evaluation.truth import load_truth
from articulate.lifting.inputs import trusted
from articulate.lifting.kinematics import median_bone_lengths
from articulate.lifting.refined_run import refined_run
from articulate.lifting.refinement_config import RefinementConfig
from articulate.lifting.run import LiftedRun, lift_run
from articulate.lifting.view_training import choose_start, view_data
from articulate.lifting.views import ViewLifter, ViewsConfig
from articulate.records import DepthOrder
from articulate.seeding import SeedConfig, find_seeds
from articulate.seeds import numpy_generator, torch_generator
from articulate.skeleton.rooting import root_tree
from stages.recipes import make_store

CELLS = Cells(RESULTS / "whole_lifting_cells.json")
METHODS = (
    "true keypoints, flat",
    "true keypoints, true tree, lifted",
    "true keypoints, true tree, refined",
    "true keypoints, true tree, found order, refined",
    "found keypoints, true tree, found order, refined",
    "found keypoints, found tree, lifted",
    "found keypoints, found tree, found order, refined",
    "found keypoints, true depth",
)
FLAT, GIVEN_LIFTED, GIVEN, FOUND_ORDER, FOUND_KEYPOINTS, FOUND_LIFTED, FOUND_ALL, TRUE_DEPTH = METHODS
METRICS = (
    ("MPJPE / flat", "ratio", "over_flat"),
    ("MPJPE", "%d", "mpjpe_d"),
    ("signs of depth right", "share", "sign_accuracy"),
    ("confidence in signs", "share", "confidence"),
    ("seen order right, limbs apart", "share", "order_apart"),
    ("seen order right, limbs meeting", "share", "order_meeting"),
)


@dataclass(frozen=True)
class Case:
    """What a run is lifted from: keypoints, how far to trust them, their tree, and which limb covers which."""

    xy: Tensor
    score: Tensor
    tree: Tensor
    order: DepthOrder | None
    match: Tensor | None


class Truth:
    """Ground truth of a store: points (N, J, 2), whether they show, poses (N, J, 3) in bone units, clips, the tree."""

    def __init__(self, store: ClipStore) -> None:
        truths = [load_truth(store.truth_path(i)) for i in range(len(store.clips))]
        self.xy, self.visible = torch.cat([t.xy for t in truths]), torch.cat([t.visible for t in truths])
        self.clip = torch.cat([torch.full((len(t.xy),), i) for i, t in enumerate(truths)])
        xyz = torch.cat([t.xyz for t in truths if t.xyz is not None]).double()
        self.edges = truths[0].edges
        self.pose = xyz / (xyz[:, self.edges[:, 1]] - xyz[:, self.edges[:, 0]]).norm(dim=-1).mean()
        self.fit, self.rest = keypoints.half_split(self.clip)

    def scores(self, pose: Tensor) -> dict[str, float]:
        """Scores of poses in bone units, in the order of the landmarks."""
        links = [(int(a), int(b)) for a, b in self.edges.tolist()]
        return pose3d.pose_scores(pose.double(), self.pose, links, self.fit, self.rest, self.clip)

    def of_run(self, run: LiftedRun, case: Case) -> dict[str, float]:
        """Scores of a lifted run, and its mean confidence in signs of depth."""
        pose = run.joints.double() / median_bone_lengths(run.joints, case.tree).mean()
        pose = pose if case.match is None else keypoints.take_matched(pose, case.match)
        return self.scores(pose) | {"confidence": run.confidence[self.rest].mean().item()}


def lifted_and_refined(case: Case, clip: Tensor, seed: int) -> tuple[LiftedRun, LiftedRun]:
    """The heading model of all frames in the order of time, and the same refined as one body."""
    random = torch_generator(seed, "lifting", "start")
    lifter: ViewLifter = choose_start(ViewsConfig(), view_data(case.xy, case.score, None, case.tree), case.tree, random)
    lifter.eval()
    lifted = lift_run(case.xy, case.score, clip, case.tree, lifter, None, numpy_generator(seed, "lift"))
    return lifted, refined_run(lifted, case.xy, case.score, clip, case.tree, lifter, case.order, RefinementConfig())[0]


def measure(store: ClipStore, seed: int) -> dict[str, dict[str, float]]:
    """Scores of every method on one store; those of found keypoints are left out where there are none."""
    truth = Truth(store)
    flat = torch.cat([truth.pose[..., :2], torch.zeros_like(truth.pose[..., :1])], -1)
    found = {FLAT: truth.scores(flat)}
    given = Case(truth.xy, torch.ones_like(truth.xy[..., 0]), rooted(truth.edges, truth.xy), None, None)
    for name, run in zip((GIVEN_LIFTED, GIVEN), lifted_and_refined(given, truth.clip, seed), strict=True):
        found[name] = truth.of_run(run, given)
    seeds = find_seeds(store, truth.xy.shape[1], SeedConfig(), seed, lambda text: None)
    if seeds is None:
        return found
    match = keypoints.match_keypoints(seeds.xy[truth.fit], truth.xy[truth.fit], truth.visible[truth.fit])
    score, complete = trusted(seeds.score), bool((match >= 0).all()) and seeds.xy.shape[1] == truth.xy.shape[1]
    if complete:
        of_keypoint = torch.empty_like(match)
        of_keypoint[match] = torch.arange(len(match))
        order = None if seeds.order is None else renamed(seeds.order, of_keypoint)
        case = replace(given, order=order)
        found[FOUND_ORDER] = truth.of_run(lifted_and_refined(case, truth.clip, seed)[1], case)
        case = Case(seeds.xy, score, rooted(match[truth.edges], seeds.xy), seeds.order, match)
        found[FOUND_KEYPOINTS] = truth.of_run(lifted_and_refined(case, truth.clip, seed)[1], case)
    case = Case(seeds.xy, score, rooted(seeds.edges, seeds.xy), seeds.order, match)
    for name, run in zip((FOUND_LIFTED, FOUND_ALL), lifted_and_refined(case, truth.clip, seed), strict=True):
        found[name] = truth.of_run(run, case)
    if complete and order is not None:
        found[FOUND_ALL] |= order_right(order, truth.pose[..., 2])
    shown = keypoints.take_matched(seeds.xy, match)
    centred = [p - p.nanmean(1, keepdim=True) for p in (shown.double(), truth.xy.double(), truth.pose)]
    unit = (centred[1] * centred[2][..., :2]).sum() / centred[2][..., :2].square().sum()
    found[TRUE_DEPTH] = truth.scores(torch.cat([centred[0] / unit, centred[2][..., 2:]], -1))
    return found


def rooted(edges: Tensor, xy: Tensor) -> Tensor:
    """The tree (parent, child) from its root on."""
    return root_tree(edges, num_keypoints=xy.shape[1]).edges


def renamed(order: DepthOrder, landmark: Tensor) -> DepthOrder:
    """The same order between landmarks; `landmark` is that of every keypoint."""
    return replace(order, front=landmark[order.front], behind=landmark[order.behind])


def order_right(order: DepthOrder, depth: Tensor) -> dict[str, float]:
    """Share of seen orders that true depths (N, J) bear out (better reflection), for limbs apart and meeting."""
    meet = order.meet()
    share = order.share.double()
    front, behind = (
        (1 - share[:, i]) * depth[order.frame, limb[:, 0]] + share[:, i] * depth[order.frame, limb[:, 1]]
        for i, limb in enumerate((order.front, order.behind))
    )
    kept = (front < behind).double()
    kept = kept if kept[~meet].mean() >= 0.5 else 1 - kept
    return {"order_apart": kept[~meet].mean().item(), "order_meeting": kept[meet].mean().item()}


def cell(body: Body, seed: int) -> dict:
    """Scores of one body, CPU seconds and the commit."""
    begin = time.process_time()
    stores = Path(tempfile.gettempdir()) / "whole_stores" / "h36m_split"  # those of whole runs
    found = measure(make_store({**body.data, "seed": seed}, stores, "whole", lambda text: None), seed)
    return {"scores": found, "seconds": time.process_time() - begin, "commit": current_commit()}


def rows(body: Body, cells: list[dict]) -> list[Row]:
    """Rows of one body, method by method."""
    flat, listed = [one["scores"][FLAT]["mpjpe_d"] for one in cells], []
    seconds = sum(one["seconds"] for one in cells) / len(cells)
    note = "measured at " + ", ".join(sorted({one["commit"] for one in cells}))
    for method in METHODS:
        scores = [dict(one["scores"].get(method, {})) for one in cells]
        for one, floor in zip(scores, flat, strict=True):
            one["over_flat"] = one.get("mpjpe_d", float("nan")) / floor
        missed = sum(not one["over_flat"] <= TARGET_DEPTH for one in scores)
        for metric, unit, key in METRICS:
            if any(key in one for one in scores):
                values = [one.get(key, float("nan")) for one in scores]
                listed.append(Row(body.table, body.name, method, metric, unit, values, missed, seconds, note=note))
    return listed


def key_of(body: Body, seed: int) -> str:
    """Everything that a cell depends on but the code."""
    return " | ".join([body.name, str(seed), body.data_key])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 px and half the frames")
    parser.add_argument("--body", nargs="+", default=[""], help="only bodies whose name begins with one of these")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; what would start later is left out")
    parser.add_argument("--jobs", type=int, default=1, help="cells measured at once, each on one thread")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.monotonic()
    chosen = [b for b in bodies(**settings(arguments.quick)) if b.name.startswith(tuple(arguments.body))]
    known = CELLS.known()
    tasks = [(b, seed) for seed in range(arguments.seeds) for b in chosen if key_of(b, seed) not in known]
    for (body, seed), result in finished(
        cell, tasks, arguments.jobs, lambda: time.monotonic() - begin < arguments.budget
    ):
        known = CELLS.keep(key_of(body, seed), result)
    listed: list[Row] = []
    for body in bodies(**settings(arguments.quick)):
        cells = [known[key_of(body, s)] for s in range(arguments.seeds) if key_of(body, s) in known]
        listed += rows(body, cells) if cells else []
    publish(listed, "whole_lifting" + ("_quick" if arguments.quick else ""))


if __name__ == "__main__":
    main()
