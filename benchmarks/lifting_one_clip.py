"""Table T5: one clip, one static camera, true 2D keypoints; every clip alone, with floors, bounds and confidence.

Camera: orthographic, fixed, level (its x axis is the recording's x, its y axis points down along gravity, its depth is
the recording's -z), one scale per clip. Error: MPJPE after centring, in %d (1 % of the median diagonal of the true 3D
boxes). At most one reflection of depth per clip, chosen on one half of the frames (in time) and scored on the other,
both ways round, averaged. "Turns": the axial spread of the true heading of the hips, 1 - |mean exp(2i yaw)|, is at
least 0.2 (0.5 is a half turn at constant speed); used for sorting the table alone. Recorded people (CMU) and bodies of
the built-in generator (person, quadruped, hexapod; turning through 0 to 360 degrees) are kept apart.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace

import matplotlib
import numpy as np
import torch
from lifting_data import View
from lifting_methods import as_written
from lifting_one_clip_data import ROOT, captured, generated, learned_tree, load, turning
from scoreboard import RESULTS, Row, earlier_rows, publish

from articulate.evaluation.pose3d import pose_scores, unit_d
from articulate.lifting.confidence import (
    SHIPPED,
    SignCalibration,
    cautious,
    determines_depth,
    fit_calibration,
    sign_features,
)
from articulate.lifting.kinematics import body_rotation, bone_vectors, path_matrix
from articulate.lifting.one_clip import ClipSolution, OneClipConfig, solve_clip
from articulate.lifting.one_clip.solve import hedged
from articulate.seeds import numpy_generator, torch_generator

matplotlib.use("Agg")
QUICK = ("02_05", "02_08", "03_03", "11_01", "12_01", "indian_08", "salsa_01", "salsa_10")
TABLES = ("clips", "noise", "tree", "calibration", "as_written")
TURNS = 0.2
AS_WRITTEN, STEPS = ("rigid_bones", "factorised", "adversarial"), 400


def scores(predicted: torch.Tensor, true: torch.Tensor, edges: torch.Tensor) -> dict[str, float]:
    """Scores of both halves, each after the reading chosen on the other."""
    first = torch.arange(len(true)) < len(true) // 2
    clip = torch.zeros(len(true), dtype=torch.int64)
    both = [pose_scores(predicted, true, edges.tolist(), a, b, clip) for a, b in ((first, ~first), (~first, first))]
    return {k: (both[0][k] + both[1][k]) / 2 for k in both[0]}


def signed(true: torch.Tensor, edges: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """Pose of closed-form depths with lengths from the 0.99 quantile of the projections and the given signs [T, L]."""
    flat = bone_vectors(true[..., :2], edges)
    lengths = torch.quantile(flat.norm(dim=-1), 0.99, dim=0)
    depth = signs * (lengths**2 - flat.square().sum(-1)).clamp_min(0).sqrt()
    z = torch.einsum("kl,tl->tk", path_matrix(edges), depth)
    return torch.cat([true[..., :2], z[..., None]], -1)


def floors(true: torch.Tensor, edges: torch.Tensor, name: str) -> dict[str, torch.Tensor]:
    """Flat, random signs and oracle signs."""
    right = bone_vectors(true, edges)[..., 2].sign()
    coins = torch.randint(0, 2, right.shape, generator=torch_generator(0, "random signs", name)) * 2.0 - 1.0
    flat = torch.cat([true[..., :2], torch.zeros_like(true[..., :1])], -1)
    return {"flat": flat, "random signs": signed(true, edges, coins), "oracle signs": signed(true, edges, right)}


def right_signs(solution: ClipSolution, true: torch.Tensor, edges: torch.Tensor) -> np.ndarray:
    """Whether the sign of every bone and frame [T, L] is right, under the clip's best single reflection."""
    agree = bone_vectors(solution.joints, edges)[..., 2] * bone_vectors(true, edges)[..., 2]
    return (agree > 0).numpy() if agree.sum() >= 0 else (agree < 0).numpy()


def solve(true: torch.Tensor, edges: torch.Tensor, name: str, noise: float = 0.0, **changed: object) -> ClipSolution:
    """Our solution of one clip, with white noise of `noise` %d on the 2D input."""
    shake = torch.randn(true[..., :2].shape, generator=torch_generator(0, "noise", name), dtype=true.dtype)
    xy = true[..., :2] + noise * unit_d(true) * shake
    return solve_clip(xy, edges, config=OneClipConfig(**changed), generator=numpy_generator(0, "one clip", name))


