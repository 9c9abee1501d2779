"""The trainable lifters by the name that a configuration uses."""

import torch

from articulate.lifting.adversarial import Adversarial, AdversarialConfig
from articulate.lifting.factorised import Factorised, FactorisedConfig
from articulate.lifting.lifter import Lifter, LifterConfig
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


def build_lifter(num_keypoints: int, config: LifterConfig, generator: torch.Generator) -> Lifter:
    """Untrained lifter of the kind that `config` names, its weights drawn from `generator`."""
    return LIFTERS[config.kind](num_keypoints, config, generator)


def default_config(name: str) -> LifterConfig:
    """Configuration of a registered lifter with its default numbers."""
    return CONFIGS[name].model_validate({})
