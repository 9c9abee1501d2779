"""The vertex of the parabola through three equally spaced values."""


def vertex(low: float, middle: float, high: float, *, highest: bool = False) -> float | None:
    """Where the parabola through (-1, low), (0, middle), (1, high) is lowest (or highest); None where it bends away."""
    bend = low - 2 * middle + high
    return None if (bend >= 0 if highest else bend <= 0) else 0.5 * (low - high) / bend
