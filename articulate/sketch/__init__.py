"""The differentiable sketch: limbs as soft capsules, drawn so that points, widths, colours and order can be learned."""

from articulate.sketch.draw import draw_limbs, draw_matrix, draw_tree

__all__ = ["draw_limbs", "draw_matrix", "draw_tree"]
