"""The protocol for a whole run: metrics beside their floors on the same frames.

No matching, flip or swap per frame: one matching and at most one reflection of depth per sequence, found on the first
half of every clip and scored on the second.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.evaluation import floors, identity, keypoints, pose3d
from articulate.evaluation.label_free import label_free_metrics, mask_chunks, rounded
from articulate.evaluation.sequences import Sequence2D, labels_of_run, mirror_clips, sequence, take_frames, truth_of_run
from articulate.evaluation.tree import edge_scores, map_edges, rigid_groups, tree_floors
from articulate.evaluation.truth import Truth
from articulate.records import Motion, Skeleton, Tracks
from articulate.seeds import torch_generator

FLOOR_FRAMES = 800  # mask floors take milliseconds a frame: on longer runs, this many frames evenly spread
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "metre": 1000.0, "m": 1000.0}


def keypoint_scores(predicted: Float[Tensor, "N K 2"], part: Sequence2D) -> dict[str, float]:
    """On-joint and regressed scores with one matching from the first halves, scored on the second halves."""
    truth, visible = part.truth.xy, part.truth.visible
    match = keypoints.match_keypoints(predicted[part.fit], truth[part.fit], visible[part.fit])
    size = keypoints.body_size(truth, visible)
    on_joint = keypoints.on_joint_scores(predicted[part.score], truth[part.score], visible[part.score], match, size)
    regressed = keypoints.regressed_scores(predicted, truth, part.fit, part.score, visible)
    matched = keypoints.take_matched(predicted, match)
    return on_joint | {
        "regressed_image": regressed["error_image"],
        "regressed_body": regressed["error_body"],
        "moving": regressed["moving"],
        "switches_per_1000": identity.identity_switches(predicted, truth, part.clip, size.item(), visible),
        "left_right_flips": identity.left_right_flips(matched, truth, part.truth.pairs, size.item(), visible),
    }


def keypoint_floors(store: ClipStore | None, tracks: Tracks, part: Sequence2D) -> dict[str, dict[str, float]]:
    """The same scores for mean pose, centroid + axes and geodesic extremities (the last two where masks exist)."""
    scores = {"mean_pose": keypoint_scores(floors.mean_pose(part.truth.xy, part.fit, part.truth.visible), part)}
    if store is None or not all(store.clips[c].has_mask for c in part.clip.unique().tolist()):
        return scores
    pick = torch.arange(0, len(part.rows), max(1, math.ceil(len(part.rows) / FLOOR_FRAMES)))
    rows = part.rows[pick]
    few = take_frames(tracks, rows)
    small = [(r, torch.nn.functional.interpolate(m, (64, 64), mode="area")) for r, m in mask_chunks(store, few)]
    order = torch.cat([r for r, _ in small])
    mask, clip = torch.cat([m for _, m in small]), part.clip[pick][order]
    some = sequence(pick[order], part.clip, part.truth.rows(pick[order]))
    num_landmarks = part.truth.xy.shape[1]
    scores["centroid_axes"] = keypoint_scores(floors.principal_axes(mask, clip), some)
    scores["extremities"] = keypoint_scores(floors.geodesic_extremities(mask, clip, num_landmarks), some)
    return scores


def tree_metrics(
    skeleton: Skeleton, xy: Float[Tensor, "N K 2"], part: Sequence2D
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Edge scores of the found tree, mapped to landmarks by the matching, and of three trees without learning."""
    truth = part.truth
    match = keypoints.match_keypoints(xy[part.fit], truth.xy[part.fit], truth.visible[part.fit])
    groups = rigid_groups(truth.xyz) if truth.xyz is not None else None
    found = edge_scores(map_edges(skeleton.edges, match), truth.edges, groups)
    on_keypoints = {
        name: edge_scores(map_edges(edges, match), truth.edges, groups) for name, edges in tree_floors(xy).items()
    }
    on_truth = {
        f"{name}_of_true_2d": edge_scores(edges, truth.edges, groups) for name, edges in tree_floors(truth.xy).items()
    }
    return found, on_keypoints | on_truth


