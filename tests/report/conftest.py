"""The `Result` of tests/export serves the report, too."""

import importlib.util
from pathlib import Path

path = Path(__file__).parents[1] / "export" / "conftest.py"
spec = importlib.util.spec_from_file_location("export_conftest", path)
assert spec is not None and spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
result = module.result
