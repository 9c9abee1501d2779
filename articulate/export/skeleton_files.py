"""The discovered skeleton as a table, a matrix, JSON and a graph."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from articulate.export.armature import TWIST_NOTE, residual
from articulate.export.writing import atomic, provenance_text, short_provenance, write_json, write_text
from articulate.result import Result


def limb_lengths(result: Result) -> dict[tuple[int, int], float]:
    """Length of every limb (parent, child) in mean bone lengths; empty without 3D."""
    if result.articulation is None:
        return {}
    return {(p, c): float(result.articulation.bone_lengths[c]) for p, c in result.edges.tolist()}


def write_connections_csv(result: Result, path: Path) -> list[Path]:
    """All pairs of keypoints: connected or not, share of resamples that connect them, cost, length of the limb."""
    skeleton, names, lengths = result.skeleton, result.names, limb_lengths(result)
    limbs = {(p, c) for p, c in result.edges.tolist()}
    rows: list[tuple[int, int, str, str, int, str, str, str]] = []
    for a in range(result.num_keypoints):
        for b in range(a + 1, result.num_keypoints):
            pair = (a, b) if (a, b) in limbs or (b, a) not in limbs else (b, a)
            probability = "" if skeleton.probability is None else f"{skeleton.probability[a, b].item():.4f}"
            cost, connected = f"{skeleton.cost[a, b].item():.6g}", int(pair in limbs)
            length = f"{lengths[pair]:.5f}" if pair in lengths else ""
            rows.append((*pair, names[pair[0]], names[pair[1]], connected, probability, cost, length))
    rows.sort(key=lambda row: (-row[4], row[0], row[1]))
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["parent", "child", "parent_name", "child_name", "connected", "probability", "cost", "length"])
    writer.writerows(rows)
    return [write_text(path, text.getvalue())]


def write_connections_npy(result: Result, path: Path) -> list[Path]:
    """The K x K connection matrix (float32, symmetric, 1 on the limbs of the tree)."""
    with atomic(path) as partial, open(partial, "wb") as file:  # np.save adds its own ending to a name
        np.save(file, result.skeleton.connection.cpu().float().numpy(), allow_pickle=False)
    return [path]


def skeleton_content(result: Result) -> dict[str, Any]:
    """The skeleton as plain values: tree, certainty, rest pose, lengths, ranges."""
    skeleton, lengths = result.skeleton, limb_lengths(result)
    parents = [-1] * result.num_keypoints
    limbs = []
    for parent, child in result.edges.tolist():
        parents[child] = parent
        limbs.append(
            {
                "parent": parent,
                "child": child,
                "name": f"{result.names[parent]} - {result.names[child]}",
                "probability": None if skeleton.probability is None else skeleton.probability[parent, child].item(),
                "cost": skeleton.cost[parent, child].item(),
                "length": lengths.get((parent, child)),
            }
        )
    content: dict[str, Any] = {
        "schema": "articulate skeleton 1",
        "names": list(result.names),
        "parents": parents,
        "root": result.edges[0, 0].item() if len(limbs) else None,
        "limbs": limbs,
        "frame": "camera: x right, y down, z forward",
    }
    content |= stability_content(result)
    model = result.articulation
    if model is not None:
        content |= {
            "units": model.units,
            "rest_pose": model.rest_pose.tolist(),
            "bone_lengths": model.bone_lengths.tolist(),
            "joint_ranges": model.joint_ranges.tolist(),
            "joint_ranges_meaning": "[keypoint][axis][low, high]: swing (rad) of the bone that ends in the keypoint; "
            "twist about a bone cannot be seen in positions and is not part of it",
            "twist": TWIST_NOTE,
        }
        if result.motion is not None and len(result.edges):
            content["forward_kinematics_residual"] = residual(result)
    return content | {"provenance": short_provenance(result)}


def stability_content(result: Result) -> dict[str, Any]:
    """What is known of the tree beside its limbs: rigid bodies, sides, trees of parts of the run; empty where nothing.

    `windows[].limbs_of_this_tree` is the share of the run's limbs that the part alone finds too.
    """
    skeleton = result.skeleton
    if skeleton.group is None or skeleton.mirror is None or skeleton.straight is None or skeleton.outliers is None:
        return {}
    groups = [(skeleton.group == g).nonzero()[:, 0].tolist() for g in range(int(skeleton.group.max()) + 1)]
    content: dict[str, Any] = {
        "rigid_groups": groups,
        "mirrored_pairs": [[k, m] for k, m in enumerate(skeleton.mirror.tolist()) if m > k],
        "straight_keypoints": skeleton.straight.nonzero()[:, 0].tolist(),
        "outlier_frames": skeleton.outliers.tolist(),
    }
    if skeleton.windows is not None and skeleton.window_edges is not None:
        limbs = {tuple(sorted(edge)) for edge in result.edges.tolist()}
        found = [sorted(tuple(sorted(edge)) for edge in edges) for edges in skeleton.window_edges.tolist()]
        content["windows"] = [
            {"rows": rows, "limbs_of_this_tree": len(limbs & set(own)) / max(len(limbs), 1), "limbs": own}
            for rows, own in zip(skeleton.windows.tolist(), found, strict=True)
        ]
    return content


def write_skeleton_json(result: Result, path: Path) -> list[Path]:
    """`skeleton.json` (schema in docs/files.md)."""
    return [write_json(path, skeleton_content(result))]


def write_graphml(result: Result, path: Path) -> list[Path]:
    """The tree as GraphML: nodes with name and rest position, edges with probability, cost and length."""
    graph = nx.DiGraph(provenance=provenance_text(result))
    model = result.articulation
    for k, name in enumerate(result.names):
        place = {} if model is None else dict(zip("xyz", map(float, model.rest_pose[k]), strict=True))
        graph.add_node(k, name=name, **place)
    for limb in skeleton_content(result)["limbs"]:
        known = {key: limb[key] for key in ("probability", "cost", "length") if limb[key] is not None}
        graph.add_edge(limb["parent"], limb["child"], **known)
    with atomic(path) as partial:
        nx.write_graphml(graph, partial)
    return [path]
