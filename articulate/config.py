"""YAML to validated models: strict keys, dotted overrides, one `include:`; errors name file, key, nearest valid key."""

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from articulate.errors import ConfigError


class StrictModel(BaseModel):
    """Base of every configuration section: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)
NUMBER_AS_TEXT = re.compile(r"^[+-]?\d+(\.\d*)?[eE][+-]?\d+$")


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping in the YAML file `path`, with its `include:` (one file, relative to `path`) merged underneath.

    Raises ConfigError when the file is absent, is no YAML mapping, or includes a file that includes another.
    """
    tree = read_mapping(path)
    base_name = tree.pop("include", None)
    if base_name is None:
        return tree
    base = read_mapping(path.parent / str(base_name))
    if "include" in base:
        raise ConfigError(f"{path}: `include: {base_name}` includes a further file; one level is allowed")
    return merge(base, tree)


def read_mapping(path: Path) -> dict[str, Any]:
    """One YAML mapping. Raises ConfigError with the line of a syntax error."""
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1, cutoff=0.3)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"{path}: no such configuration file{hint}")
    try:
        tree = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(tree).__name__}")
    return tree


def merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`: mappings merge key by key, everything else is replaced."""
    result = dict(base)
    for key, value in top.items():
        both_mappings = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both_mappings else value
    return result


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set `a.b.c=value` (value in YAML; list items by number) in `tree`. Raises ConfigError on malformed overrides."""
    name, separator, text = override.partition("=")
    if not separator or not name:
        raise ConfigError(f"override `{override}`: expected key=value, for example seed=1 or data.size=128")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"override `{override}`: the value is not valid YAML") from None
    node: Any = tree
    parts = name.split(".")
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                raise ConfigError(f"override `{override}`: `{part}` is not an item of a list of {len(node)}")
            key: Any = int(part)
        elif isinstance(node, dict):
            key = part
        else:
            raise ConfigError(f"override `{override}`: `{'.'.join(parts[:depth])}` holds a value, not a section")
        if last:
            node[key] = value
        else:
            if isinstance(node, dict) and not isinstance(node.get(key), dict | list):
                node[key] = {}
            node = node[key]


def validate(model: type[Model], tree: dict[str, Any], where: str) -> Model:
    """`tree` as a `model`. Raises ConfigError with one line per problem: place, key, value found, what is allowed."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = [describe_problem(model, problem, where) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def describe_problem(model: type[BaseModel], problem: Any, where: str) -> str:
    """One validation problem in plain words, with the nearest valid key for an unknown one."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        valid = valid_keys(model, location[:-1])
        near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`?" if near else f"valid keys: {', '.join(sorted(valid))}"
        return f"{where}: unknown key `{key}`; {hint}"
    if problem["type"] == "missing":
        return f"{where}: key `{key}` is missing"
    found, said = problem.get("input"), problem["msg"].removeprefix("Value error, ")
    if not location:  # keys that contradict each other
        return f"{where}: {said}"
    return f"{where}: key `{key}`: {said}; found {found!r}{hint_for(problem['type'], key, found)}"


def hint_for(problem: str, key: str, found: Any) -> str:
    """How to write a value that YAML reads as something else than was meant; nothing for other problems."""
    if isinstance(found, str) and NUMBER_AS_TEXT.match(found):
        return f" (YAML reads {found} as text: write it with a dot and a sign, like 1.0e-4)"
    if problem == "list_type":
        return f" (a list stands in brackets, even one of a single item: '{key}=[{found}]')"
    if problem == "too_short":
        return f" (give them as '{key}=[FIRST,SECOND]', or under `{key}:` in the file)"
    return ""


def valid_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """Keys allowed in the section that `path` leads to; list numbers and union tags in the path lead nowhere new."""
    models = [model]
    for part in path:
        found = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [inner for annotation in found for inner in models_in(annotation)] or models
    return sorted({name for m in models for name in m.model_fields})


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every pydantic model inside a type annotation, such as `list[X] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]
