"""Drawing limbs, trees and connection matrices so that every argument gets a gradient."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from articulate.errors import ConfigError
from articulate.sketch.chunked import draw_chunked
from articulate.sketch.compiled_coverage import draw_compiled_coverage, pairs_of
from articulate.sketch.compiled_painting import draw_compiled_painting
from articulate.sketch.fused import available, draw_fused, interpreted
from articulate.sketch.profiles import WIDTH_FLOOR, composition_code, profile_code
from articulate.sketch.reference import draw_reference
from articulate.sketch.settings import Settings

# Options of a drawing that goes from points to pixels in one compiled call.
PLAIN = {"weight", "profile", "threshold", "backend"}
BACKENDS = ("auto", "numba", "triton", "chunked", "torch")


def choose_backend(backend: str, device: torch.device, dtype: torch.dtype, fusible: bool) -> str:
    """The backend to use. `auto` is numba on the CPU, triton on CUDA where it is installed, and else chunked.

    `fusible`: white limbs under `soft_or`, all that the triton kernels draw. Half precision is always chunked.
    Raises ConfigError for an unknown name and for a backend that cannot draw this, or here.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"sketch: backend `{backend}` is unknown (allowed: {', '.join(BACKENDS)})")
    if backend == "auto":
        if device.type == "cpu" and dtype in (torch.float32, torch.float64):
            return "numba"
        return "triton" if device.type == "cuda" and dtype == torch.float32 and fusible and available() else "chunked"
    if backend == "numba" and device.type != "cpu":
        raise ConfigError(f"sketch: backend `numba` draws on the cpu, the points are on {device} (use `auto`)")
    if backend == "triton" and not (available() and (device.type == "cuda" or interpreted())):
        raise ConfigError(f"sketch: backend `triton` needs a CUDA device and the package triton; {device} (use `auto`)")
    if backend == "triton" and not (fusible and dtype == torch.float32):
        raise ConfigError("sketch: backend `triton` draws white limbs under `soft_or` in float32 (use `auto`)")
    return backend


def draw_limbs(
    start: Float[Tensor, "B L 2"],
    end: Float[Tensor, "B L 2"],
    *,
    size: tuple[int, int],
    width: Float[Tensor, "L 2"] | Float[Tensor, "B L 2"] | Float[Tensor, ""] | float,
    weight: Float[Tensor, "B L"] | Float[Tensor, " L"] | None = None,
    colour: Float[Tensor, "L 2 C"] | Float[Tensor, "B L 2 C"] | None = None,
    depth: Float[Tensor, "B L 2"] | None = None,
    profile: str = "gaussian",
    composition: str = "soft_or",
    background: Float[Tensor, " C"] | Float[Tensor, "B C H W"] | None = None,
    softness: float | None = None,
    temperature: float = 0.1,
    threshold: float = 1e-6,
    backend: str = "auto",
) -> Float[Tensor, "B C H W"]:
    """Image of tapered strokes from `start` to `end`: coverage A, or A * mean colour + (1 - A) * background.

    Frame: [-1, 1] at pixel centres; `width` holds the half-widths at both ends, where the intensity is one half
    (clamped at 1e-4); equal ends draw a dot. `weight` in [0, 1] scales a limb's intensity. Without `colour` limbs are
    white, in one channel or in those of `background`; without `background` it is black. Profiles and compositions:
    `profiles.intensity` and `reference.compose`; after Mihai and Hare (2021) and Harris (2024, section 5.5).
    `softness` is the half-length of the smooth step (default 0.75 px: the slope of an antialiased edge), `temperature`
    that of the depth order in `over`, in units of depth. A pixel is off by at most `threshold` per limb, below
    which nothing is drawn.
    Raises ConfigError for an unknown profile, composition or backend, and for `over` without depth.
    """
    profile_code(profile)
    if composition_code(composition) == 3 and depth is None:
        raise ConfigError("sketch: composition `over` needs the depth of the limbs (or use `soft_or`)")
    fusible = colour is None and composition in ("soft_or", "over")
    chosen = choose_backend(backend, start.device, start.dtype, fusible)
    step = 1.5 / min(size) if softness is None else softness
    settings = Settings(size, profile, composition, step, temperature, threshold)
    if chosen == "numba" and colour is None:
        both, pairs = torch.cat([start, end], dim=1), pairs_of(start.shape[1])
        return on_ground(draw_compiled_coverage(both, pairs, width, weight, settings), background)
    batch, num_limbs = start.shape[:2]
    widths = torch.as_tensor(width, dtype=start.dtype, device=start.device).clamp(min=WIDTH_FLOOR)
    geometry = torch.cat([start, end, widths.expand(batch, num_limbs, 2)], dim=-1)
    weights = start.new_ones(batch, num_limbs) if weight is None else weight.expand(batch, num_limbs)
    colours = None if colour is None else colour.expand(batch, num_limbs, 2, colour.shape[-1])
    drawn_depth = depth if composition == "over" and colour is not None else None
    if chosen == "numba" and colours is not None:
        image = draw_compiled_painting(geometry, weights, drawn_depth, colours, settings)
    elif chosen == "triton":
        image = draw_fused(geometry, weights, settings)
    else:
        draw = draw_chunked if chosen == "chunked" else draw_reference
        image = draw(geometry, weights, drawn_depth, colours, settings)
    return on_ground(image, background)


