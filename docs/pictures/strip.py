"""Frames of a run with its skeleton, side by side, for the documents: python docs/pictures/strip.py RUN OUT.png."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from articulate.export.drawing import draw_tree
from articulate.export.frames import pictures
from articulate.report.pictures import close_up
from articulate.result import Result

HEIGHT, COUNT = 200, 5


def strip(result: Result) -> np.ndarray:
    """COUNT frames spread over the first clip, close up."""
    rows = result.rows(0)
    pick = rows[torch.linspace(0, len(rows) - 1, COUNT + 2)[1:-1].round().long()]
    confidence, edges = result.confidence.double().numpy(), [(a, b) for a, b in result.edges.tolist()]
    parts = []
    for row, image, xy in pictures(result, 0, pick):
        near, place = close_up(result, row, image, xy)
        parts += [draw_tree(near, place, confidence[row], edges, HEIGHT), np.full((HEIGHT, 6, 3), 255, np.uint8)]
    return np.concatenate(parts[:-1], 1)


if __name__ == "__main__":
    Image.fromarray(strip(Result.load(Path(sys.argv[1])))).save(sys.argv[2])
