"""Where the error of whole runs comes from, without a detector: keypoints and tree of the seeds, or the true ones.

`python benchmarks/whole_lifting.py --quick` prints rows of T7: MPJPE after centring, after one reflection per sequence.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from scoreboard import Row, publish
from whole import make_store, recipe

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


def lifted(xy, score, clip, edges, seed: int) -> tuple[ViewLifter, LiftedRun]:
    """The heading model of all frames, and the poses that follow from it in the order of time."""
    start = choose_start(
        ViewsConfig(), view_data(xy, score, None, edges), edges, torch_generator(seed, "lifting", "start")
    )
    start.eval()
    return start, lift_run(xy, score, clip, edges, start, None, numpy_generator(seed, "lift"))


def measure(store: ClipStore, seed: int) -> dict[str, dict[str, float]]:
    """Scores of every method on one store; confidence is that of the bones' signs, beside how often they are right."""
    truths = [load_truth(store.truth_path(i)) for i in range(len(store.clips))]
    first = truths[0]
    xy, visible = torch.cat([t.xy for t in truths]), torch.cat([t.visible for t in truths])
    clip = torch.cat([torch.full((len(t.xy),), i) for i, t in enumerate(truths)])
    xyz = torch.cat([t.xyz for t in truths if t.xyz is not None]).double()
    true = xyz / (xyz[:, first.edges[:, 1]] - xyz[:, first.edges[:, 0]]).norm(dim=-1).mean()
    fit, score_on = keypoints.half_split(clip)
    links = [(int(a), int(b)) for a, b in first.edges.tolist()]

    def scored(joints, unit, match) -> dict[str, float]:
        pose = joints.double() / unit
        pose = pose if match is None else keypoints.take_matched(pose, match)
        return pose3d.pose_scores(pose, true, links, fit, score_on, clip)

    flat = torch.cat([true[..., :2], torch.zeros_like(true[..., :1])], -1)
    found = {"flat, true image": scored(flat, 1.0, None)}
    tree = root_tree(first.edges, num_keypoints=xy.shape[1]).edges
    seen = torch.ones_like(xy[..., 0])
    lifter, run = lifted(xy, seen, clip, tree, seed)
    better, _ = refined_run(run, xy, seen, clip, tree, lifter, None, RefinementConfig())
    for name, one in (("lifted", run), ("refined without order of depth", better)):
        unit = median_bone_lengths(one.joints, tree).mean()
        found[f"true keypoints, true tree, {name}"] = scored(one.joints, unit, None)
    seeds = find_seeds(store, xy.shape[1], SeedConfig(), seed, lambda text: None)
    if seeds is None:
        return found
    match = keypoints.match_keypoints(seeds.xy[fit], xy[fit], visible[fit])
    tree, score = root_tree(seeds.edges, num_keypoints=seeds.xy.shape[1]).edges, trusted(seeds.score)
    lifter, run = lifted(seeds.xy, score, clip, tree, seed)
    better, _ = refined_run(run, seeds.xy, score, clip, tree, lifter, seeds.order, RefinementConfig())
    for name, one in (("found keypoints and tree, lifted", run), ("found keypoints and tree, refined", better)):
        found[name] = scored(one.joints, median_bone_lengths(one.joints, tree).mean(), match)
        found[name]["confidence"] = one.confidence[score_on].mean().item()
    if bool((match >= 0).all()) and seeds.xy.shape[1] == xy.shape[1]:
        tree = root_tree(match[first.edges], num_keypoints=xy.shape[1]).edges
        lifter, run = lifted(seeds.xy, score, clip, tree, seed)
        better, _ = refined_run(run, seeds.xy, score, clip, tree, lifter, seeds.order, RefinementConfig())
        unit = median_bone_lengths(better.joints, tree).mean()
        found["found keypoints, true tree, refined"] = scored(better.joints, unit, match)
    if seeds.order is not None:
        better_known = order_right(seeds.order, true[..., 2], match, seeds.xy.shape[1])
        found["found keypoints and tree, refined"] |= better_known
    shown = keypoints.take_matched(seeds.xy, match)
    centred = [p - p.nanmean(1, keepdim=True) for p in (shown.double(), xy.double(), true)]
    unit = (centred[1] * centred[2][..., :2]).sum() / centred[2][..., :2].square().sum()
    found["found keypoints, true depth"] = scored(torch.cat([centred[0] / unit, centred[2][..., 2:]], -1), 1.0, None)
    return found


def order_right(order: DepthOrder, depth, match, num_keypoints: int) -> dict[str, float]:
    """Share of seen orders that the true depths bear out (under the better reflection), for limbs apart and meeting."""
    of_keypoint = torch.full((num_keypoints,), -1)
    of_keypoint[match[match >= 0]] = torch.arange(len(match))[match >= 0]
    spread = depth[:, of_keypoint.clamp_min(0)]
    unknown = (of_keypoint < 0)[torch.cat([order.front, order.behind], 1)].any(1)
    meet = (order.front[:, :, None] == order.behind[:, None, :]).flatten(1).any(1)
    share = order.share.double()
    front, behind = (
        (1 - share[:, i]) * spread[order.frame, limb[:, 0]] + share[:, i] * spread[order.frame, limb[:, 1]]
        for i, limb in enumerate((order.front, order.behind))
    )
    kept = (front < behind).double()
    kept = kept if kept[~meet & ~unknown].mean() >= 0.5 else 1 - kept
    return {"order_apart": kept[~meet & ~unknown].mean().item(), "order_meeting": kept[meet & ~unknown].mean().item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 px and 60 frames a clip instead of 128 and 120")
    parser.add_argument("--families", nargs="+", default=["person", "quadruped", "hexapod"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--look", default="capsules", choices=["capsules", "sticks"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make, rows = recipe(), []
    for family in arguments.families:
        scores, begin = [], time.process_time()
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                options = {"family": family, "look": arguments.look, "cue": "colours", "seed": seed}
                length = (
                    {"size": 64, "num_frames": 60, "fps": 15.0} if arguments.quick else {"size": 128, "num_frames": 120}
                )
                scores.append(measure(make_store(make, Path(folder) / "store", **options, num_clips=8, **length), seed))
        seconds = (time.process_time() - begin) / arguments.seeds
        for method in scores[0]:
            values = [one.get(method, {}) for one in scores]
            flat = [one["flat, true image"]["mpjpe_d"] for one in scores]
            over = [v.get("mpjpe_d", float("nan")) / f for v, f in zip(values, flat, strict=True)]
            missed = sum(not ratio <= 0.5 for ratio in over)
            data = f"{family}, {arguments.look}"
            rows.append(Row("T7", data, method, "MPJPE / flat", "ratio", over, missed, seconds))
            for metric, unit, key in (("MPJPE", "%d", "mpjpe_d"), ("signs right", "share", "sign_accuracy"),
                                      ("confidence", "share", "confidence"),
                                      ("seen order right, limbs apart", "share", "order_apart"),
                                      ("seen order right, limbs meeting", "share", "order_meeting")):  # fmt: skip
                if key in values[0]:
                    rows.append(Row("T7", data, method, metric, unit, [v[key] for v in values], missed, seconds))
        publish(rows, "whole_lifting" + ("_quick" if arguments.quick else ""))


if __name__ == "__main__":
    main()
