"""Marks of what a finished cell of table T4 depends on: its settings, and the code that its numbers pass through."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Messages and checks of settings: no number passes through them.
NO_NUMBERS = ("articulate.config", "articulate.errors", "articulate.records")


@cache
def stripped(path: Path) -> tuple[str, tuple[str, ...]]:
    """A file's statements without comments and docstrings, and the modules of `articulate` that it imports."""
    tree, imported = ast.parse(path.read_text()), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("articulate"):
            imported += [str(node.module), *(f"{node.module}.{name.name}" for name in node.names)]
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            first.value.value = None
    return ast.dump(tree), tuple(imported)


def file_of(module: str) -> Path | None:
    """The file of a module of `articulate`; None for a name that is no module."""
    base = ROOT.joinpath(*module.split("."))
    found = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
    return found[0] if found else None


def reached(roots: tuple[str, ...], without: tuple[str, ...]) -> Iterator[Path]:
    """Files of the modules `roots` and of all that they import in turn, except those whose names begin as `without`."""
    waiting, known = list(roots), set(roots)
    while waiting:
        path = file_of(waiting.pop())
        if path is None:
            continue
        yield path
        fresh = {name for name in stripped(path)[1] if not name.startswith(without)} - known
        known |= fresh
        waiting += sorted(fresh)


def mark(settings: str, roots: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """Eight letters that change with the settings and with any statement of the code behind `roots`."""
    files = sorted({*reached(roots, NO_NUMBERS + without), ROOT / "benchmarks" / "lifting_data.py"})
    text = settings + "".join(f"{path.name} {stripped(path)[0]}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
