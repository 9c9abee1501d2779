"""Small drawings of the report as SVG: loss curves, the connection matrix, the skeleton as a graph."""

import json
import math
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from articulate.export.drawing import palette
from articulate.report.labels import short_names
from articulate.result import Result

MOST_POINTS = 240


def read_log(path: Path) -> dict[tuple[int, str], list[tuple[int, float]]]:
    """Series (step, value) of every group and scalar of `metrics.jsonl`; empty when there is none."""
    series: dict[tuple[int, str], list[tuple[int, float]]] = {}
    if not path.is_file():
        return series
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last line of a killed run may be cut off
        for name, value in entry.items():
            if name not in ("group", "step") and isinstance(value, int | float) and math.isfinite(value):
                series.setdefault((int(entry.get("group", 0)), name), []).append((int(entry["step"]), float(value)))
    return series


def curve(points: list[tuple[int, float]], width: int = 260, height: int = 90) -> str:
    """One loss curve; the vertical axis is logarithmic where all values are positive and span a decade."""
    steps = np.array([p[0] for p in points], float)
    values = np.array([p[1] for p in points], float)
    pick = np.unique(np.linspace(0, len(steps) - 1, min(MOST_POINTS, len(steps))).round().astype(int))
    steps, values = steps[pick], values[pick]
    logarithmic = values.min() > 0 and values.max() > 10 * values.min()
    y = np.log10(values) if logarithmic else values
    x = (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (width - 8) + 4
    y = height - 6 - (y - y.min()) / max(y.max() - y.min(), 1e-12) * (height - 12)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    note = f"{values[0]:.3g} → {values[-1]:.3g}" + (" (log)" if logarithmic else "")
    return (
        f'<svg viewBox="0 0 {width} {height + 14}" class="curve"><polyline points="{line}"/>'
        f'<text x="4" y="{height + 11}">{note}</text></svg>'
    )


def loss_curves(path: Path) -> list[dict[str, Any]]:
    """Every logged scalar as a titled curve, by group; the shares of the gradient apart, weighted copies left out."""
    series = read_log(path)
    found = []
    for group in sorted({group for group, _ in series}):
        curves: list[dict[str, str]] = []
        shares: list[dict[str, str]] = []
        for (number, name), points in series.items():
            if number == group and len(points) > 1 and not name.endswith(".weighted"):
                (shares if name.endswith(".share") else curves).append({"name": name, "svg": curve(points)})
        found.append({"group": group + 1, "curves": curves, "shares": shares})
    return found


def matrix(result: Result) -> str:
    """The connection matrix: darkness and number (%) are the probability of a limb, a ring marks limbs of the tree."""
    names, short = result.names, short_names(result.names)
    count, cell, margin = len(names), 26, 22 + 6 * min(max(map(len, short)), 14)
    skeleton = result.skeleton
    shown = skeleton.connection if skeleton.probability is None else skeleton.probability
    limbs = {tuple(sorted(e)) for e in result.edges.tolist()}
    parts = []
    for a in range(count):
        middle = margin + cell * a + cell * 0.5
        parts.append(f'<text x="{margin - 6}" y="{middle + 4:.0f}" text-anchor="end">{escape(short[a])}</text>')
        turn = 0 if len(short[a]) < 4 else -60
        anchor = "middle" if not turn else "start"
        place = f'transform="translate({middle:.0f} {margin - 7}) rotate({turn})" text-anchor="{anchor}"'
        parts.append(f"<text {place}>{escape(short[a])}</text>")
        for b in range(count):
            if a == b:
                continue
            p = min(max(float(shown[a, b]), 0.0), 1.0)
            limb = (min(a, b), max(a, b)) in limbs
            title = f"{escape(names[a])} - {escape(names[b])}: {p:.2f}{' (limb)' if limb else ''}"
            ring = ' class="limb"' if limb else ""
            left, top = margin + cell * b, margin + cell * a
            parts.append(
                f'<rect{ring} x="{left + 1.5}" y="{top + 1.5}" width="{cell - 3}" height="{cell - 3}" rx="3" '
                f'fill-opacity="{0.04 + 0.96 * p:.3f}"><title>{title}</title></rect>'
            )
            if p >= 0.05:
                style = ' class="on"' if p > 0.5 else ""
                middle_of_cell = f'x="{left + cell / 2}" y="{top + cell / 2 + 3.5}"'
                parts.append(f'<text{style} {middle_of_cell} text-anchor="middle" font-size="9">{100 * p:.0f}</text>')
    side = margin + cell * count + 6
    return f'<svg viewBox="0 0 {side} {side}" class="matrix" style="max-width:{side}px">{"".join(parts)}</svg>'


def flat_layout(result: Result) -> np.ndarray:
    """A place in the plane for every keypoint: the rest pose from its broadest side, else the median 2D pose."""
    if result.articulation is not None:
        points = result.articulation.rest_pose.double()
        centred = points - points.mean(0)
        axes = torch.linalg.svd(centred)[2][:2]
        flat = centred @ axes.T
        # Down in the picture stays down where the image's vertical takes part at all.
        down = int(axes[:, 1].abs().argmax())
        flat = flat * torch.where(axes[torch.arange(2), torch.tensor([0, 1])] < 0, -1.0, 1.0)
        flat = flat if down == 1 else flat.flip(1)
        return flat.numpy()
    xy = torch.nan_to_num(result.tracks.xy[0].double().nanmedian(0).values)
    return (xy - xy.mean(0)).numpy()


def graph(result: Result, width: int = 420, height: int = 360) -> str:
    """The skeleton as a graph: width of a limb is its probability; numbers are keypoints."""
    flat = flat_layout(result)
    span = np.maximum(flat.max(0) - flat.min(0), 1e-6)
    scale = min((width - 110) / span[0], (height - 60) / span[1])
    place = (flat - (flat.max(0) + flat.min(0)) / 2) * scale + np.array([width / 2, height / 2])
    colours, parts = palette(len(flat)), []
    probability = result.skeleton.probability
    for a, b in result.edges.tolist():
        p = 1.0 if probability is None else float(probability[a, b])
        title = f"{escape(result.names[a])} - {escape(result.names[b])}: {p:.2f}"
        dashed = ' stroke-dasharray="5 4"' if p < 0.6 else ""
        parts.append(
            f'<line x1="{place[a, 0]:.1f}" y1="{place[a, 1]:.1f}" x2="{place[b, 0]:.1f}" y2="{place[b, 1]:.1f}" '
            f'stroke="rgb{colours[b]}" stroke-width="{1.5 + 4 * p:.1f}"{dashed}><title>{title}</title></line>'
        )
    numbers = short_names(result.names)
    for k, (x, y) in enumerate(place):
        title = f"<title>{escape(result.names[k])}</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="rgb{colours[k]}">{title}</circle>')
        if numbers[k].isdigit():
            parts.append(f'<text class="number" x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle">{numbers[k]}</text>')
        else:
            parts.append(f'<text x="{x + 13:.1f}" y="{y - 6:.1f}">{escape(numbers[k])}</text>')
    return f'<svg viewBox="0 0 {width} {height}" class="graph">{"".join(parts)}</svg>'
