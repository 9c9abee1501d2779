"""Tables of measured rows, as they are printed."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from readme_tables import tables  # noqa: E402
from scoreboard import Row, asdict, markdown, without_nan  # noqa: E402

TIMED = Row("T", "d", "slow", "error", "%d", [1.0], seconds=12.5, note="share of |dz|")
UNTIMED = Row("T", "d", "untimed", "error", "%d", [2.0])


def cells(line: str) -> list[str]:
    """Cells of one line of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_seconds_are_printed_where_any_row_was_timed() -> None:
    header, _, first, second = map(cells, markdown([TIMED, UNTIMED]).splitlines())
    place = header.index("seconds")
    assert (first[place], second[place]) == ("12.5", "-")
    assert "seconds" not in markdown([UNTIMED])


def test_the_document_of_all_rows_has_seconds_too() -> None:
    lines = tables([without_nan(asdict(row)) for row in (TIMED, UNTIMED)]).splitlines()[2:]
    header, _, first, second = map(cells, lines)
    assert (first[header.index("seconds")], second[header.index("seconds")]) == ("12.5", "-")


def test_every_line_has_as_many_cells_as_the_header() -> None:
    assert {len(cells(line)) for line in markdown([TIMED, UNTIMED]).splitlines()} == {10}
