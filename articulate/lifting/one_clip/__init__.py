"""Depth of one clip from its 2D keypoints and tree alone: no training, no second view, no labels."""

from articulate.lifting.one_clip.config import ClipSolution, OneClipConfig
from articulate.lifting.one_clip.solve import search_distance, solve_clip

__all__ = ["ClipSolution", "OneClipConfig", "search_distance", "solve_clip"]
