"""Parts by colour: limbs of different clothing, paint or fur are peaks of the body's chromaticity histogram."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage
from scipy.cluster.hierarchy import DisjointSet

BINS = 128
BLUR = 0.8  # of the histogram, in bins: with 1.2 a small peak 0.08 beside one five times as high is lost
SADDLE = 1.5  # a colour of its own stands this many times as high as the way to a higher one
OUTSIDE, UNSURE = -1, -2
PURE = 0.03  # chromaticity distance of neighbours that show the same colour
REACH = (0.02, 0.05)  # bounds of how far from its part's colour a pixel may be
SPREADS = 5.0  # how far, in medians of the distance of its pure pixels
PIECE = 0.4  # smallest piece of a part to believe, as a share of its largest piece in the frame
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class ColourParts:
    """The colours of the body: chromaticity of each part and how far its pixels may be from it, and the share of the
    body's pure pixels that it has."""

    centres: Float[np.ndarray, "P 2"]
    reach: Float[np.ndarray, " P"]
    shares: Float[np.ndarray, " P"]


def chromaticity(pixels: Float[np.ndarray, "*any 3"]) -> Float[np.ndarray, "*any 2"]:
    """(r - g, (r + g - 2 b) / sqrt 3) / (r + g + b): the same under any brightness of one light, so shading drops out.

    Black pixels, which have no colour, come out grey.
    """
    r, g, b = np.moveaxis(pixels, -1, 0)
    total = np.maximum(r + g + b, 0.02)  # noise of one grey level must not look like a colour
    return np.stack([(r - g) / total, (r + g - 2 * b) / (np.sqrt(3.0) * total)], axis=-1)


def foreground_colours(
    frames: UInt8[np.ndarray, "T S S 3"], masks: UInt8[np.ndarray, "T S S"]
) -> Float[np.ndarray, "T S S 3"]:
    """Colours of the body with the background taken out at its rim: (frame - (1 - mask) background) / mask.

    The background at a pixel is that of the nearest pixel that shows nothing else. Values where the mask is below a
    half are not to be trusted.
    """
    alpha = masks.astype(np.float32)[..., None] / 255.0
    colours = frames.astype(np.float32) / 255.0
    for t in range(len(frames)):
        if (masks[t] > 2).all() or not ((masks[t] > 2) & (masks[t] < 250)).any():
            continue
        index = ndimage.distance_transform_edt(masks[t] > 2, return_distances=False, return_indices=True)
        behind = colours[t][tuple(index)]
        colours[t] = (colours[t] - (1 - alpha[t]) * behind) / np.maximum(alpha[t], 0.25)
    return np.clip(colours, 0.0, 1.0)


def pure_pixels(chroma: Float[np.ndarray, "T S S 2"], inside: Bool[np.ndarray, "T S S"]) -> Int[np.ndarray, "T S S"]:
    """How many of a pixel's eight neighbours show its colour: high within limbs, low where colours of two limbs mix."""
    like = np.zeros(inside.shape, np.int64)
    size = inside.shape[1]
    for down, right in NEIGHBOURS:
        a = (slice(None), slice(0, size - down), slice(max(0, -right), size - max(0, right)))
        b = (slice(None), slice(down, size), slice(max(0, right), size + min(0, right)))
        same = inside[a] & inside[b] & (np.abs(chroma[a] - chroma[b]).max(-1) < PURE)
        like[a] += same
        like[b] += same
    return like


