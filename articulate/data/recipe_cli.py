"""The command line that all recipes in `datasets/` share: `--out FOLDER key=value ...`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from articulate.errors import ArticulateError, ConfigError


def recipe_main(
    options: type[BaseModel],
    make: Callable[..., None],
    description: str,
    program: str,
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse, validate, make the store; returns the exit status (2 for wrong options, 3 for unusable data)."""
    parser = argparse.ArgumentParser(
        prog=f"python datasets/{program}",
        description=description,
        epilog=f"options (key=value):\n{describe_options(options)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the clip store to make")
    parser.add_argument("options", nargs="*", metavar="key=value", help="see below")
    given = parser.parse_args(arguments)
    try:
        make(validated(options, parsed(given.options)), given.out)
    except ArticulateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"made the clip store {given.out}")
    return 0


def describe_options(options: type[BaseModel]) -> str:
    """One line per option with its default and meaning."""
    lines = []
    for name, field in options.model_fields.items():
        if name != "recipe":
            default = "required" if field.is_required() else f"default {field.default}"
            lines.append(f"  {name:<12} {field.description or ''} ({default})")
    return "\n".join(lines)


def parsed(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` words with YAML values. A list of globs need not be quoted inside: `videos=[a*.mp4]`."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign:
            raise ConfigError(f"`{pair}`: options are written key=value")
        try:
            found[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            # `[*.mp4]` is an alias to YAML; a user means a glob.
            inner = text.removeprefix("[").removesuffix("]")
            found[key] = [part.strip() for part in inner.split(",")] if text.startswith("[") else text
    return found


def validated(options: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    """The options model. Raises ConfigError with one line per mistake."""
    try:
        return options(**values)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = str(problem["loc"][0]) if problem["loc"] else ""
            known = ", ".join(n for n in options.model_fields if n != "recipe")
            hint = f"; known: {known}" if problem["type"] == "extra_forbidden" else ""
            lines.append(f"option `{key}`: {problem['msg']} (got {problem['input']!r}){hint}")
        raise ConfigError("\n".join(lines)) from error
