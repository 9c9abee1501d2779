"""The command `articulate`: look at videos, use finished runs. Every command has `--help` with an example.

Libraries are imported inside the commands, so that `--help` answers at once. What a user can mend is one message on
stderr and the exit status of its kind of error; there are no tracebacks for it.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from articulate.errors import ArticulateError, ConfigError, DataError, ExportError, explained
from articulate.waiting import wait_asleep

app = typer.Typer(
    name="articulate",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keypoints, limbs and 3D motion from unlabelled video. Train with run_pipeline.py; use the run with these.",
    epilog="Example: articulate apply runs/animal_split new/*.mp4 --out tracked --format dlc",
)

Run = Annotated[Path, typer.Argument(help="folder of a finished run, such as runs/animal_split")]
Threads = Annotated[int | None, typer.Option(help="CPU threads (default: as many as there are cores)")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, mps or auto")]


def main() -> None:
    """Entry point: run the command, turn every error of the user's into one message."""
    wait_asleep()
    try:
        app()
    except ArticulateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        mendable = explained(error)
        if mendable is None:
            raise
        print(mendable, file=sys.stderr)
        sys.exit(mendable.exit_code)


def listed(words: list[str]) -> list[str]:
    """Formats written one by one or with commas, each once."""
    return list(dict.fromkeys(part for word in words for part in word.split(",") if part))


@app.command(short_help="Look at videos before training.", epilog="Example: articulate probe mouse/*.mp4")
def probe(videos: Annotated[list[str], typer.Argument(help="files, globs, folders of videos or pictures")]) -> None:
    """Look at videos before training: what is in them, what may go wrong, which options suit them."""
    from articulate.data.probe import probe as look

    for line in look(videos).lines():
        print(line)


