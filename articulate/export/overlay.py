"""`overlay.mp4`: the 2D skeleton over the video, beside the 3D pose seen from a viewpoint that slowly turns."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from articulate.export.drawing import PAPER, draw_pose, draw_tree
from articulate.export.frames import pictures, spread_rows
from articulate.export.viewpoint import view_of
from articulate.result import Result
from articulate.video_writer import VideoWriter

TURN_SECONDS = 12.0  # one full turn of the 3D view
HEIGHT = 360


def fitted(image: np.ndarray, width: int) -> np.ndarray:
    """The picture centred in `width` columns (clips of one run may differ in shape)."""
    if image.shape[1] > width:
        small = Image.fromarray(image).resize((width, round(image.shape[0] * width / image.shape[1])))
        image = np.asarray(small)
    canvas = np.full((HEIGHT, width, 3), PAPER, np.uint8)
    top, left = (HEIGHT - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def labelled(image: np.ndarray, text: str) -> np.ndarray:
    """The picture with a caption in its lower left corner."""
    canvas = Image.fromarray(image)
    ImageDraw.Draw(canvas).text((6, canvas.height - 16), text, fill=(60, 60, 60), stroke_width=2, stroke_fill="white")
    return np.asarray(canvas)


def write_overlay(result: Result, path: Path, at_most: int = 600) -> list[Path]:
    """Write the video (at most `at_most` frames, from the start of every clip); without 3D the picture stands alone."""
    edges = [(int(a), int(b)) for a, b in result.edges.tolist()]
    view = view_of(result)
    confidence = result.confidence.double().cpu().numpy()
    fps = result.clips[0].fps if result.clips[0].fps > 0 else 25.0
    shown, width = 0, 0
    with VideoWriter(path, fps) as video:
        for number, rows in spread_rows(result, at_most):
            for row, image, xy in pictures(result, number, rows):
                left = draw_tree(image, xy, confidence[row], edges, HEIGHT)
                width = width or min(left.shape[1], 2 * HEIGHT)
                left = labelled(fitted(left, width), f"{result.clips[number].name}  {int(result.frame[row])}")
                if view is not None:
                    yaw = 2 * math.pi * shown / (fps * TURN_SECONDS)
                    right = draw_pose(view.poses[row], confidence[row], edges, HEIGHT, view.radius, view.ground, yaw)
                    left = np.concatenate([left, right], 1)
                video.write(left)
                shown += 1
    return [path]
