"""Stage 0: first guesses of keypoints and tree that need no training, from what the frames show by themselves."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch.nn import functional

from articulate.config import StrictModel
from articulate.data.store import ClipStore
from articulate.records import Clips, Seeds
from articulate.schedule import Context, Stage, WholeRun
from articulate.seeding import SeedConfig, find_seeds
from articulate.seeding import Seeds as FoundSeeds
from articulate.seeding.body.axis import body_axis_seeds
from articulate.seeding.body.config import BodyAxisConfig
from articulate.seeding.puppet.config import PuppetConfig
from articulate.seeding.puppet.seeds import puppet_seeds


class SeedsStageConfig(StrictModel):
    """Which strategies may be tried; `auto` tries all and keeps the one that is most confident."""

    strategy: Literal["auto", "colour_parts", "body_axis", "puppet", "none"] = "auto"
    colour_parts: SeedConfig = SeedConfig()
    body_axis: BodyAxisConfig = BodyAxisConfig()
    puppet: PuppetConfig = PuppetConfig()
    enough: float = Field(0.5, ge=0, le=1, description="confidence of parts by colour that ends the search")
    enough_axis: float = Field(0.65, ge=0, le=1, description="confidence of a body axis that ends the search")


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
        found = most_confident(context.store, self.num_keypoints, self.config, context.seed, context.say)
        if found is None:
            shape = (1, context.store.num_frames, self.num_keypoints)
            edges = torch.zeros(0, 2, dtype=torch.int64)
            return Seeds(torch.full((*shape, 2), torch.nan), torch.zeros(shape), edges, "no strategy applies")
        context.say(f"seeds: {found.reason}")
        # Keypoints that were asked for and not found stay unknown.
        absent = self.num_keypoints - found.xy.shape[1]
        xy = functional.pad(found.xy.float(), (0, 0, 0, absent), value=torch.nan)
        score = functional.pad(found.score.float(), (0, absent))
        return Seeds(xy[None], score[None], found.edges, found.reason, found.order)


def most_confident(
    store: ClipStore, num_keypoints: int, config: SeedsStageConfig, seed: int, say: Callable[[str], None]
) -> FoundSeeds | None:
    """The seeds of the most confident strategy, None when none applies. Reads frames and masks only."""
    if not store.has_masks:
        say("seeds: none (the store holds no foreground masks)")
        return None
    strategies = {
        "colour_parts": (config.enough, partial(find_seeds, config=config.colour_parts)),
        "body_axis": (config.enough_axis, partial(body_axis_seeds, config=config.body_axis)),
        "puppet": (1.0, partial(puppet_seeds, config=config.puppet)),
    }
    best = None
    for name, (enough, strategy) in strategies.items():
        if config.strategy not in ("auto", name):
            continue
        found = strategy(store, num_keypoints, seed=seed, say=say)
        if found is not None and (best is None or found.confidence > best.confidence):
            best = found
        if found is not None and found.confidence >= enough:
            break
    return best
