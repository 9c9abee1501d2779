"""What is installed: the package `articulate` and nothing else at top level, without side effects on import."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    """The command of a user; stages, configs, datasets and tests belong to the checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {"articulate", *(name for name in names if name.endswith(".dist-info"))}
    files = zipfile.ZipFile(wheel).namelist()
    assert {"articulate/report/template.html", "articulate/report/viewer.js"} <= set(files)


def test_datasets_is_no_package() -> None:
    assert not (ROOT / "datasets" / "__init__.py").exists()


def test_import_has_no_side_effects() -> None:
    """No seed, no thread count, no handler, no heavy library: only names."""
    check = (
        "import signal, sys, logging, warnings; warnings.simplefilter('error');"
        "before = (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), list(logging.root.handlers));"
        "import articulate;"
        "after = (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), list(logging.root.handlers));"
        "assert before == after; assert 'torch' not in sys.modules, 'torch'"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_library_does_not_know_stages_or_recipes() -> None:
    """`articulate/` never imports from the checkout's own folders."""
    for path in (ROOT / "articulate").rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.startswith(("from stages", "import stages", "from datasets", "import datasets")), path