def solved(names: tuple[str, ...]) -> dict[str, dict]:
    """Every clip solved, never hedged, with what calibration needs."""
    kept: dict[str, dict] = {}
    for name in names:
        true, edges = load(name)
        start = time.perf_counter()
        found = solve(true, edges, name, hedge=False)
        kept[name] = {"turning": turning(name), "solution": found, "seconds": time.perf_counter() - start}
        kept[name] |= {"right": right_signs(found, true, edges), "edges": edges, "true": true}
        print(f"{name}: {kept[name]['seconds']:.1f} s", flush=True)
    return kept


def judged(found: ClipSolution, edges: torch.Tensor, calibration: SignCalibration) -> ClipSolution:
    """The solution with the confidence that `calibration` gives it."""
    depth = bone_vectors(found.joints, edges)[..., 2].numpy() / found.diagnostics["unit"]
    features = sign_features(
        found.flip_gap.numpy(), depth, found.agreement.numpy(), found.view_coverage, found.diagnostics["spread"]
    )
    chance, weight = cautious(calibration.probability(features), found.view_coverage), np.abs(depth)
    mean = float((chance * weight).sum() / weight.sum())
    known = determines_depth(found.view_coverage, mean)
    notes = found.diagnostics | {"mean_confidence": mean}
    return replace(found, confidence=torch.from_numpy(chance), determined=known, diagnostics=notes)


def clip_table(kept: dict[str, dict], calibration: SignCalibration) -> list[Row]:
    """Means over recorded and over generated clips, then every clip, with floors and ours."""
    rows = []
    for name, k in kept.items():
        found = k["solution"] = judged(k["solution"], k["edges"], calibration)
        poses = floors(k["true"], k["edges"], name) | {
            "ours": hedged(found, k["edges"], OneClipConfig()).joints,
            "ours, never hedged": found.joints,
        }
        results = k["results"] = {m: scores(p, k["true"], k["edges"]) for m, p in poses.items()}
        note = (
            f"coverage {found.view_coverage:.2f} (true turning {k['turning']:.2f}), confidence "
            f"{found.diagnostics['mean_confidence']:.2f}, flat {results['flat']['mpjpe_d']:.2f}, "
            f"oracle signs {results['oracle signs']['mpjpe_d']:.2f}"
        )
        values = [results["ours"]["mpjpe_d"]]
        rows.append(Row("T5", name, "ours", "MPJPE", "%d", values, seconds=k["seconds"], note=note))
    groups = {label: {n: k for n, k in kept.items() if (" " in n) == bool(label)} for label in ("", "generated ")}
    return [row for label, group in groups.items() for row in summary(group, label)] + rows


def summary(kept: dict[str, dict], group: str) -> list[Row]:
    """Means over the clips that turn, those that do not, and those that the tool itself calls determined."""
    parts: dict[str, Callable[[dict], bool]] = {
        "clips that turn": lambda k: k["turning"] >= TURNS,
        "clips that do not": lambda k: k["turning"] < TURNS,
        "clips called determined": lambda k: k["solution"].determined,
        "clips called undetermined": lambda k: not k["solution"].determined,
    }
    rows = []
    for kind, belongs in parts.items():
        label = group + kind
        chosen = [k for k in kept.values() if belongs(k)]
        for method in ("flat", "random signs", "ours", "ours, never hedged", "oracle signs") if chosen else ():
            for metric, key, unit in (("MPJPE", "mpjpe_d", "%d"), ("sign accuracy", "sign_accuracy", "share")):
                if method == "flat" and key == "sign_accuracy":
                    continue
                values = [k["results"][method][key] for k in chosen]
                worse = sum(k["results"][method]["mpjpe_d"] > k["results"]["flat"]["mpjpe_d"] for k in chosen)
                seconds = float(np.mean([k["seconds"] for k in chosen])) if method == "ours" else float("nan")
                rows.append(
                    Row("T5", label, method, metric, unit, values, worse, seconds, note="failure: worse than flat")
                )
        if chosen:
            ratio = [k["results"]["ours"]["mpjpe_d"] / k["results"]["flat"]["mpjpe_d"] for k in chosen]
            rows.append(Row("T5", label, "ours", "MPJPE over flat", "ratio", ratio))
            sure = [k["solution"].diagnostics["mean_confidence"] for k in chosen]
            rows.append(Row("T5", label, "ours", "mean confidence", "share", sure))
    return rows


