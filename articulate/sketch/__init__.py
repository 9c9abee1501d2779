"""The differentiable sketch: limbs as soft capsules, drawn so that points, widths, colours and order can be learned."""

from articulate.sketch.allocation import farthest_unexplained, plan_reseeding, removal_harm, reseeding_error
from articulate.sketch.draw import draw_limbs, draw_matrix, draw_tree
from articulate.sketch.losses import blurred_error, gaussian_blur, pyramid_error, stroke_cross_entropy
from articulate.sketch.refine import refine_points
from articulate.sketch.reseeding import Reseeder, ReseedingConfig
from articulate.sketch.schedule import CoarseToFine, Drawing, WidthSchedule
from articulate.sketch.strokes import PaintedStrokes, WhiteStrokes

__all__ = [
    "CoarseToFine",
    "Drawing",
    "PaintedStrokes",
    "Reseeder",
    "ReseedingConfig",
    "WhiteStrokes",
    "WidthSchedule",
    "blurred_error",
    "draw_limbs",
    "draw_matrix",
    "draw_tree",
    "farthest_unexplained",
    "gaussian_blur",
    "plan_reseeding",
    "pyramid_error",
    "refine_points",
    "removal_harm",
    "reseeding_error",
    "stroke_cross_entropy",
]
