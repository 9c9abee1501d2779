"""The method, stage by stage, in the order in which a run goes through them."""

from articulate.schedule import Stage
from stages.connectivity import ConnectivityStage
from stages.export import ExportStage
from stages.keypoints import KeypointsStage
from stages.lifting import LiftingStage
from stages.seeds import SeedsStage
from stages.sketch import SketchStage

STAGES: dict[str, type[Stage]] = {
    "seeds": SeedsStage,
    "keypoints": KeypointsStage,
    "connectivity": ConnectivityStage,
    "sketch": SketchStage,
    "lifting": LiftingStage,
    "export": ExportStage,
}
