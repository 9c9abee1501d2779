"""What the report shows moving: frames of the video with their keypoints and pose, and the 3D motion."""

import base64
import io
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from articulate.errors import ExportError
from articulate.export.frames import pictures
from articulate.export.viewpoint import View
from articulate.result import Result

PICTURES = 32
PICTURE_WIDTH = 420
POSE_FRAMES = 400


def jpeg(image: np.ndarray) -> tuple[str, float]:
    """The picture as a data address, at most PICTURE_WIDTH wide, and the factor it was shrunk by."""
    picture = Image.fromarray(image)
    factor = min(1.0, PICTURE_WIDTH / picture.width)
    if factor < 1:
        picture = picture.resize((PICTURE_WIDTH, max(1, round(picture.height * factor))), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode(), factor


def close_up(
    result: Result, row: int, image: UInt8[np.ndarray, "H W 3"], xy: Float[np.ndarray, "K 2"]
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "K 2"]]:
    """The part of a video's frame that the detector saw, with the keypoints in its pixels.

    Frames of the clip store are that part already.
    """
    width, height = result.clips[int(result.clip[row])].source_size
    if image.shape[:2] != (height, width):
        return image, xy
    scale, x0, y0 = result.source_from_store[row].tolist()
    side = scale * result.store_size
    left, top = max(0, round(x0)), max(0, round(y0))
    right, bottom = min(width, round(x0 + side)), min(height, round(y0 + side))
    if right - left < 2 or bottom - top < 2:
        return image, xy
    return image[top:bottom, left:right], xy - np.array([left, top])


def shown_pictures(result: Result, view: View | None) -> list[dict[str, Any]]:
    """Frames spread over all clips with their keypoints; none when neither video nor store is there any more."""
    share = max(1, PICTURES // len(result.clips))
    confidence = result.confidence
    shown: list[dict[str, Any]] = []
    try:
        for number, clip in enumerate(result.clips):
            rows = result.rows(number)
            pick = torch.linspace(0, len(rows) - 1, min(share, len(rows))).round().long()
            for row, image, xy in pictures(result, number, rows[pick]):
                near, place = close_up(result, row, image, xy)
                address, factor = jpeg(near)
                points = ((place + 0.5) * factor).tolist()
                shown.append(
                    {
                        "image": address,
                        "points": [[round(v, 1) if math.isfinite(v) else None for v in p] for p in points],
                        "score": [round(v, 2) for v in confidence[row].tolist()],
                        "caption": f"{clip.name}, frame {int(result.frame[row])}",
                        "pose": None if view is None else pose_list(view.poses[row]),
                    }
                )
    except ExportError:
        return []
    return shown


def pose_list(pose: Float[np.ndarray, "K 3"]) -> list[list[float]] | None:
    """A pose as rounded numbers; None where the frame has none."""
    return np.round(pose, 3).tolist() if np.isfinite(pose).all() else None


def shown_motion(result: Result, view: View | None) -> dict[str, Any] | None:
    """3D poses of the first clips, in the order of time, with the radius that holds them."""
    if view is None:
        return None
    share = max(1, POSE_FRAMES // len(result.clips))
    rows = torch.cat([result.rows(number)[:share] for number in range(len(result.clips))])
    kept = [row for row in rows.tolist() if np.isfinite(view.poses[row]).all()]
    if not kept:
        return None
    return {
        "poses": [pose_list(view.poses[row]) for row in kept],
        "captions": [f"{result.clips[int(result.clip[row])].name}, frame {int(result.frame[row])}" for row in kept],
        "radius": view.radius,
        "ground": view.ground,
        "fps": result.clips[0].fps if result.clips[0].fps > 0 else 25.0,
    }
