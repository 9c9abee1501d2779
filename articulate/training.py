"""Train one group of the schedule: forward, losses, step, checkpoint, log; stop and resume at any step, bit for bit.

Everything random in step n comes from a generator derived from (seed, group, n), and the frames of step n from the same
numbers, so a checkpoint needs no random state: weights, optimisers and the step say it all.
"""

import math
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from articulate.data.frames import FrameBatches, row_numbers
from articulate.errors import Interrupted
from articulate.logs import RunLog
from articulate.losses import BalancedLoss, Balancer, LossTerm
from articulate.progress import Progress
from articulate.records import Clips, Tracks
from articulate.runs import load_checkpoint, save_checkpoint
from articulate.schedule import Context, GroupConfig, Moment, Stage, WholeRun
from articulate.seeds import derive_seed, torch_generator
from articulate.state import State

CHECKPOINT_SECONDS = float(os.environ.get("ARTICULATE_CHECKPOINT_SECONDS", "20"))


@dataclass
class StopSignal:
    """Set by SIGTERM or SIGINT; the loop then writes a checkpoint and leaves cleanly."""

    raised: bool = False
    previous: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> "StopSignal":
        for number in (signal.SIGTERM, signal.SIGINT):
            self.previous[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.raised = True


class GroupTrainer:
    """The training of one group: `stages` are those of the group, in order."""

    def __init__(
        self,
        number: int,
        config: GroupConfig,
        stages: Sequence[Stage],
        context: Context,
        whole: WholeRun,
        terms: Mapping[str, LossTerm],
        balancer: Balancer,
    ) -> None:
        self.number, self.config, self.stages, self.context = number, config, stages, context
        self.whole, self.terms, self.balancer = whole, terms, balancer
        # One optimiser per stage: what one stage does never depends on whether another trains beside it.
        owners: dict[str, nn.Module] = {**{s.name: s for s in stages}, "balancing": balancer}
        self.trained = {name: list(m.parameters()) for name, m in owners.items() if list(m.parameters())}
        rate = config.learning_rate
        groups = {s.name: s.parameter_groups(rate) for s in stages}
        self.optimisers = {
            name: torch.optim.Adam(groups.get(name, weights), lr=rate) for name, weights in self.trained.items()
        }
        self.batches = FrameBatches(
            context.store,
            batch_size=config.batch_size,
            clip_length=config.clip_length,
            stride=config.stride,
            seed=derive_seed(context.seed, "frames", number),
        )
        self.path = context.folder.checkpoints / f"group-{number}.pt"

    def train(self, fingerprint: str, title: str) -> None:
        """Run the steps that are left. Raises Interrupted after SIGTERM (a checkpoint is written first)."""
        start = self.resume(fingerprint)
        if start == 0:
            for stage in self.stages:
                stage.begin(self.whole)
        config = self.config
        self.context.folder.truncate_log(self.number, start)
        for stage in self.stages:
            stage.train()
        progress = Progress(title, config.steps, start=start)
        saved = time.monotonic()
        with StopSignal() as stop, RunLog(self.context.folder, self.number, start) as log:
            for step in range(start, config.steps):
                values, state = self.step(step)
                if log.due(step, config.steps):
                    log.scalars(step, values)
                    progress.update(step + 1, {k: v for k, v in values.items() if k in self.terms or k == "total"})
                if log.pictures_due(step, config.steps):
                    self.log_pictures(log, step, state)
                late = time.monotonic() - saved > CHECKPOINT_SECONDS
                if stop.raised or late or step + 1 == config.steps:
                    self.save(fingerprint, step + 1)
                    saved = time.monotonic()
                if stop.raised and step + 1 < config.steps:
                    raise Interrupted(
                        f"stopped at step {step + 1} of {config.steps}; the same command goes on from there"
                    )
        for stage in self.stages:
            stage.eval()
        progress.finish()

    def step(self, step: int) -> tuple[dict[str, float], State]:
        """One optimiser step on the frames of `step`; returns scalars to log and the batch's state."""
        config, context = self.config, self.context
        state = self.batch(step).to(context.device)
        generator = torch_generator(context.seed, "group", self.number, step, device=context.device)
        moment = Moment(step, step / max(config.steps, 1), generator)
        self.set_learning_rate(moment.share)
        raw: dict[str, Tensor] = {}
        for stage in self.stages:
            raw |= stage.training_step(state, moment)
        values: dict[str, float] = {}
        if raw:
            balanced = self.balancer(raw, step, shared=shared_points(state))
            values = scalars(balanced)
            for optimiser in self.optimisers.values():
                optimiser.zero_grad(set_to_none=True)
            balanced.total.backward()
            for name in self.optimisers:
                nn.utils.clip_grad_norm_(self.trained[name], config.gradient_clip)
            for optimiser in self.optimisers.values():
                optimiser.step()
        for stage in self.stages:
            values |= stage.after_step(state, moment)
        return values, state

    def batch(self, step: int) -> State:
        """The records of the frames of `step`, and their pixels where a stage of the group consumes them."""
        clips = self.batches.batch(step) if any(Clips in stage.consumes for stage in self.stages) else None
        index = self.batches.index(step) if clips is None else clips.index
        state = self.whole.records.take(row_numbers(self.context.store, index))
        if clips is not None:
            state.add(clips)
        return state

    def set_learning_rate(self, share: float) -> None:
        """Cosine from `learning_rate` to `final_learning_rate` (Loshchilov & Hutter 2017), times each group's scale."""
        first, last = self.config.learning_rate, min(self.config.final_learning_rate, self.config.learning_rate)
        rate = last + 0.5 * (first - last) * (1 + math.cos(math.pi * share))
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("scale", 1.0)

    def log_pictures(self, log: RunLog, step: int, state: State) -> None:
        """Images of every stage of the group, to TensorBoard and to the run folder."""
        with torch.no_grad():
            for stage in self.stages:
                for name, picture in stage.pictures(state).items():
                    log.picture(step, f"{stage.name}.{name}", picture)

    def save(self, fingerprint: str, step: int) -> None:
        """Write the checkpoint of this group after `step` steps."""
        content = {
            "fingerprint": fingerprint,
            "step": step,
            "stages": {s.name: s.state_dict() for s in self.stages},
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "balancer": self.balancer.state_dict(),
        }
        save_checkpoint(self.path, content)

    def resume(self, fingerprint: str) -> int:
        """Load the checkpoint where one of this very configuration exists; returns the step to start from."""
        if not self.path.is_file():
            return 0
        content = load_checkpoint(self.path)
        if content["fingerprint"] != fingerprint:
            return 0
        for stage in self.stages:
            stage.load_state_dict(content["stages"][stage.name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(content["optimisers"][name])
        self.balancer.load_state_dict(content["balancer"])
        return int(content["step"])


def shared_points(state: State) -> list[Tensor] | None:
    """The keypoints of the batch, through which all losses of a group that trains the detector pass."""
    if Tracks in state and state[Tracks].xy.requires_grad:
        return [state[Tracks].xy]
    return None


def scalars(balanced: BalancedLoss) -> dict[str, float]:
    """What is logged of the losses: the total; raw value, weighted value and share of the gradient of each term."""
    values = {"total": float(balanced.total.detach())}
    for name, term in balanced.terms.items():
        values |= {name: term.raw, f"{name}.weighted": term.weighted, f"{name}.share": term.gradient_share}
    return values
