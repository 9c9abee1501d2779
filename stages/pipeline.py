"""One run from its configuration to its folder of results: data, stages, schedule."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from articulate import __version__
from articulate.config import StrictModel, apply_override, read_yaml, validate
from articulate.data.frames import iterate
from articulate.devices import choose_device, use_threads
from articulate.errors import ConfigError, DataError
from articulate.losses import Balancer, Balancing, LossTerm
from articulate.progress import Progress
from articulate.runs import RunFolder, fingerprint, versions, write_atomic
from articulate.schedule import Context, GroupConfig, Stage, WholeRun, check_schedule, check_stage_names, nearest
from articulate.seeds import derive_seed
from articulate.state import State
from articulate.training import GroupTrainer
from stages import STAGES
from stages.artefacts import GroupArtefacts
from stages.recipes import open_store

MINIMUM_FRAMES = 8
CHUNK = 64


class RunConfig(StrictModel):
    """Everything that defines a run. The sections of stages are validated by the stages themselves."""

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    seed: int = 0
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    runs: str = Field("runs", description="folder that holds the folders of runs")
    stores: str = Field("stores", description="folder that holds the clip stores that recipes make")
    data: dict[str, Any]
    stages: dict[str, dict[str, Any]] = {}
    losses: dict[str, LossTerm] = {}
    balancing: Balancing = "fixed"
    schedule: list[GroupConfig] = Field(min_length=1)


def run(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    fresh: bool = False,
    device: str | None = None,
    threads: int | None = None,
) -> Path:
    """Run the configuration at `path` with `overrides`; returns the folder of results.

    Raises an ArticulateError for everything that a user can mend: ConfigError, DataError, TrainingError, ExportError.
    """
    config, stage_configs = load(path, overrides)
    use_threads(threads)
    where = choose_device(device or config.device)
    store, stand_in = open_store(config.data, Path(config.stores), str(path), say)
    if store.num_frames < MINIMUM_FRAMES:
        raise DataError(
            f"{config.data.get('recipe')}: {store.num_frames} frames in all, at least {MINIMUM_FRAMES} are needed to "
            "learn what moves; give longer or more videos"
        )
    resolved = {
        **config.model_dump(mode="json"),
        "stages": {k: c.model_dump(mode="json") for k, c in stage_configs.items()},
    }
    identity = {"config": resolved, "data": store.fingerprint, "version": __version__}
    folder = RunFolder.choose(Path(config.runs), config.name, identity, fresh=fresh)
    say(f"run: {folder.path}  device {where}  seed {config.seed}  frames {store.num_frames} of {store.image_size} px")
    for warning in store.warnings:
        say(f"data: {warning}")
    provenance = {"stand_in": stand_in, "seed": config.seed, "versions": versions(), **identity}
    write_atomic(folder.path / "provenance.json", json.dumps(provenance, indent=1))
    context = Context(config.seed, where, store, folder, resolved, provenance, say)
    stages = build_stages(stage_configs, context)
    check_schedule(config.schedule, stages, list(config.losses))
    run_schedule(config, stages, context, reuse=not fresh)
    return folder.results


def load(path: Path, overrides: Sequence[str]) -> tuple[RunConfig, dict[str, StrictModel]]:
    """The run's configuration and that of every scheduled stage. Raises ConfigError."""
    tree = read_yaml(path)
    for override in overrides:
        apply_override(tree, override)
    # Sections of stages stand at the top level of the file, beside the run's own keys.
    own = [name for name in RunConfig.model_fields if name != "stages"]
    for key in tree:
        if key not in own and key not in STAGES:
            raise ConfigError(f"{path}: unknown key `{key}`; {nearest(key, [*own, *STAGES])}")
    sections = {name: tree.pop(name) or {} for name in STAGES if name in tree}
    config = validate(RunConfig, {**tree, "stages": sections}, str(path))
    check_stage_names(config.schedule, list(STAGES))
    scheduled = {name for group in config.schedule for name in group.stages}
    for name in sections:
        if name not in scheduled:
            raise ConfigError(f"{path}: section `{name}` belongs to a stage that the schedule does not name")
    used = [name for name in STAGES if name in scheduled]
    return config, {name: validate(STAGES[name].Config, sections.get(name, {}), f"{path}: {name}") for name in used}


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def build_stages(configs: Mapping[str, StrictModel], context: Context) -> dict[str, Stage]:
    """Every scheduled stage, its weights drawn from a generator of its own."""
    stages = {}
    for name, config in configs.items():
        # Layers draw their first weights from torch's global generator; a fork leaves it as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(context.seed, "weights", name))
            stages[name] = STAGES[name](config, context).to(context.device)
    return stages


def run_schedule(config: RunConfig, stages: Mapping[str, Stage], context: Context, *, reuse: bool = True) -> None:
    """Train and finish group after group; what an earlier run did with the same numbers and data is taken from it."""
    records = State()
    upstream = ""
    for number, group in enumerate(config.schedule):
        members = [stages[name] for name in group.stages]
        names = {name for stage in members for name in stage.loss_names} if group.steps else set()
        terms = {name: term for name, term in config.losses.items() if name in names}
        upstream = group_fingerprint(number, config, terms, context, upstream)
        title = f"stage {number + 1} of {len(config.schedule)}  {' + '.join(group.stages)}"
        artefacts = GroupArtefacts(context.folder, number, upstream)
        source = artefacts.find(members, beside=reuse)
        if source is not None:
            artefacts.adopt(source, stages, records)
            context.say(f"{title}  already done in {source.path}")
            continue
        whole = WholeRun(context, records, partial(iterate, context.store, CHUNK))
        if group.steps:
            balancer = Balancer(terms, config.balancing).to(context.device)
            trainer = GroupTrainer(number, group, members, context, whole, terms, balancer)
            trainer.train(upstream, f"{title}  {context.device}")
        for stage in members:
            stage.eval()
            what = "all frames" if len(members) == 1 else f"{stage.name}: all frames"
            progress = Progress(f"{title}  {what}", context.store.num_frames)
            record = stage.finish(whole)
            if record is not None:
                records.add(record)
            progress.finish()
        artefacts.complete(members, records)


def group_fingerprint(
    number: int, config: RunConfig, terms: Mapping[str, LossTerm], context: Context, upstream: str
) -> str:
    """What the artefacts of a group depend on: its configuration, those before it, the data, the seed, the code.

    `terms` are the losses that train the group: a run that differs in others takes the group over.
    """
    group = config.schedule[number]
    sections = {name: context.config["stages"][name] for name in group.stages}
    losses = {name: term.model_dump(mode="json") for name, term in terms.items()}
    return fingerprint(
        [upstream, __version__, context.store.fingerprint, context.seed, str(context.device), number],
        [sections, group.model_dump(mode="json"), losses, config.balancing if terms else None],
    )
