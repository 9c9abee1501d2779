"""The frames of a run that have ground truth, split into the halves to fit and to score on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from articulate.data.store import ClipStore
from articulate.errors import DataError
from articulate.evaluation import keypoints, pose3d
from articulate.evaluation.label_free import run_index, store_rows
from articulate.evaluation.truth import Truth, load_labels, load_truth
from articulate.records import Tracks


@dataclass(frozen=True)
class Sequence2D:
    """The frames of a run that have truth, with the halves to fit and to score on."""

    rows: Int[Tensor, " N"]
    clip: Int[Tensor, " N"]
    truth: Truth
    fit: Bool[Tensor, " N"]
    score: Bool[Tensor, " N"]


def join_truths(truths: Sequence[Truth]) -> Truth:
    """Truths of several clips of one kind of thing, one after the other. Raises DataError when landmarks differ."""
    first = truths[0]
    for other in truths[1:]:
        if other.names != first.names:
            raise DataError(f"truth: clips with different landmarks ({first.names[:3]}..., {other.names[:3]}...)")
    in_3d = [t.xyz for t in truths if t.xyz is not None]
    return replace(
        first,
        xy=torch.cat([t.xy for t in truths]),
        visible=torch.cat([t.visible for t in truths]),
        xyz=torch.cat(in_3d) if len(in_3d) == len(truths) else None,
        other_animal=None,
    )


def truth_of_run(store: ClipStore, tracks: Tracks) -> Sequence2D | None:
    """Truth of every frame of the tracks, from the store's truth files; None when no clip has any."""
    clip, frame = run_index(tracks)
    rows, truths = [], []
    for name in clip.unique().tolist():
        if store.clips[name].has_truth:
            own = (clip == name).nonzero().flatten()
            rows.append(own)
            truths.append(load_truth(store.truth_path(name)).rows(store_rows(store, name, frame[own])))
    return sequence(torch.cat(rows), clip, join_truths(truths)) if rows else None


def sequence(rows: Int[Tensor, " N"], clip: Int[Tensor, " T"], truth: Truth) -> Sequence2D:
    """Frames `rows` of a run with their truth, split into halves of every clip."""
    fit, score = keypoints.half_split(clip[rows])
    return Sequence2D(rows, clip[rows], truth, fit, score)


def labels_of_run(store: ClipStore, tracks: Tracks, labels: Mapping[int, Path | str]) -> Sequence2D:
    """Truth from the label file of each clip (by its number in the store), for recordings that came with labels."""
    clip, frame = run_index(tracks)
    rows, truths = [], []
    for name, path in labels.items():
        own = (clip == name).nonzero().flatten()
        truth = load_labels(path, store.frame_index(name), store.source_from_store(name), store.image_size)
        rows.append(own)
        truths.append(truth.rows(store_rows(store, name, frame[own])))
    return sequence(torch.cat(rows), clip, join_truths(truths))


def take_frames(tracks: Tracks, rows: Int[Tensor, " N"]) -> Tracks:
    """The tracks at the frames `rows` alone."""
    index = tracks.index
    return Tracks(
        tracks.xy[:, rows],
        tracks.score[:, rows],
        tracks.covariance[:, rows],
        None if index is None else type(index)(index.clip[:, rows], index.frame[:, rows]),
    )


def mirror_clips(xy: Float[Tensor, "N K 2"], part: Sequence2D) -> Truth:
    """Truth under the symmetric reading: left and right exchanged, once per clip, where its first half fits better.

    Only for figures that carry no left/right cue; `pose3d.choose_reading` takes the reflection that goes with it.
    """
    truth = part.truth
    order = pose3d.swapped_order(len(truth.names), truth.pairs)
    match = keypoints.match_keypoints(xy[part.fit], truth.xy[part.fit], truth.visible[part.fit])
    matched = keypoints.take_matched(xy, match)
    swap = torch.zeros(len(xy), dtype=torch.bool)
    for name in part.clip.unique():
        use = (part.clip == name) & part.fit
        straight = (matched[use] - truth.xy[use]).norm(dim=-1).nanmean()
        crossed = (matched[use] - truth.xy[use][:, order]).norm(dim=-1).nanmean()
        swap |= (part.clip == name) & (crossed < straight)
    flip = swap[:, None]
    xyz = truth.xyz
    if xyz is not None:
        xyz = torch.where(flip[..., None], pose3d.reflected(xyz)[:, order], xyz)
    return replace(
        truth,
        xy=torch.where(flip[..., None], truth.xy[:, order], truth.xy),
        visible=torch.where(flip, truth.visible[:, order], truth.visible),
        xyz=xyz,
    )