@app.command(
    short_help="Track new videos with a trained model.",
    epilog="Example: articulate apply runs/mouse new/*.mp4 --out tracked --format dlc,sleap --shard 0/2",
)
def apply(
    run: Annotated[Path, typer.Argument(help="folder of a finished run, or a model.safetensors")],
    videos: Annotated[list[str], typer.Argument(help="files, globs, folders of videos or pictures")],
    out: Annotated[Path | None, typer.Option(help="folder of the results (default: RUN/applied)")] = None,
    format: Annotated[list[str] | None, typer.Option(help="formats to write, repeated or with commas")] = None,
    shard: Annotated[str, typer.Option(help="i/n: do every n-th video, for n processes at once")] = "0/1",
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Track new videos with a trained model. The same command goes on where it stopped; done videos are kept.

    Each video's files appear together, in OUT/NAME/. Frames that cannot be decoded are NaN rows. OUT/manifest.json
    says what was done. The exit status is 3 when a video failed; the others are done nevertheless.
    """
    import articulate
    from articulate.apply import DEFAULT_FORMATS, Shard, apply_model
    from articulate.devices import choose_device, use_threads
    from articulate.progress import Progress

    part = Shard.parse(shard)
    use_threads(threads)
    model = articulate.load(run, str(choose_device(device)))
    target = out or (run if run.is_dir() else run.parent) / "applied"
    lines: dict[str, Progress] = {}

    def progress(name: str, done: int, total: int) -> None:
        lines.setdefault(name, Progress(name, total)).update(done)

    def say(text: str) -> None:
        print(text, flush=True)

    outcome = apply_model(model, videos, target, listed(format or list(DEFAULT_FORMATS)), part, say, progress)
    print(f"{len(outcome.done)} done, {len(outcome.reused)} done before, {len(outcome.failed)} failed: {target}")
    if outcome.failed:
        raise DataError("these videos failed: " + "; ".join(f"{k} ({v})" for k, v in outcome.failed.items()))


@app.command(
    short_help="Write results for other tools.",
    epilog="Example: articulate export runs/mouse --to dlc sleap bvh --out exported",
)
def export(
    run: Run,
    more: Annotated[list[str] | None, typer.Argument(help="further formats", metavar="[FORMAT]...")] = None,
    to: Annotated[list[str] | None, typer.Option(help="formats; `--to list` shows them all")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the files (default: RUN/exports)")] = None,
) -> None:
    """Write the results of a run in formats that other tools open; `onnx` writes the networks, `model` the model."""
    from articulate.apply import NEED_MOTION, write_formats
    from articulate.export import EXPORTERS, OPENS_IN, ROTATIONS
    from articulate.export.armature import residual_note
    from articulate.result import Result

    formats = listed([*(to or []), *(more or [])])
    known = list(OPENS_IN)
    if not formats:
        raise ConfigError("--to names the formats: " + ", ".join(known))
    if formats == ["list"]:
        print("\n".join(f"{name:<16} {what}" for name, what in OPENS_IN.items()))
        return
    for name in formats:
        if name not in known:
            raise ConfigError(f"--to {name}: unknown format; known: {', '.join(known)}")
    folder = out or run / "exports"
    result = Result.load(run)
    for name in formats:
        if name in NEED_MOTION and result.motion is None:
            raise ConfigError(f"--to {name}: this run has no 3D motion (its schedule has no lifting)")
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in formats:
        try:
            files = write_formats(result, [name], folder) if name in EXPORTERS else write_networks_of(run, name, folder)
        except ExportError as error:  # such as a missing extra: the other formats are written all the same
            failed.append(f"--to {name}: {error}")
            continue
        print(*files, sep="\n")
    if set(formats) & set(ROTATIONS):
        print(f"rotations of rigid bones: {residual_note(result)}")
    if failed:
        raise ExportError("\n".join(failed))


def write_networks_of(run: Path, name: str, folder: Path) -> list[Path]:
    """The trained networks of a run as ONNX or as one model file."""
    import articulate

    model = articulate.load(run)
    if name == "model":
        return model.save(folder)
    from articulate.export.networks import write_networks

    size = model.settings.size // model.settings.shrink
    channels = model.detector.config.channels
    return write_networks(folder, model.detector, size, model.num_keypoints, model.lifter, channels)


@app.command(short_help="Write report.html of a run again.", epilog="Example: articulate report runs/mouse")
def report(
    run: Run, out: Annotated[Path | None, typer.Option(help="file (default: RUN/results/report.html)")] = None
) -> None:
    """Write report.html of a run again: one file, opens without network."""
    from articulate.report import write_report
    from articulate.result import Result

    print(write_report(Result.load(run), run, out or run / "results" / "report.html"))


@app.command(name="eval", short_help="Measure a run.", epilog="Example: articulate eval runs/mouse --labels labels.npz")
def evaluate(
    run: Run,
    labels: Annotated[Path | None, typer.Option(help="labels of the video of a run with one clip (.npz)")] = None,
    out: Annotated[Path | None, typer.Option(help="also write the metrics as JSON to this file")] = None,
) -> None:
    """Measure a run: label-free always; with ground truth (generated data, or --labels) beside its floors."""
    from articulate.data.store import ClipStore
    from articulate.evaluation.protocol import evaluate_labelled, evaluate_run
    from articulate.result import Result
    from articulate.runs import write_atomic

    result = Result.load(run)
    store = ClipStore.open(result.store)
    records = (store, result.tracks, result.skeleton, result.motion)
    symmetric = store.options.get("cue") == "none"
    if labels is None:
        found = evaluate_run(*records, symmetric=symmetric)
    elif len(result.clips) == 1:
        found = evaluate_labelled(*records, labels, symmetric=symmetric)
    else:
        raise ConfigError(f"--labels: this run has {len(result.clips)} clips; labels are taken for one alone")
    text = json.dumps(found, indent=1, default=str)
    print(text)
    if out is not None:
        write_atomic(out, text + "\n")


@app.command(short_help="Say what a run or a model file holds.", epilog="Example: articulate info runs/mouse")
def info(run: Annotated[Path, typer.Argument(help="folder of a finished run, or a model.safetensors")]) -> None:
    """Say what a run or a model file holds: keypoints, limbs, video settings, versions, scores."""
    from articulate.inference.card import card
    from articulate.model import Model

    print(card(Model.load(run)))


@app.command(short_help="List the runs in a folder.", epilog="Example: articulate status runs")
def status(runs: Annotated[Path, typer.Argument(help="folder that holds runs")] = Path("runs")) -> None:
    """List the runs in a folder: how far each is, and its last losses."""
    from articulate.run_status import status_of

    if not runs.is_dir():
        raise DataError(f"{runs}: no such folder (relative paths start at {Path.cwd().name}/)")
    rows = [status_of(path) for path in sorted(runs.iterdir()) if (path / "config.yaml").is_file()]
    if not rows:
        raise DataError(f"{runs}: holds no runs (folders with a config.yaml)")
    table = Table("run", "state", "step", "total loss", "changed", box=None)
    for row in rows:
        table.add_row(row.name, row.state, row.step, row.loss, row.changed)
    Console(soft_wrap=True).print(table)


@app.command(short_help="Is this machine ready?", epilog="Example: articulate doctor")
def doctor(folder: Annotated[Path, typer.Option(help="folder where runs would be written")] = Path(".")) -> None:
    """Is this machine ready? Versions, threads, codecs, write permission, optional extras, GPU."""
    from articulate.doctor import examine

    found = examine(folder)
    for line in found:
        print(f"{line.level:<8} {line.what:<12} {line.text}")
    problems = [line.what for line in found if line.level == "problem"]
    if problems:
        raise DataError(f"{len(problems)} problems: {', '.join(problems)}")


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """Keypoints, limbs and 3D motion from unlabelled video. Train with run_pipeline.py; use the run with these."""
    if version:
        from articulate import __version__

        print(f"articulate {__version__}")
        raise typer.Exit()


if __name__ == "__main__":
    main()
