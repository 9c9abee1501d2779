"""From the `data:` section of a configuration to a clip store: which recipe makes it, and where it is kept.

Recipes are files in `datasets/`, loaded by path: the folder is no import package (its name belongs to another library).
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from articulate.config import validate
from articulate.data.store import ClipStore
from articulate.errors import ConfigError, DataError
from articulate.runs import fingerprint
from articulate.schedule import nearest

DATASETS = Path(__file__).parents[1] / "datasets"
RECIPES = ("video_folder", "h36m", "images", "synthetic", "mocap", "mujoco")


def load_recipe(name: str) -> ModuleType:
    """The module `datasets/NAME.py`. Raises ConfigError for an unknown recipe."""
    if name not in RECIPES or not (DATASETS / f"{name}.py").is_file():
        have = [recipe for recipe in RECIPES if (DATASETS / f"{recipe}.py").is_file()]
        raise ConfigError(f"data.recipe: unknown recipe `{name}`; {nearest(name, have)}")
    module_name = f"recipe_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, DATASETS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    return sys.modules[module_name]


def open_store(
    section: dict[str, Any], stores: Path, where: str, say: Callable[[str], None]
) -> tuple[ClipStore, str | None]:
    """The store that `section` describes, made now where needed; and a note on what stands in for it, if anything does.

    A recipe whose raw data is absent is replaced by its `stand_in` section, said first of all; with `stand_in: null`
    the absence is a DataError. Raises ConfigError for wrong options.
    """
    options = dict(section)
    stand_in = options.pop("stand_in", None)
    name = options.get("recipe")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: key `data.recipe` is missing; known: {', '.join(RECIPES)}")
    if stand_in is None:
        return make_store(options, stores, where, say), None
    remarks: list[str] = []
    try:
        store = make_store(options, stores, where, remarks.append)
        for remark in remarks:
            say(remark)
        return store, None
    except DataError as error:
        note = f"STAND-IN DATA: {name} is not here, the built-in {describe(stand_in)} stands in ({first_line(error)})"
        say(note)
        return make_store(dict(stand_in), stores, f"{where}: data.stand_in", say), note


def make_store(options: dict[str, Any], stores: Path, where: str, say: Callable[[str], None]) -> ClipStore:
    """Open the store of these options under `stores`, or let the recipe write it there first."""
    recipe = load_recipe(options["recipe"])
    model = validate(recipe.Options, options, f"{where}: data")
    key = fingerprint(model.model_dump(mode="json"), source_state(recipe, model))
    path = stores / f"{options['recipe']}-{key}"
    if not path.exists():
        say(f"data: making the clip store {path}")
        recipe.make(model, path, say)
    return ClipStore.open(path)


def source_state(recipe: ModuleType, options: Any) -> Any:
    """What the recipe says of its raw files (sizes and times), so that changed videos make a new store."""
    describe_sources = getattr(recipe, "source_state", None)
    return describe_sources(options) if describe_sources else None


def describe(section: dict[str, Any]) -> str:
    """A stand-in in a few words, such as `person (capsules)`."""
    return f"{section.get('family', section.get('recipe'))} ({section.get('look', 'default look')})"


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return str(error).splitlines()[0]
