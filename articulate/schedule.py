"""The contract of a stage, and the schedule that trains stages one after the other or together.

Stages in one group train together: the group's records are computed in one graph, so gradients cross a stage
boundary exactly when both sides are in the group. Stages outside it are read from their saved records.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor, nn

from articulate.config import StrictModel
from articulate.data.store import ClipStore
from articulate.errors import ConfigError
from articulate.records import Clips, Record
from articulate.runs import RunFolder
from articulate.state import State


class GroupConfig(StrictModel):
    """One entry of the schedule. With `steps: 0` nothing is trained and each stage only makes its whole-run record."""

    stages: list[str] = Field(min_length=1)
    steps: int = Field(0, ge=0)
    batch_size: int = Field(32, ge=1)
    clip_length: int = Field(1, ge=1, description="consecutive frames per sample")
    stride: int = Field(1, ge=1, description="true frames between consecutive frames of a sample")
    learning_rate: float = Field(1.0e-3, gt=0)
    final_learning_rate: float = Field(1.0e-5, gt=0, description="reached at the last step along a cosine")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient of one stage's weights")


@dataclass(frozen=True)
class Context:
    """What a stage may know of its run: seed, device, clips, folder, and what others are configured to."""

    seed: int
    device: torch.device
    store: ClipStore
    folder: RunFolder
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Moment:
    """Where training is: the step, the share of the group's steps done, and the generator of this very step."""

    step: int
    share: float
    generator: torch.Generator


@dataclass(frozen=True)
class WholeRun:
    """All frames of a run in order: the records made so far (B = 1, T = all frames) and the frames in chunks."""

    context: Context
    records: State
    chunks: Callable[[], Iterator[Clips]]

    def states(self) -> Iterator[tuple[State, Bool[Tensor, " T"]]]:
        """Per chunk: its frames with the rows of every record made so far, and which frames could be decoded."""
        done = 0
        for chunk in self.chunks():
            count = chunk.frames.shape[1]
            # Frames that could not be decoded come as NaN, which must not reach an argmax or a convolution.
            valid = ~chunk.frames[0, :, 0, 0, 0].isnan()
            clips = replace(chunk, frames=chunk.frames.nan_to_num())
            state = self.records.take(torch.arange(done, done + count)[None])
            state.add(clips)
            done += count
            yield state.to(self.context.device), valid


class Stage(nn.Module):
    """One stage of the pipeline: says what it consumes and produces, and computes losses on its own record."""

    name: ClassVar[str]
    Config: ClassVar[type[StrictModel]] = StrictModel
    consumes: ClassVar[tuple[type[Record], ...]]
    produces: ClassVar[type[Record] | None]
    # False for a stage whose work is files in the run's own folder: another run's are no substitute.
    reusable: ClassVar[bool] = True
    loss_names: tuple[str, ...] = ()

    def __init__(self, config: Any = None, context: Context | None = None) -> None:
        super().__init__()

    def forward(self, state: State) -> Record:
        """The record of a batch. Differentiable with respect to the records consumed."""
        raise NotImplementedError

    def losses(self, state: State, moment: Moment) -> dict[str, Tensor]:
        """Scalar losses by name, those of `loss_names`. The stage's own record is in `state`, in the same graph."""
        return {}

    def training_step(self, state: State, moment: Moment) -> dict[str, Tensor]:
        """Add the record to `state` and return the losses; for stages that compute both in one pass, to override."""
        state.add(self(state))
        return self.losses(state, moment)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Groups for the optimiser; `scale` multiplies the group's learning rate."""
        return [{"params": list(self.parameters()), "lr": learning_rate, "scale": 1.0}]

    def begin(self, run: WholeRun) -> None:
        """Look at the data once before the stage first trains, for example to place seeds."""

    def after_step(self, state: State, moment: Moment) -> dict[str, float]:
        """Change buffers or re-seed after an optimiser step; returns scalars to log."""
        return {}

    def finish(self, run: WholeRun) -> Record | None:
        """The record of the whole run (B = 1), computed once the group is trained: `forward` chunk by chunk."""
        parts = []
        with torch.no_grad():
            for state, valid in run.states():
                record = self(state).detach().to("cpu").blank(valid)
                parts.append(replace(record, index=state[Clips].index.to("cpu")))
        return type(parts[0]).join(parts)

    def complete(self) -> bool:
        """Whether everything that `finish` leaves outside its record is still there."""
        return True

    def pictures(self, state: State) -> dict[str, np.ndarray]:
        """Images [H, W, 3] uint8 of a batch, for TensorBoard and the run folder."""
        return {}


def check_schedule(groups: Sequence[GroupConfig], stages: Mapping[str, Stage], losses: Sequence[str]) -> None:
    """Names, the order of records, and that the losses configured are those declared: nothing is silently ignored.

    Raises ConfigError naming the group, the record or loss concerned, and the nearest valid name.
    """
    have: set[type[Record]] = {Clips}
    declared: set[str] = set()
    for number, group in enumerate(groups, 1):
        for name in group.stages:
            stage = stages[name]
            absent = [kind.__name__ for kind in stage.consumes if kind not in have]
            if absent:
                known = ", ".join(sorted(kind.__name__ for kind in have))
                raise ConfigError(f"schedule, group {number}: stage `{name}` needs {absent[0]}, made so far: {known}")
            if stage.produces is not None:
                have.add(stage.produces)
            declared |= set(stage.loss_names) if group.steps else set()
    for name in losses:
        if name not in declared:
            raise ConfigError(f"losses: no scheduled stage computes `{name}`; {nearest(name, declared)}")
    for name in sorted(declared - set(losses)):
        raise ConfigError(
            f"losses: `{name}` is computed by a scheduled stage but has no weight; add losses.{name}.weight"
        )


def check_stage_names(groups: Sequence[GroupConfig], known: Sequence[str]) -> None:
    """Raises ConfigError for a scheduled stage that does not exist."""
    for number, group in enumerate(groups, 1):
        for name in group.stages:
            if name not in known:
                raise ConfigError(f"schedule, group {number}: unknown stage `{name}`; {nearest(name, known)}")


def nearest(name: str, known: Sequence[str] | set[str]) -> str:
    """The words "did you mean" with the closest of the `known` names, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
