"""Built-in data: articulated figures drawn by the program, or recorded motion drawn the same way.

python datasets/synthetic.py --out stores/person family=person look=capsules num_clips=8
python datasets/synthetic.py --out stores/salsa 'motion=[../shared/data/cmu_mocap/clips/salsa_*.npz]' look=sticks
python datasets/synthetic.py --help
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError

from articulate.data.store import StoreWriter
from articulate.data.synthetic.clips import generate_clips
from articulate.data.synthetic.options import SyntheticOptions
from articulate.errors import ArticulateError, ConfigError


class Options(SyntheticOptions):
    """Options of this recipe."""

    recipe: Literal["synthetic"] = Field("synthetic", description="This recipe.")


def make(options: Options, out: Path, report: Callable[[str], None] = print) -> None:
    """Write the clip store of `options` at `out`; the truth goes to its own files there."""
    source = "recorded motion" if options.motion else f"built-in {options.family}"
    with StoreWriter(out, recipe="synthetic", options=options.model_dump(), image_size=options.size) as store:
        for number, clip in enumerate(generate_clips(options), start=1):
            length, side = len(clip.frames), options.size
            with store.clip(
                clip.name, fps=clip.fps, source=f"{source}: {clip.name}", source_size=(side, side), with_mask=True
            ) as writer:
                writer.append(
                    clip.frames,
                    np.arange(length),
                    np.ones(length, dtype=bool),
                    np.tile([1.0, 0.0, 0.0], (length, 1)),
                    clip.mask,
                )
                writer.background(clip.background)
                writer.truth(clip.truth)
            report(f"clip {number} of {options.num_clips}: {clip.name}, {length} frames of {side} px")
    report(f"{out}: {options.num_clips} clips of {source}, {options.look}")


def parse(pairs: Sequence[str]) -> Options:
    """Options from `key=value` words (values as YAML). Raises ConfigError naming the word or the option."""
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r}: expected key=value, for example family=person")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{pair!r}: the value is no YAML ({error})") from error
    try:
        return Options(**values)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("; ".join(wrong) + f". Options: {', '.join(Options.model_fields)}") from error


def describe_options() -> str:
    """One line per option with its default."""
    fields = Options.model_fields.items()
    return "options (key=value):\n" + "\n".join(f"  {k}={f.default!s:<14} {f.description}" for k, f in fields)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Make a clip store of built-in figures.",
        epilog=describe_options(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    parser.add_argument("options", nargs="*", metavar="key=value")
    given = parser.parse_args(arguments)
    try:
        make(parse(given.options), given.out)
    except ArticulateError as error:
        print(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
