"""The model card: what a model is, what it was trained on, how well it did, and where it does not hold."""

from collections.abc import Mapping
from typing import Any

from articulate.model import Model
from articulate.report.meanings import number


def card(model: Model) -> str:
    """The card as Markdown."""
    about = dict(model.provenance)
    config = about.get("config") or {}
    data = config.get("data", {}) if isinstance(config, Mapping) else {}
    depth = " and a 3D pose per frame" if model.lifter else ""
    reduced = "" if model.settings.shrink == 1 else f", reduced {model.settings.shrink} times"
    lines = [
        f"# Model card: {config.get('name', 'model') if isinstance(config, Mapping) else 'model'}",
        "",
        f"Keypoints on one kind of articulated thing, its tree of limbs{depth}, found in unlabelled video.",
        "",
        f"- Fingerprint: `{model.fingerprint}`",
        f"- Keypoints: {model.num_keypoints}; limbs: {len(model.skeleton.edges)}; "
        f"frames of {model.settings.size} px{reduced}",
        f"- Detector: hourglass of width {model.detector.config.width:g}, "
        f"{sum(p.numel() for p in model.detector.parameters())} weights",
        f"- Lifter: {'none' if model.lifter_config is None else model.lifter_config.kind}",
        f"- Trained on: {', '.join(map(str, data.get('videos', []))) or data.get('recipe', 'unknown')}; "
        f"seed {about.get('seed', 'unknown')}; no labels",
    ]
    if about.get("stand_in"):
        lines.append(f"- **{about['stand_in']}**")
    versions = about.get("versions", {})
    if versions:
        lines.append("- Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    lines += ["", "## Measured on the training video", "", *measured(model.metrics)]
    lines += ["", "## Use", "", "```python", "import articulate", "", 'model = articulate.load("model.safetensors")']
    lines += ['result = model.predict("video.mp4")', 'result.to("dlc", "tracks.csv")', "```", "", "## Limits", ""]
    lines += [
        "- One subject of the kind trained on, seen alike (view, light, background); others give confident nonsense.",
        "- Keypoints are numbered by what the network found; they carry no anatomical names.",
        "- 3D comes from one camera: scale is arbitrary (unit: mean bone length) and depth holds up to a reflection.",
        "",
    ]
    return "\n".join(lines)


def measured(metrics: Mapping[str, Any]) -> list[str]:
    """A table of the scores that a run left, beside their floors."""
    rows = [
        f"| {section} | {name} | {number(value)} |"
        for section in ("keypoints", "tree", "pose3d")
        for name, value in (metrics.get(section) or {}).get("ours", {}).items()
    ]
    if not rows:
        free = metrics.get("label_free") or {}
        rows = [f"| label-free | {k} | {number(v)} |" for k, v in free.items() if isinstance(v, int | float)]
    return ["| part | metric | value |", "|---|---|---|", *rows] if rows else ["Nothing was measured."]