def pose_metrics(
    motion: Motion, xy: Float[Tensor, "N K 2"], part: Sequence2D
) -> tuple[dict[str, float], dict[str, dict[str, float]]] | None:
    """3D scores in mean bone lengths and %d beside flat, random-sign and oracle-sign poses; None without 3D truth."""
    truth = part.truth
    if truth.xyz is None:
        return None
    match = keypoints.match_keypoints(xy[part.fit], truth.xy[part.fit], truth.visible[part.fit])
    edges = [(int(a), int(b)) for a, b in truth.edges.tolist()]
    bone = (truth.xyz[:, truth.edges[:, 1]] - truth.xyz[:, truth.edges[:, 0]]).norm(dim=-1)
    true = (truth.xyz / bone.nanmean()).double()
    predicted = keypoints.take_matched(motion.joints[0, part.rows].double().cpu(), match)

    def scored(pose: Tensor) -> dict[str, float]:
        return pose3d.pose_scores(pose, true, edges, part.fit, part.score, part.clip)

    generator = torch_generator(0, "evaluation", "random_signs")
    ours = scored(predicted) | {"matched": float((match >= 0).sum()), "unmatched": float((match < 0).sum())}
    if truth.units in MILLIMETRES:
        ours["mpjpe_mm"] = ours["mpjpe"] * bone.nanmean().item() * MILLIMETRES[truth.units]
    listed = floors.depth_floors(true[..., :2], true, breadth_first(truth), generator)
    return ours, {name: scored(pose) for name, pose in listed.items()}


def breadth_first(truth: Truth) -> list[tuple[int, int]]:
    """True edges as (parent, child), a parent before its children."""
    parents = truth.parents.tolist()
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(parents):
        children.setdefault(parent, []).append(child)
    order, frontier = [], list(children.get(-1, []))
    while frontier:
        order += [(k, c) for k in frontier for c in children.get(k, [])]
        frontier = [c for k in frontier for c in children.get(k, [])]
    return order


def evaluate_run(
    store: ClipStore,
    tracks: Tracks,
    skeleton: Skeleton | None = None,
    motion: Motion | None = None,
    *,
    symmetric: bool = False,
    part: Sequence2D | None = None,
    final_losses: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Everything that can be measured of a run, as plain values: `label_free`, and with truth the scores and floors.

    `symmetric` turns on the rule for figures without left/right cue: swap *together with* reflection, once per clip.
    `part` brings truth from elsewhere (labels of a recording); by default it comes from the store.
    """
    found: dict[str, Any] = {"label_free": label_free_metrics(tracks, skeleton, motion, store, final_losses)}
    part = truth_of_run(store, tracks) if part is None else part
    found["ground_truth"] = part is not None
    if part is None:
        return found
    xy = tracks.xy[0, part.rows].float().cpu()
    if symmetric and part.truth.pairs:
        part = replace(part, truth=mirror_clips(xy, part))
    found["symmetric_reading"] = symmetric
    found["keypoints"] = plain(keypoint_scores(xy, part), keypoint_floors(store, tracks, part))
    if skeleton is not None and len(skeleton.edges):
        found["tree"] = plain(*tree_metrics(skeleton, xy, part))
    depth = pose_metrics(motion, xy, part) if motion is not None else None
    if depth is not None:
        found["pose3d"] = plain(*depth)
    return found


def evaluate_labelled(
    store: ClipStore,
    tracks: Tracks,
    skeleton: Skeleton | None,
    motion: Motion | None,
    labels: Path,
    *,
    symmetric: bool = False,
) -> dict[str, Any]:
    """`evaluate_run` of a run with one clip against a file of labels of its video (schema: docs/files.md)."""
    part = labels_of_run(store, tracks, {0: labels})
    return evaluate_run(store, tracks, skeleton, motion, symmetric=symmetric, part=part)


def plain(ours: Mapping[str, float], beside: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Scores with their floors as JSON values."""
    return {
        "ours": {k: rounded(v) for k, v in ours.items()},
        "floors": {name: {k: rounded(v) for k, v in scores.items()} for name, scores in beside.items()},
    }
