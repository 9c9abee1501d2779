"""`articulate export`: one format that cannot be written does not keep the others from being written."""

import pytest

from articulate import cli
from articulate.errors import ExportError
from articulate.export import EXPORTERS


def test_formats_after_one_that_fails_are_written_and_the_failure_is_told(result, tmp_path, monkeypatch, capsys):
    def missing(result, path):
        raise ExportError("SLEAP needs the extra `sleap`")

    monkeypatch.setitem(EXPORTERS, "sleap", missing)
    result.save(tmp_path / "run")
    with pytest.raises(ExportError, match="--to sleap: SLEAP needs the extra"):
        cli.export(tmp_path / "run", to=["dlc", "sleap", "bvh"])
    written = [path.suffix for path in (tmp_path / "run" / "exports").iterdir()]
    assert ".bvh" in written and ".csv" in written and ".slp" not in written
    assert "rotations of rigid bones" in capsys.readouterr().out
