"""What a training writes down: scalars to `metrics.jsonl` and TensorBoard, pictures to TensorBoard and to disk."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from articulate.runs import RunFolder

SCALARS_PER_GROUP = 400
PICTURES_PER_GROUP = 8


class RunLog:
    """The log of one group; on resuming, what lies after `start` is dropped and written again."""

    def __init__(self, folder: RunFolder, group: int, start: int) -> None:
        self.folder, self.group = folder, group
        self.board = SummaryWriter(str(folder.tensorboard / f"group-{group}"), purge_step=start)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

    @staticmethod
    def due(step: int, steps: int) -> bool:
        """Whether scalars of this step are kept: the first, the last and about 400 in all."""
        return step % max(1, steps // SCALARS_PER_GROUP) == 0 or step + 1 == steps

    @staticmethod
    def pictures_due(step: int, steps: int) -> bool:
        """Whether pictures of this step are kept: about eight in all, the last step's among them."""
        return (step + 1) % max(1, steps // PICTURES_PER_GROUP) == 0 or step + 1 == steps

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the scalars of one step."""
        self.folder.log({"group": self.group, "step": step, **values})
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """Keep one image."""
        self.board.add_image(name, image, step, dataformats="HWC")
        path = self.folder.images / f"group-{self.group}" / f"{name}-{step + 1:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
