"""Self-supervised tasks on keypoints, by name; any subset trains together (see `multi_task`)."""

from typing import Any

from articulate.keypoints.tasks.base import Frame, Task, TaskConfig, TaskResult, Views
from articulate.keypoints.tasks.delaunay import DelaunayConsistency
from articulate.keypoints.tasks.difference_map import DifferenceMap
from articulate.keypoints.tasks.distractor import Distractor
from articulate.keypoints.tasks.masked_inpainting import MaskedInpainting
from articulate.keypoints.tasks.middle_frame import MiddleFrame
from articulate.keypoints.tasks.reconstruction import Reconstruction
from articulate.keypoints.tasks.textured_reconstruction import TexturedReconstruction
from articulate.keypoints.tasks.tps_equivariance import TpsEquivariance

TASKS: dict[str, type[Task[Any]]] = {
    "reconstruction": Reconstruction,
    "textured_reconstruction": TexturedReconstruction,
    "distractor": Distractor,
    "middle_frame": MiddleFrame,
    "delaunay": DelaunayConsistency,
    "tps_equivariance": TpsEquivariance,
    "difference_map": DifferenceMap,
    "masked_inpainting": MaskedInpainting,
}

__all__ = ["TASKS", "Frame", "Task", "TaskConfig", "TaskResult", "Views"]