def variant_rows(names: tuple[str, ...], variants: dict[str, dict], data: str) -> list[Row]:
    """Mean error of our solver under changed inputs or settings, over `names`."""
    rows = []
    for label, changed in variants.items():
        values, failures, start = [], 0, time.perf_counter()
        for name in names:
            true, edges = load(name)
            options = dict(changed)
            tree = learned_tree(true[..., :2]) if options.pop("learned", False) else edges
            found = solve(true, tree, name, **options)
            values.append(scores(found.joints, true, edges)["mpjpe_d"])
            failures += values[-1] > scores(floors(true, edges, name)["flat"], true, edges)["mpjpe_d"]
        seconds = (time.perf_counter() - start) / len(names)
        rows.append(Row("T5", data, label, "MPJPE", "%d", values, failures, seconds, note="failure: worse than flat"))
        print(f"{label}: {rows[-1].mean:.2f} %d, {seconds:.1f} s a clip", flush=True)
    return rows


def as_written_rows(names: tuple[str, ...]) -> list[Row]:
    """The lifters of the source, each trained on all recorded clips of one skeleton, beside flat; the camera stands."""
    groups: dict[tuple, list[View]] = {}
    for name in names:
        true, edges = load(name)
        size = unit_d(true)
        view = View(name, true / size, true[..., :2] / size, edges)
        groups.setdefault(tuple(edges.flatten().tolist()), []).append(view)
    rows = []
    for method in AS_WRITTEN:
        ratios: dict[bool, list[float]] = {True: [], False: []}
        start = time.perf_counter()
        for views in groups.values():
            (found,) = as_written(method, views, 0, STEPS).joints.values()
            for view, pose in zip(views, found, strict=True):
                flat = scores(floors(view.joints, view.edges, view.name)["flat"], view.joints, view.edges)["mpjpe_d"]
                error = scores(pose, view.joints, view.edges)["mpjpe_d"]
                ratios[turning(view.name) >= TURNS].append(error / flat)
        seconds = time.perf_counter() - start
        for turns, values in ratios.items():
            label = "clips that turn" if turns else "clips that do not"
            worse = sum(value > 1 for value in values)
            note = "trained on all recorded clips; failure: worse than flat"
            rows.append(
                Row("T5", label, f"{method} as written", "MPJPE over flat", "ratio", values, worse, seconds, note=note)
            )
    return rows