def on_ground(
    image: Float[Tensor, "B D H W"], background: Float[Tensor, " C"] | Float[Tensor, "B C H W"] | None
) -> Float[Tensor, "B C H W"]:
    """Coverage, and coverage times mean colour where there is colour, over the background."""
    if background is None:
        return image if image.shape[1] == 1 else image[:, 1:]
    ground = background[None, :, None, None] if background.ndim == 1 else background
    coverage = image[:, :1]
    return (coverage if image.shape[1] == 1 else image[:, 1:]) + (1.0 - coverage) * ground


def draw_tree(
    points: Float[Tensor, "B K 2"],
    edges: Int[Tensor, "L 2"],
    *,
    size: tuple[int, int],
    width: Float[Tensor, "L 2"] | Float[Tensor, "B L 2"] | Float[Tensor, ""] | float,
    depth: Float[Tensor, "B K"] | None = None,
    **options,
) -> Float[Tensor, "B C H W"]:
    """Image of the limbs `edges` over `points`; an edge from a point to itself is a dot. Options: `draw_limbs`.

    `depth` is that of the points (camera z, greater is farther). Fails with IndexError for an edge to no point.
    """
    backend = choose_backend(options.get("backend", "auto"), points.device, points.dtype, True)
    if backend == "numba" and PLAIN.issuperset(options):
        # Straight from points to pixels: gathering ends and scattering gradients are part of the compiled calls.
        profile, threshold = options.get("profile", "gaussian"), options.get("threshold", 1e-6)
        settings = Settings(size, profile, "soft_or", 1.5 / min(size), 0.1, threshold)
        return draw_compiled_coverage(points, edges, width, options.get("weight"), settings)
    ends = None if depth is None else torch.stack([depth[:, edges[:, 0]], depth[:, edges[:, 1]]], dim=-1)
    return draw_limbs(points[:, edges[:, 0]], points[:, edges[:, 1]], size=size, width=width, depth=ends, **options)


def draw_matrix(
    points: Float[Tensor, "B K 2"],
    connection: Float[Tensor, "K K"] | Float[Tensor, "B K K"],
    *,
    size: tuple[int, int],
    width: Float[Tensor, "K K"] | float,
    depth: Float[Tensor, "B K"] | None = None,
    colour: Float[Tensor, "K K C"] | Float[Tensor, " C"] | None = None,
    all_pairs: bool | None = None,
    **options,
) -> Float[Tensor, "B C H W"]:
    """Image of every pair of points, weighted by the upper triangle of `connection`; the diagonal draws dots.

    Pairs of weight zero are left out unless `all_pairs`, which is the default where `connection` needs a gradient:
    a straight-through tree learns from the pairs that it did not choose. Half-widths per pair, or one for all.
    """
    if all_pairs is None:
        all_pairs = connection.requires_grad and torch.is_grad_enabled()
    num_points = points.shape[1]
    edges = torch.triu_indices(num_points, num_points, device=points.device).T
    if not all_pairs:
        some = connection.detach().reshape(-1, num_points, num_points)[:, edges[:, 0], edges[:, 1]]
        edges = edges[(some != 0).any(dim=0)]
    first, second = edges.unbind(-1)
    if isinstance(width, Tensor):
        width = width[first, second][:, None].expand(-1, 2)
    if colour is not None:
        each = colour[first, second] if colour.ndim == 3 else colour.expand(len(edges), -1)
        options["colour"] = each[:, None].expand(-1, 2, -1)
    weight = connection[..., first, second]
    return draw_tree(points, edges, size=size, width=width, depth=depth, weight=weight, **options)
