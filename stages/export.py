"""Last stage: what was found, as files that people and other tools open."""

import json
from dataclasses import replace

import torch
from pydantic import Field

from articulate import __version__
from articulate.config import StrictModel
from articulate.evaluation.protocol import evaluate_run
from articulate.export import RUN_FILES, write_run_files
from articulate.lifting.articulation import articulation_from_motion
from articulate.lifting.body_precision import precision_of_body, weighed_by_precision
from articulate.model import save_run_model
from articulate.records import Motion, Record, Skeleton, Tracks
from articulate.report import judge, write_report
from articulate.result import ClipInfo, Result
from articulate.runs import write_atomic
from articulate.schedule import Context, Stage, WholeRun
from articulate.skeleton.merging import without_keypoints
from articulate.state import State


class ExportConfig(StrictModel):
    """Which further formats a run writes beside the standard files."""

    formats: tuple[str, ...] = tuple(RUN_FILES)
    report: bool = True
    body: float = Field(
        1.0, ge=0, description="weight of where the refined body has a keypoint, beside the precision measured for it"
    )
    merge_straight: bool = Field(False, description="leave out keypoints that only lengthen a straight rigid limb")


class ExportStage(Stage):
    """Consumes tracks, skeleton and, where there is one, motion; writes the folder of results."""

    name = "export"
    Config = ExportConfig
    consumes = (Tracks, Skeleton)
    produces = None
    reusable = False

    def __init__(self, config: ExportConfig, context: Context) -> None:
        super().__init__()
        self.config, self.results = config, context.folder.results

    def complete(self) -> bool:
        """Whether the files are still there; a run that finds them deleted writes them again."""
        files = ["metrics.json", "skeleton.json", *(["report.html"] if self.config.report else [])]
        return all((self.results / name).is_file() for name in files)

    def finish(self, run: WholeRun) -> Record | None:
        """Write every file; an ExportError names the one that could not be written."""
        context = run.context
        shown = with_places_of_body(run.records, self.config.body)
        records = merged(shown) if self.config.merge_straight else shown
        if records is not shown:
            context.say(f"export: {records[Tracks].xy.shape[2]} keypoints after merging those on straight limbs")
        result = assemble(context, records)
        result.save(context.folder.path)
        context.folder.results.mkdir(parents=True, exist_ok=True)
        store = context.store
        symmetric = store.options.get("cue") == "none"
        metrics = {"version": __version__, **evaluate_run(store, *measured(records), symmetric=symmetric)}
        write_atomic(context.folder.results / "metrics.json", json.dumps(metrics, indent=1, default=str))
        write_run_files(result, context.folder.results, self.config.formats)
        save_run_model(context.folder.path)
        if self.config.report:
            write_report(result, context.folder.path, context.folder.results / "report.html")
        context.say(f"found: {judge(result, metrics)[1].sentence}")
        return None


def with_places_of_body(records: State, weight: float) -> State:
    """The records, keypoints between where they were found and where the body that all frames share has them.

    The mean that weighs by precision, measured on the run; `weight` multiplies that of the body.
    """
    tracks, motion = records[Tracks], records.get(Motion)
    if motion is None or motion.places is None:
        return records
    found, score, placed = tracks.xy[0], tracks.score[0], motion.places[0]
    clip = torch.zeros(len(found), dtype=torch.int64) if tracks.index is None else tracks.index.clip[0]
    xy = weighed_by_precision(
        found, score, placed, weight * precision_of_body(found, score, placed, clip.to(found.device))
    )
    mended = State(*records.records())
    mended.add(replace(tracks, xy=xy[None]))
    mended.add(replace(motion, places=None))
    return mended


def merged(records: State) -> State:
    """The records without straight keypoints; the same object where there are none, or only a limb would be left."""
    tracks, skeleton, motion = measured(records)
    straight = [] if skeleton.straight is None else skeleton.straight.nonzero()[:, 0].tolist()
    if not straight or tracks.xy.shape[2] - len(straight) < 2:
        return records
    fewer = State(*records.records())
    for record in without_keypoints(straight, skeleton, tracks, motion):
        if record is not None:
            fewer.add(record)
    return fewer


def measured(records: State) -> tuple[Tracks, Skeleton, Motion | None]:
    """The records that are evaluated."""
    return records[Tracks], records[Skeleton], records.get(Motion)


def assemble(context: Context, records: State) -> Result:
    """The run's records with where its frames come from."""
    tracks, skeleton, motion = measured(records)
    store = context.store
    names = tuple(f"keypoint_{k:02d}" for k in range(tracks.xy.shape[2]))
    articulation = None
    if motion is not None:
        articulation = articulation_from_motion(motion.joints[0], skeleton.edges, names, "mean bone length")
    places = torch.cat([torch.from_numpy(store.source_from_store(i).copy()) for i in range(len(store.clips))])
    clips = tuple(
        ClipInfo(c.name, c.fps, c.source, (c.source_size[0], c.source_size[1]), c.ordered) for c in store.clips
    )
    return Result(
        tracks=tracks,
        skeleton=skeleton,
        clips=clips,
        source_from_store=places.double(),
        store_size=store.image_size,
        motion=motion,
        articulation=articulation,
        provenance=dict(context.provenance),
        store=str(store.path),
    )
