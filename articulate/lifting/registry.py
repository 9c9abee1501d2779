"""The trainable lifters by the name that a configuration uses."""

import torch

from articulate.lifting.adversarial import Adversarial, AdversarialConfig
from articulate.lifting.factorised import Factorised, FactorisedConfig
from articulate.lifting.lifter import Lifter, LifterConfig
from articulate.lifting.multiview import (
    ConsistentConfig,
    ConsistentFactorisation,
    ReprojectionConfig,
    TransformReprojection,
)
from articulate.lifting.rigid_bones import RigidBones, RigidBonesConfig
from articulate.lifting.views import ViewLifter, ViewsConfig

LIFTERS: dict[str, type[Lifter]] = {
    "factorised": Factorised,
    "adversarial": Adversarial,
    "rigid_bones": RigidBones,
    "views": ViewLifter,
}

CONFIGS: dict[str, type[LifterConfig]] = {
    "factorised": FactorisedConfig,
    "adversarial": AdversarialConfig,
    "rigid_bones": RigidBonesConfig,
    "views": ViewsConfig,
}

# These learn from several cameras (`several_cameras.py`), which a run of one camera cannot give them.
SEVERAL_CAMERAS: dict[str, type[Lifter]] = {
    "transform_reprojection": TransformReprojection,
    "consistent_factorisation": ConsistentFactorisation,
}

SEVERAL_CAMERA_CONFIGS: dict[str, type[LifterConfig]] = {
    "transform_reprojection": ReprojectionConfig,
    "consistent_factorisation": ConsistentConfig,
}


def build_lifter(num_keypoints: int, config: LifterConfig, generator: torch.Generator) -> Lifter:
    """Untrained lifter of the kind that `config` names, its weights drawn from `generator`."""
    return (LIFTERS | SEVERAL_CAMERAS)[config.kind](num_keypoints, config, generator)


def default_config(name: str) -> LifterConfig:
    """Configuration of a registered lifter with its default numbers."""
    return (CONFIGS | SEVERAL_CAMERA_CONFIGS)[name].model_validate({})
