"""articulate: from unlabelled video of one articulated thing to its keypoints, its tree of limbs and its 3D motion."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from articulate.model import Model

__version__ = "0.1.0"


def load(run_or_model: Path | str, device: str = "cpu") -> "Model":
    """The trained model of a run's folder or of a `model.safetensors`, on `device`.

    `model.predict(video)` gives a `Result`. Raises DataError when there is no finished run or model at that place.
    """
    from articulate.model import Model  # late, so that `import articulate` stays quick

    return Model.load(run_or_model).to(device)
