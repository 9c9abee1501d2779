"""The tables of the report: keypoints, limbs and clips, one row each."""

from pathlib import Path
from typing import Any

from articulate.export.drawing import palette
from articulate.report import meanings
from articulate.report.labels import short_names
from articulate.result import Result


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
            "title": result.names[k],
            "colour": "rgb({},{},{})".format(*colours[k]),
            "confidence": value("mean_confidence", k),
            "on_animal": value("on_animal_per_keypoint", k),
            "jitter": value("jitter_per_keypoint", k),
            "state": ", ".join(reason for reason, points in dead.items() if k in points) or "alive",
        }
        for k, name in enumerate(short_names(result.names))
    ]


def limb_rows(result: Result, free: dict[str, Any]) -> list[dict[str, Any]]:
    """Certainty, length and range of every limb."""
    rows = []
    model, names = result.articulation, short_names(result.names)
    colours = palette(result.num_keypoints)
    for limb, (parent, child) in enumerate(result.edges.tolist()):
        probability, depth = (free.get(key) for key in ("edge_probability", "bone_confidence"))
        swing = None if model is None else model.joint_ranges[child].rad2deg().round().int().tolist()
        rows.append(
            {
                "name": f"{names[parent]} – {names[child]}",
                "title": f"{result.names[parent]} – {result.names[child]}",
                "colour": "rgb({},{},{})".format(*colours[child]),
                "probability": meanings.number(probability[limb]) if probability else "–",
                "depth": meanings.number(depth[limb]) if depth else "–",
                "length": "–" if model is None else f"{float(model.bone_lengths[child]):.2f}",
                "swing": "–" if swing is None else f"{swing[0][0]}…{swing[0][1]}°  {swing[1][0]}…{swing[1][1]}°",
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