def find_colour_parts(
    chroma: Float[np.ndarray, "T S S 2"], inside: Bool[np.ndarray, "T S S"], least: float = 0.0007
) -> ColourParts:
    """The colours of the body: peaks of the chromaticity histogram of pixels that look like their neighbours.

    A peak needs a share of `least` of those pixels.
    """
    like = pure_pixels(chroma, inside)
    chosen = inside & (like >= 3)  # a straight seam is a line of like pixels, with two like neighbours each
    cells = np.clip(((chroma[chosen] + 1.2) / 2.4 * BINS).astype(np.int64), 0, BINS - 1)
    weights = like[chosen].astype(np.float64) ** 2
    histogram = np.zeros((BINS, BINS))
    np.add.at(histogram, (cells[:, 0], cells[:, 1]), weights)
    smooth = ndimage.gaussian_filter(histogram, BLUR, mode="constant")
    labels, count = basins(smooth, smooth.max() * 1e-4)
    if count == 0:
        return ColourParts(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    place = (np.indices((BINS, BINS)) + 0.5) / BINS * 2.4 - 1.2
    numbers = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(histogram, labels, numbers)
    peaks = [np.argmax(np.where(labels == n, smooth, -1.0)) for n in numbers]
    centres = np.stack([axis.reshape(-1)[peaks] for axis in place], axis=1)
    kept = np.flatnonzero(sizes >= least * sizes.sum())
    owner = labels[cells[:, 0], cells[:, 1]]
    apart = [np.linalg.norm(chroma[chosen][owner == n + 1] - centres[n], axis=-1) for n in kept]
    reach = np.clip([SPREADS * np.median(a) for a in apart], *REACH)
    return ColourParts(centres[kept], reach, sizes[kept] / sizes.sum())


def basins(surface: Float[np.ndarray, "A B"], floor: float) -> tuple[Int[np.ndarray, "A B"], int]:
    """Basin of attraction of every cell above `floor` under steepest ascent to one of its eight neighbours.

    A basin whose peak is less than `SADDLE` times as high as the way to a higher one belongs to that (persistence,
    Edelsbrunner et al. 2002): streaks of noise, of compression and of highlights are rugged.
    """
    owner = np.full(np.add(surface.shape, 2), -1)
    padded = np.pad(surface, 1)
    peak: list[float] = []
    hills = DisjointSet()
    for cell in np.argsort(-surface, axis=None, kind="stable"):
        row, column = divmod(int(cell), surface.shape[1])
        height = surface[row, column]
        if height <= floor:
            break
        around = owner[row : row + 3, column : column + 3]
        met = sorted({hills[basin] for basin in around[around >= 0].tolist()}, key=lambda basin: -peak[basin])
        if not met:
            owner[row + 1, column + 1] = len(peak)
            hills.add(len(peak))
            peak.append(height)
            continue
        steepest = np.where(around >= 0, padded[row : row + 3, column : column + 3], -1.0).argmax()
        owner[row + 1, column + 1] = around.reshape(-1)[steepest]
        for lower in met[1:]:
            if peak[lower] < SADDLE * height:
                hills.merge(met[0], lower)
                peak[hills[lower]] = peak[met[0]]
    number = np.zeros(len(peak) + 1, np.int64)  # the last one is that of cells without an owner
    for n, hill in enumerate(hills.subsets(), start=1):
        number[list(hill)] = n
    return number[owner[1:-1, 1:-1]], hills.n_subsets


def label_pixels(
    parts: ColourParts, chroma: Float[np.ndarray, "T S S 2"], inside: Bool[np.ndarray, "T S S"]
) -> Int[np.ndarray, "T S S"]:
    """Part of every pixel; OUTSIDE the body; UNSURE where the colour is none of the body's, and in mere specks of one.

    Where the colours of two limbs mix, the mixture can be the colour of a third: small pieces are not believed.
    """
    values = chroma[inside]
    apart = np.linalg.norm(values[:, None] - parts.centres.astype(np.float32), axis=-1)
    nearest = apart.argmin(1)
    labels = np.full(inside.shape, OUTSIDE, np.int64)
    labels[inside] = np.where(apart[np.arange(len(nearest)), nearest] < parts.reach[nearest], nearest, UNSURE)
    drop_specks(labels)
    return labels


def drop_specks(labels: Int[np.ndarray, "T S S"]) -> None:
    """Make pieces of a part that are much smaller than its largest piece in the frame UNSURE, in place.

    But for pieces with a pixel all of whose neighbours are of the part: seams, where colours mix, are not that wide,
    and a limb in front cuts a part in two (an arm before the chest left a head alone).
    """
    for t in range(len(labels)):
        for part in np.unique(labels[t][labels[t] >= 0]):
            pieces, count = ndimage.label(labels[t] == part, np.ones((3, 3)))
            if count < 2:
                continue
            sizes = np.bincount(pieces.reshape(-1))
            sizes[0] = 0
            small = sizes < PIECE * sizes.max()
            small[np.unique(pieces[ndimage.binary_erosion(pieces > 0, np.ones((3, 3)))])] = False
            small[0] = False
            labels[t][small[pieces]] = UNSURE
