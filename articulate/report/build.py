"""Gathers what the report shows and fills the template; everything is inside the one file."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from articulate.data.store import ClipStore
from articulate.errors import DataError
from articulate.export.drawing import palette
from articulate.export.viewpoint import view_of
from articulate.export.writing import finite, write_text
from articulate.report import advice, charts, meanings
from articulate.report.labels import short_names
from articulate.report.pictures import shown_motion, shown_pictures
from articulate.report.rows import clip_rows, keypoint_rows, limb_rows
from articulate.report.verdict import Verdict, verdict
from articulate.result import Result, read_json

CITE = """@software{articulate,
  title = {articulate: keypoints, limbs and 3D motion of articulated things from unlabelled video},
  version = {%s}
}
@phdthesis{harris2024,
  author = {J. L. Harris},
  title = {An Investigation into Locating Generalised Articulated Pose Models using Self-Supervised Deep Learning},
  school = {University of Southampton},
  year = {2024}
}"""


def store_warnings(result: Result) -> list[str]:
    """What the clip store had to say about the videos; nothing when it is gone."""
    try:
        return ClipStore.open(result.store).warnings if result.store else []
    except DataError:
        return []


def read_config(result: Result, run_folder: Path) -> str:
    """The resolved configuration, as the run keeps it."""
    path = run_folder / "config.yaml"
    if path.is_file():
        return path.read_text()
    return json.dumps(finite(dict(result.provenance).get("config", {})), indent=1)


def read_metrics(run_folder: Path) -> dict[str, Any]:
    """The metrics of a run; nothing where it has none."""
    places = [run_folder / "results" / "metrics.json", run_folder / "metrics.json"]
    return next((read_json(place) for place in places if place.is_file()), {})


def judge(result: Result, metrics: dict[str, Any]) -> tuple[list[advice.Finding], Verdict]:
    """All findings about a run, and what to think of it at first sight."""
    found = advice.findings(result, metrics, store_warnings(result))
    measured = any(part in metrics for part in ("keypoints", "tree", "pose3d"))
    return found, verdict(result, found, measured)


def write_report(result: Result, run_folder: Path | str, out: Path | str) -> Path:
    """Write the report of a run to `out`; log, configuration and `metrics.json` come from `run_folder`.

    Parts whose source is absent say so. Raises ExportError when the file cannot be written.
    """
    run_folder, out = Path(run_folder), Path(out)
    metrics = read_metrics(run_folder)
    free = metrics.get("label_free", {})
    provenance = dict(result.provenance)
    config = provenance.get("config")
    name = config.get("name", run_folder.name) if isinstance(config, dict) else run_folder.name
    folder = resources.files("articulate.report")
    view = view_of(result)
    data = {
        "edges": result.edges.tolist(),
        "labels": short_names(result.names),
        "colours": palette(result.num_keypoints),
        "pictures": shown_pictures(result, view),
        "motion": shown_motion(result, view),
    }
    found, said = judge(result, metrics)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = code
    template = environment.from_string((folder / "template.html").read_text())
    text = template.render(
        name=name,
        folder=run_folder.name if run_folder.is_absolute() else str(run_folder),
        groups=group_titles(config),
        stand_in=provenance.get("stand_in"),
        facts=facts(result),
        verdict=said,
        findings=found,
        clips=clip_rows(result),
        tables=meanings.metric_tables(metrics),
        free=meanings.label_free_rows(free),
        keypoints=keypoint_rows(result, free),
        limbs=limb_rows(result, free),
        curves=charts.loss_curves(run_folder / "metrics.jsonl"),
        matrix=charts.matrix(result),
        graph=charts.graph(result),
        from_above=view is not None and view.from_above,
        has_motion=data["motion"] is not None,
        has_pictures=bool(data["pictures"]),
        config=read_config(result, run_folder),
        versions=provenance.get("versions") or {"articulate": provenance.get("version", "unknown")},
        seed=provenance.get("seed"),
        cite=CITE % ((provenance.get("versions") or {}).get("articulate") or provenance.get("version", "0.1.0")),
        style=(folder / "style.css").read_text(),
        script=(folder / "viewer.js").read_text(),
        # `</` inside a script element would end it.
        data=json.dumps(finite(data), separators=(",", ":")).replace("</", "<\\/"),
    )
    return write_text(out, text)


def group_titles(config: Any) -> list[str]:
    """What was trained in each group of the schedule."""
    schedule = config.get("schedule", []) if isinstance(config, dict) else []
    return [f"Stage {n} of {len(schedule)}: {' + '.join(g['stages'])}" for n, g in enumerate(schedule, 1)]


def code(text: str) -> markupsafe.Markup:
    """Text with what stands between backticks set as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))


def facts(result: Result) -> list[tuple[str, str]]:
    """The headline of a run in a few numbers."""
    clips = len(result.clips)
    found = [
        ("clip" if clips == 1 else "clips", str(clips)),
        ("frames", str(result.tracks.xy.shape[1])),
        ("keypoints", str(result.num_keypoints)),
        ("limbs", str(len(result.edges))),
    ]
    probability = result.skeleton.probability
    if probability is not None and len(result.edges):
        mean = probability[result.edges[:, 0], result.edges[:, 1]].mean().item()
        found.append(("mean certainty of a limb", f"{100 * mean:.0f} %"))
    return found
