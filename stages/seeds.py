"""Stage 0: first guesses of keypoints and tree that need no training, from what the frames show by themselves."""

from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch.nn import functional

from articulate.config import StrictModel
from articulate.records import Clips, Seeds
from articulate.schedule import Context, Stage, WholeRun
from articulate.seeding import SeedConfig, find_seeds
from articulate.seeding import Seeds as FoundSeeds
from articulate.seeding.body_axis import body_axis_seeds
from articulate.seeding.body_config import BodyAxisConfig
from articulate.seeding.puppet_config import PuppetConfig
from articulate.seeding.puppet_seeds import puppet_seeds


class SeedsStageConfig(StrictModel):
    """Which strategies may be tried; `auto` tries all and keeps the one that is most confident."""

    strategy: Literal["auto", "colour_parts", "body_axis", "puppet", "none"] = "auto"
    colour_parts: SeedConfig = SeedConfig()
    body_axis: BodyAxisConfig = BodyAxisConfig()
    puppet: PuppetConfig = PuppetConfig()
    enough: float = Field(0.5, ge=0, le=1, description="confidence from which on no further strategy is tried")


class SeedsStage(Stage):
    """Consumes clips, produces seeds; where no strategy applies they are empty, and say why."""

    name = "seeds"
    Config = SeedsStageConfig
    consumes = (Clips,)
    produces = Seeds

    def __init__(self, config: SeedsStageConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.num_keypoints = int(context.config["stages"]["keypoints"]["num_keypoints"])

    def finish(self, run: WholeRun) -> Seeds:
        """The seeds of all frames."""
        context = run.context
        found = self.search(context)
        if found is None:
            shape = (1, context.store.num_frames, self.num_keypoints)
            edges = torch.zeros(0, 2, dtype=torch.int64)
            return Seeds(torch.full((*shape, 2), torch.nan), torch.zeros(shape), edges, "no strategy applies")
        context.say(f"seeds: {found.reason}")
        # Keypoints that were asked for and not found stay unknown.
        absent = self.num_keypoints - found.xy.shape[1]
        xy = functional.pad(found.xy.float(), (0, 0, 0, absent), value=torch.nan)
        return Seeds(xy[None], functional.pad(found.score.float(), (0, absent))[None], found.edges, found.reason)

    def search(self, context: Context) -> FoundSeeds | None:
        """The seeds of the most confident strategy, None when none applies."""
        c, best = self.config, None
        arguments = (context.store, self.num_keypoints)
        strategies = {
            "colour_parts": partial(find_seeds, *arguments, c.colour_parts, context.seed, context.say),
            "body_axis": partial(body_axis_seeds, *arguments, c.body_axis, context.seed, context.say),
            "puppet": partial(puppet_seeds, *arguments, c.puppet, context.seed, context.say),
        }
        if not context.store.has_masks:
            context.say("seeds: none (the store holds no foreground masks)")
            return None
        for name, strategy in strategies.items():
            if c.strategy not in ("auto", name):
                continue
            found = strategy()
            if found is not None and (best is None or found.confidence > best.confidence):
                best = found
            if best is not None and best.confidence >= c.enough:
                break
        return best
