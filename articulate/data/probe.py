"""A look at videos before training: what is in them, what may go wrong, and which options suit them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from articulate.data.foreground.background import occupied_share
from articulate.data.foreground.model import MOSTLY_OCCUPIED, ForegroundModel, fit_foreground
from articulate.data.sources import expand, open_source
from articulate.video import VideoInfo

SAMPLED = 48  # frames per video from which the background is modelled
FEW_FRAMES = 300
MOST_COVERED = 0.6  # share of the view from which a mask is no subject's
ALL_COVERED = 0.9  # and from which there is nothing to learn from
TELL_APART = (
    "Paint where the subject can be in white on black and give that picture as `data.mask`; "
    "or give the background's colour as `data.key`"
)


@dataclass(frozen=True)
class ClipProbe:
    """One video: facts, how the subject can be found, and warnings."""

    info: VideoInfo
    method: str
    occupied: float
    area: float  # median share of the view that the subject covers
    undecodable: int  # among the sampled frames
    covered: float  # share of the view that the mask of a few frames covers; near 1 it tells nothing apart
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ProbeReport:
    """All videos and the options of the recipe `video_folder` that suit them."""

    clips: list[ClipProbe]
    suggested: dict[str, object]

    @property
    def warnings(self) -> list[str]:
        """Each with the name of its video."""
        return [f"{clip.info.path.name}: {text}" for clip in self.clips for text in clip.warnings]

    def lines(self) -> list[str]:
        """The report as plain text."""
        out = []
        for clip in self.clips:
            i = clip.info
            out.append(
                f"{i.path}: {i.num_frames} frames, {i.width}x{i.height}, {i.fps:.2f} fps"
                f"{' (variable)' if i.variable_frame_rate else ''}; foreground: {clip.method}, "
                f"subject covers {100 * clip.area:.1f} % of the view"
            )
            out += [f"  warning: {text}" for text in clip.warnings]
        return [*out, "suggested: " + " ".join(f"data.{k}={v}" for k, v in self.suggested.items())]


def probe(videos: Sequence[str]) -> ProbeReport:
    """Look at files, globs or folders. Raises DataError for the first one that cannot be used."""
    clips = [probe_one(path) for path in expand(videos)]
    largest = max(max(clip.info.width, clip.info.height) for clip in clips)
    still = all(clip.method == "median" for clip in clips)
    # Small subjects in large views are cropped, so their pixels, not the view's, set the size.
    size = 64 if largest <= 72 else 96 if largest <= 100 else 128
    suggested: dict[str, object] = {"size": size, "crop": "follow" if still else "none", "foreground": "auto"}
    if any(clip.covered > MOST_COVERED for clip in clips):
        # Nothing in the video tells the subject from the scene, so the user has to: the masks are what is white.
        suggested |= {"foreground": "colour_key", "mask": "PICTURE_WHITE_ON_THE_SUBJECT.png"}
    return ProbeReport(clips, suggested)


def probe_one(path: Path) -> ClipProbe:
    """Facts and warnings of one video, from frames sampled over its length."""
    source = open_source(path)
    info = source.info
    chosen = np.unique(np.linspace(0, info.num_frames - 1, SAMPLED).round().astype(int))
    frames = list(source.at(chosen))
    samples = [frame.image for frame in frames if frame.image is not None]
    model = fit_foreground(samples)
    expected = None if model.scene is not None else np.array([info.width / 2, info.height / 2])
    found = [model.subject(image, expected) for image in samples]
    centres = np.array([np.full(2, np.nan) if centre is None else centre for _, centre, _ in found])
    bodies = np.array([count for _, _, count in found])
    area = float(np.median([(mask > 0).mean() for mask, _, _ in found]))
    texts = clip_warnings(info, samples, model, centres, bodies, info.num_frames)
    lost, covered = len(frames) - len(samples), covered_share(model, samples)
    return ClipProbe(info, model.method, model.occupied, area, lost, covered, texts)


def covered_share(model: ForegroundModel | None, samples: Sequence[np.ndarray], looked_at: int = 9) -> float:
    """Median share of the view that the subject covers in a few of the sampled frames; 0 without a model."""
    if model is None:
        return 0.0
    some = [samples[i] for i in np.unique(np.linspace(0, len(samples) - 1, looked_at).astype(int))]
    middle = np.array([some[0].shape[1] / 2, some[0].shape[0] / 2])
    return float(np.median([(model.subject(image, middle)[0] > 0).mean() for image in some]))


def clip_warnings(
    info: VideoInfo,
    samples: Sequence[np.ndarray],
    model: ForegroundModel | None,
    centres: np.ndarray,
    bodies: np.ndarray,
    num_frames: int,
) -> list[str]:
    """What a user should know before training, in plain words. `centres` and `bodies` are per frame looked at."""
    found = []
    if info.variable_frame_rate:
        found.append("the frame rate varies; frames are counted, so speeds are per frame, not per second")
    if info.truncated:
        found.append(f"the file is truncated: {info.truncated} of {info.num_frames} frames are missing at its end")
    if num_frames < FEW_FRAMES:
        found.append(f"only {num_frames} frames; a few hundred are the least to learn a skeleton from")
    grey = np.stack([image[::2, ::2].mean(axis=2) for image in samples])
    spread = np.percentile(grey, 98, axis=0) - np.percentile(grey, 2, axis=0) if len(grey) else np.zeros((1, 1))
    changing = float((spread > 18).mean())
    occupied = occupied_share(samples) if model is None else model.occupied
    if changing < 0.005:
        found.append("almost nothing moves in this video; a skeleton cannot be learned from a still subject")
    elif occupied >= MOSTLY_OCCUPIED and changing > 0.25:
        found.append(
            "the background moves (the camera moves, or the video was cropped around the subject); the subject is told "
            "apart by its colour, which needs a plain background"
        )
    if len(bodies) and float(np.mean(bodies > 1)) > 0.1:
        share = 100 * float(np.mean(bodies > 1))
        found.append(f"several subjects in view in {share:.0f} % of frames; the one nearest to the track is kept")
    covered = covered_share(model, samples)
    if covered > MOST_COVERED:
        found.append(
            f"the mask covers {100 * covered:.0f} % of the view, so it is no subject: the background has no one colour "
            f"and the subject hardly moves over it. {TELL_APART}"
        )
    if model is not None and len(centres) and float(np.isfinite(centres).all(axis=1).mean()) < 0.9:
        found.append("no subject was found in more than a tenth of the frames; try another `foreground`")
    return found
