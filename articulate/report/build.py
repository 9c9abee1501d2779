"""Gathers what the report shows and fills the template; everything is inside the one file."""

import base64
import io
import json
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import numpy as np
import torch
from PIL import Image

from articulate.data.store import ClipStore
from articulate.errors import DataError, ExportError
from articulate.export.drawing import palette
from articulate.export.frames import pictures
from articulate.export.overlay import view_extent
from articulate.export.writing import finite, write_text
from articulate.report import advice, charts, meanings
from articulate.result import Result, read_json

PICTURES = 32
PICTURE_WIDTH = 420
POSE_FRAMES = 400

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


def jpeg(image: np.ndarray) -> tuple[str, float]:
    """The picture as a data address, at most PICTURE_WIDTH wide, and the factor it was shrunk by."""
    picture = Image.fromarray(image)
    factor = min(1.0, PICTURE_WIDTH / picture.width)
    if factor < 1:
        picture = picture.resize((PICTURE_WIDTH, max(1, round(picture.height * factor))), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode(), factor


def shown_pictures(result: Result) -> list[dict[str, Any]]:
    """Frames spread over all clips with their keypoints; none when neither video nor store is there any more."""
    share = max(1, PICTURES // len(result.clips))
    confidence = result.confidence
    shown: list[dict[str, Any]] = []
    try:
        for number, clip in enumerate(result.clips):
            rows = result.rows(number)
            pick = torch.linspace(0, len(rows) - 1, min(share, len(rows))).round().long()
            for row, image, xy in pictures(result, number, rows[pick]):
                address, factor = jpeg(image)
                points = [
                    [round(v, 1) if math.isfinite(v) else None for v in p] for p in ((xy + 0.5) * factor).tolist()
                ]
                score = [round(v, 2) for v in confidence[row].tolist()]
                caption = f"{clip.name}, frame {int(result.frame[row])}"
                shown.append({"image": address, "points": points, "score": score, "caption": caption})
    except ExportError:
        return []
    return shown


def shown_motion(result: Result) -> dict[str, Any] | None:
    """Centred 3D poses of the first clips, in the order of time, with the radius that holds them."""
    if result.xyz is None:
        return None
    share = max(1, POSE_FRAMES // len(result.clips))
    rows = torch.cat([result.rows(number)[:share] for number in range(len(result.clips))])
    joints = result.xyz[rows].double().cpu()
    known = joints.isfinite().all(-1).all(-1)
    if not known.any():
        return None
    rows, joints = rows[known], joints[known]
    radius, ground = view_extent(result)
    centred = joints - joints.mean(1, keepdim=True)
    captions = [f"{result.clips[int(result.clip[r])].name}, frame {int(result.frame[r])}" for r in rows]
    poses = [[[round(v, 3) for v in joint] for joint in pose] for pose in centred.tolist()]
    fps = result.clips[0].fps if result.clips[0].fps > 0 else 25.0
    return {"poses": poses, "captions": captions, "radius": radius, "ground": ground, "fps": fps}


def keypoint_rows(result: Result, free: dict[str, Any]) -> list[dict[str, Any]]:
    """Health of every keypoint."""
    dead = free.get("dead", {})
    colours = palette(result.num_keypoints)

    def value(key: str, k: int) -> str:
        listed = free.get(key)
        return meanings.number(listed[k]) if listed else "–"

    return [
        {
            "name": name,
            "colour": "rgb({},{},{})".format(*colours[k]),
            "confidence": value("mean_confidence", k),
            "on_animal": value("on_animal_per_keypoint", k),
            "jitter": value("jitter_per_keypoint", k),
            "state": ", ".join(reason for reason, points in dead.items() if k in points) or "alive",
        }
        for k, name in enumerate(result.names)
    ]


def limb_rows(result: Result, free: dict[str, Any]) -> list[dict[str, Any]]:
    """Certainty, length and range of every limb."""
    rows = []
    model = result.articulation
    for limb, (parent, child) in enumerate(result.edges.tolist()):
        probability, depth = (free.get(key) for key in ("edge_probability", "bone_confidence"))
        swing = None if model is None else model.joint_ranges[child].rad2deg().round().int().tolist()
        rows.append(
            {
                "name": f"{result.names[parent]} – {result.names[child]}",
                "probability": meanings.number(probability[limb]) if probability else "–",
                "depth": meanings.number(depth[limb]) if depth else "–",
                "length": "–" if model is None else f"{float(model.bone_lengths[child]):.2f}",
                "swing": "–" if swing is None else f"{swing[0][0]}…{swing[0][1]}°, {swing[1][0]}…{swing[1][1]}°",
            }
        )
    return rows


def clip_rows(result: Result) -> list[dict[str, Any]]:
    """Data audit: every clip with its source, frames and losses."""
    lost = ~result.tracks.xy[0].isfinite().all(-1).any(-1)
    rows = []
    for number, clip in enumerate(result.clips):
        own = result.rows(number)
        seconds = f"{len(own) / clip.fps:.1f} s" if clip.ordered and clip.fps > 0 else "images"
        rows.append(
            {
                "name": clip.name,
                "source": Path(clip.source).name or "generated",
                "size": f"{clip.source_size[0]} × {clip.source_size[1]}",
                "frames": len(own),
                "length": seconds,
                "lost": int(lost[own].sum()),
            }
        )
    return rows


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


def write_report(result: Result, run_folder: Path | str, out: Path | str) -> Path:
    """Write the report of a run to `out`; log, configuration and `metrics.json` come from `run_folder`.

    Parts whose source is absent say so. Raises ExportError when the file cannot be written.
    """
    run_folder, out = Path(run_folder), Path(out)
    places = [run_folder / "results" / "metrics.json", run_folder / "metrics.json"]
    metrics = next((read_json(place) for place in places if place.is_file()), {})
    free = metrics.get("label_free", {})
    provenance = dict(result.provenance)
    config = provenance.get("config")
    name = config.get("name", run_folder.name) if isinstance(config, dict) else run_folder.name
    folder = resources.files("articulate.report")
    data = {
        "edges": result.edges.tolist(),
        "colours": palette(result.num_keypoints),
        "pictures": shown_pictures(result),
        "motion": shown_motion(result),
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = code
    template = environment.from_string((folder / "template.html").read_text())
    text = template.render(
        name=name,
        stand_in=provenance.get("stand_in"),
        facts=facts(result),
        findings=advice.findings(result, metrics, store_warnings(result)),
        clips=clip_rows(result),
        tables=meanings.metric_tables(metrics),
        free=meanings.label_free_rows(free),
        keypoints=keypoint_rows(result, free),
        limbs=limb_rows(result, free),
        curves=charts.loss_curves(run_folder / "metrics.jsonl"),
        matrix=charts.matrix(result),
        graph=charts.graph(result),
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


def code(text: str) -> markupsafe.Markup:
    """Text with what stands between backticks set as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))


def facts(result: Result) -> list[tuple[str, str]]:
    """The headline of a run in a few numbers."""
    found = [
        ("clips", str(len(result.clips))),
        ("frames", str(result.tracks.xy.shape[1])),
        ("keypoints", str(result.num_keypoints)),
        ("limbs", str(len(result.edges))),
    ]
    probability = result.skeleton.probability
    if probability is not None and len(result.edges):
        mean = probability[result.edges[:, 0], result.edges[:, 1]].mean().item()
        found.append(("mean certainty of a limb", f"{100 * mean:.0f} %"))
    return found