def samples(kept: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, right or wrong, and |dz| weight of every bone and frame; every clip weighs the same."""
    features, right, weight = [], [], []
    for k in kept:
        s = k["solution"]
        depth = bone_vectors(s.joints, k["edges"])[..., 2].numpy() / s.diagnostics["unit"]
        found = (s.flip_gap.numpy(), depth, s.agreement.numpy(), s.view_coverage, s.diagnostics["spread"])
        features.append(sign_features(*found).reshape(-1, 5))
        right.append(k["right"].ravel().astype(float))
        size = np.abs(depth).ravel() + 1e-9
        weight.append(1000 * size / size.sum())
    return np.concatenate(features), np.concatenate(right), np.concatenate(weight)


def reliability(chance: np.ndarray, right: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Table [bin: mean confidence, share right, weight] over ten bins, and the expected calibration error."""
    place = np.clip((chance * 10).astype(int), 0, 9)
    rows = []
    for b in range(10):
        inside = place == b
        if weight[inside].sum() > 0.002 * weight.sum():
            rows.append(
                [np.average(x[inside], weights=weight[inside]) for x in (chance, right)] + [weight[inside].sum()]
            )
    table = np.array(rows)
    gap = float((np.abs(table[:, 0] - table[:, 1]) * table[:, 2]).sum() / table[:, 2].sum())
    return table, gap


def calibration_rows(kept: dict[str, dict]) -> tuple[list[Row], SignCalibration, dict[str, np.ndarray]]:
    """Fit on every second generated clip; reliability on the other generated ones and on all recorded ones.

    No recording has a say in the fit, so that what recordings show of it is a clean check.
    """
    made = sorted(n for n in kept if " " in n)
    fitted = fit_calibration(*samples([kept[n] for n in made[::2]]))
    tables, rows = {}, []
    tests = {"recorded": sorted(n for n in kept if " " not in n), "generated, held out": made[1::2]}
    for label, names in tests.items():
        parts = [(samples([kept[n]]), kept[n]["solution"].view_coverage) for n in names]
        chance = np.concatenate([cautious(fitted.probability(part[0]), coverage) for part, coverage in parts])
        right, weight = (np.concatenate([part[i] for part, _ in parts]) for i in (1, 2))
        tables[label], gap = reliability(chance, right, weight)
        rows.append(Row("T5", label, "sign confidence", "expected calibration error", "share", [gap]))
        for confidence, share, mass in tables[label]:
            note = f"confidence {confidence:.2f}, {100 * mass / weight.sum():.0f} % of |dz|"
            rows.append(Row("T5", label, "sign confidence", "share right", "share", [float(share)], note=note))
    print(f"calibration fitted on every second generated clip: {fitted}", flush=True)
    return rows, fitted, tables


def draw_figures(kept: dict[str, dict], tables: dict[str, np.ndarray]) -> None:
    """docs/pictures/one_clip.png (error against views, reliability) and views.png (why views tell signs)."""
    from matplotlib import pyplot

    folder = ROOT / "docs" / "pictures"
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    ratio = [k["results"]["ours"]["mpjpe_d"] / k["results"]["flat"]["mpjpe_d"] for k in kept.values()]
    sure = np.array([k["solution"].determined for k in kept.values()])
    coverage = np.array([k["solution"].view_coverage for k in kept.values()])
    for known, label in ((True, "said to be determined"), (False, "said not to be")):
        left.scatter(coverage[sure == known], np.array(ratio)[sure == known], s=24, label=label)
    left.legend(fontsize=8)
    left.axhline(1, color="grey", linewidth=0.8)
    left.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    left.set(xlabel="view coverage (measured without labels)", ylabel="error / error of flat", title="One clip each")
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for label, table in tables.items():
        right.plot(table[:, 0], table[:, 1], marker="o", label=label)
    right.legend(fontsize=8)
    right.set(
        xlabel="confidence",
        ylabel="share of |dz| with the right sign",
        title="Clips that had no say in it",
        xlim=(0.3, 1),
    )
    figure.savefig(folder / "one_clip.png", dpi=90)
    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
    for axis, name in zip(axes, ("03_03", "12_01"), strict=True):
        true, edges = load(name)
        turn = body_rotation(true, true[0], edges)
        for label, flip, colour in (("wrong sign", -1.0, "tab:red"), ("right sign", 1.0, "tab:blue")):
            bone = bone_vectors(true, edges)[:, -3] * torch.tensor([1.0, 1.0, flip])
            own = torch.einsum("tji,tj->ti", turn, bone) / unit_d(true)
            axis.scatter(own[:, 0], own[:, 2], s=4, color=colour, label=label)
        axis.set(title=f"{name}: one bone in the body's frame, from above", aspect="equal", xlabel="%d", ylabel="%d")
    axes[0].legend()
    figure.savefig(folder / "views.png", dpi=90)


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="eight clips instead of all")
    parser.add_argument("--only", choices=TABLES, help="one part of the table")
    parser.add_argument("--seeds", type=int, default=1, help="unused: the clips are the repetitions")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no further part starts")
    parser.add_argument("--device", default="cpu", help="of the row whose starts are searched as tensors")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    names = QUICK if args.quick else captured()
    turners = [n for n in names if turning(n) >= TURNS]
    few = tuple(turners[:: max(1, len(turners) // 4)])
    rows: list[Row] = []
    if args.only in (None, "clips", "calibration"):
        kept = solved((*names, *(generated()[::3] if args.quick else generated())))
        more, fitted, tables = calibration_rows(kept)
        rows = clip_table(kept, SHIPPED) + more
        draw_figures(kept, tables)
        if not args.quick:
            (RESULTS / "lifting_one_clip_calibration.json").write_text(json.dumps(vars(fitted)) + "\n")
    parts = {
        "noise": {f"ours, 2D noise {n} %d": {"noise": n} for n in (0.0, 0.25, 0.5, 1.0)},
        "tree": {
            "ours, learned tree": {"learned": True},
            "ours, true tree": {},
            "ours, one start": {"num_starts": 1, "heading_start": False},
            "ours, no heading start": {"heading_start": False},
            "pairwise distances, then ours": {"method": "distances"},
            "ours, lengths refined": {"refine_lengths": True},
            "ours, all starts at once as tensors": {"device": args.device},
        },
    }
    for part, variants in parts.items():
        if args.only in (None, part) and time.perf_counter() - start < args.budget:
            rows += variant_rows(few, variants, f"{len(few)} clips that turn")
    if args.only == "as_written":
        rows += as_written_rows(names)
    new = {(row.data, row.method) for row in rows}
    publish(rows + earlier_rows("lifting_one_clip", lambda row: (row.data, row.method) in new), "lifting_one_clip")


if __name__ == "__main__":
    main()
