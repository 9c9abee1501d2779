"""Bodies that come with dm_control, as MuJoCo models without their scenes. Imports MuJoCo."""

import importlib

import mujoco

from articulate.data.mjcf.options import Creature
from articulate.errors import DataError

WALKERS = {"rodent": ("rodent", "Rat"), "ant": ("ant", "Ant")}


def load_creature(name: Creature) -> mujoco.MjModel:
    """The model of a creature. Raises DataError naming the extra where dm_control is absent."""
    try:
        if name in WALKERS:
            module, kind = WALKERS[name]
            root = getattr(importlib.import_module(f"dm_control.locomotion.walkers.{module}"), kind)().mjcf_model
            return mujoco.MjModel.from_xml_string(root.to_xml_string(), assets=root.get_assets())
        suite = importlib.import_module(f"dm_control.suite.{name}")
        if name == "quadruped":
            text, assets = suite.make_model(), suite.common.ASSETS
        else:
            text, assets = suite.get_model_and_assets(1, True) if name == "dog" else suite.get_model_and_assets()
        return mujoco.MjModel.from_xml_string(text.decode() if isinstance(text, bytes) else text, assets=assets)
    except ImportError as error:
        raise DataError(
            f"mujoco: the creature `{name}` needs dm_control ({error}): pip install 'articulate-models[creatures]'"
        ) from error
