"""COCO keypoints as JSON, with the score of every keypoint. Pixels of the original videos."""

from pathlib import Path
from typing import Any

import numpy as np

from articulate.export.writing import short_provenance, write_json
from articulate.result import Result


def annotation(number: int, xy: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """One subject in one picture: (x, y, v) per keypoint, v = 2 where found and 0 where lost."""
    known = np.isfinite(xy).all(-1)
    place = np.where(known[:, None], xy, 0.0)
    triples = [[round(float(x), 3), round(float(y), 3), 2 * int(k)] for (x, y), k in zip(place, known, strict=True)]
    low, high = (xy[known].min(0), xy[known].max(0)) if known.any() else (np.zeros(2), np.zeros(2))
    width, height = (high - low).tolist()
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": [value for triple in triples for value in triple],
        "num_keypoints": int(known.sum()),
        "keypoint_scores": [round(float(s), 5) for s in score],
        "score": round(float(score.mean()), 5),
        "bbox": [round(float(v), 3) for v in (*low, width, height)],
        "area": round(width * height, 3),
    }


def write_coco(result: Result, path: Path) -> list[Path]:
    """Write all clips as one COCO file; pictures are named CLIP/FRAME (six digits)."""
    xy, score = result.xy.cpu().numpy(), result.confidence.double().cpu().numpy()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, clip in enumerate(result.clips):
        for row in result.rows(number).tolist():
            frame = int(result.frame[row])
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": f"{clip.name}/{frame:06d}.png",
                    "width": clip.source_size[0],
                    "height": clip.source_size[1],
                    "video": clip.source or clip.name,
                    "frame": frame,
                }
            )
            annotations.append(annotation(len(images), xy[row], score[row]))
    category = {
        "id": 1,
        "name": "subject",
        "supercategory": "articulated",
        "keypoints": list(result.names),
        "skeleton": [[a + 1, b + 1] for a, b in result.edges.tolist()],  # COCO counts from 1
    }
    info = {"description": "articulate: discovered keypoints", "provenance": short_provenance(result)}
    content = {"info": info, "images": images, "annotations": annotations, "categories": [category]}
    return [write_json(path, content)]
