"""All built-in families by name."""

from collections.abc import Callable

from articulate.data.synthetic.arm import arm
from articulate.data.synthetic.family import Family
from articulate.data.synthetic.hexapod import hexapod
from articulate.data.synthetic.person import person
from articulate.data.synthetic.quadruped import quadruped
from articulate.data.synthetic.snake import snake
from articulate.data.synthetic.stickman import stickman2d
from articulate.errors import ConfigError

FAMILIES: dict[str, Callable[[], Family]] = {
    "stickman2d": stickman2d,
    "person": person,
    "quadruped": quadruped,
    "hexapod": hexapod,
    "arm": arm,
    "snake": snake,
}


def get_family(name: str) -> Family:
    """The family called `name`. Raises ConfigError with the names that exist."""
    if name not in FAMILIES:
        raise ConfigError(f"family: found {name!r}, allowed are {', '.join(FAMILIES)}")
    return FAMILIES[name]()
