"""Stage 0: first guesses of keypoints and tree that need no training, from what the frames show by themselves."""

import torch
from torch.nn import functional

from articulate.records import Clips, Seeds
from articulate.schedule import Context, Stage, WholeRun
from articulate.seeding import SeedConfig, find_seeds


class SeedsStage(Stage):
    """Consumes clips, produces seeds; where no strategy applies they are empty, and say why."""

    name = "seeds"
    Config = SeedConfig
    consumes = (Clips,)
    produces = Seeds

    def __init__(self, config: SeedConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.num_keypoints = int(context.config["stages"]["keypoints"]["num_keypoints"])

    def finish(self, run: WholeRun) -> Seeds:
        """The seeds of all frames."""
        context = run.context
        found = find_seeds(context.store, self.num_keypoints, self.config, context.seed, context.say)
        if found is None:
            shape = (1, context.store.num_frames, self.num_keypoints)
            edges = torch.zeros(0, 2, dtype=torch.int64)
            return Seeds(torch.full((*shape, 2), torch.nan), torch.zeros(shape), edges, "no strategy applies")
        context.say(f"seeds: {found.reason}")
        # Keypoints that were asked for and not found stay unknown.
        absent = self.num_keypoints - found.xy.shape[1]
        xy = functional.pad(found.xy.float(), (0, 0, 0, absent), value=torch.nan)
        return Seeds(xy[None], functional.pad(found.score.float(), (0, absent))[None], found.edges, found.reason)
