"""Results into documents: `make scoreboard` writes all rows to docs/scoreboard.md, figures with targets to the README.

Numbers are never typed: they come from benchmarks/results/*.json, where the benchmarks put them.
"""

import json
from pathlib import Path

from headlines import headline_table, whole_run_table
from scoreboard import RESULTS, format_number

README = Path(__file__).parents[1] / "README.md"
FULL = README.parent / "docs" / "scoreboard.md"
WHOLE = """Whole runs on bodies with exact truth, from pictures to 3D (`python benchmarks/whole.py --part runs`; quick:
`--quick`, at half the side and frame rate):"""
BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"


def all_rows() -> list[dict]:
    """Every row of every results file."""
    return [row for path in sorted(RESULTS.glob("*.json")) for row in load_rows(path)]


def number_or_dash(value: float | None) -> str:
    """The number as tables print it; a dash where there is none."""
    return "-" if value is None else format_number(value)


def tables(rows: list[dict]) -> str:
    """One Markdown table per scoreboard table."""
    parts = []
    for name in sorted({row["table"] for row in rows}):
        own = [row for row in rows if row["table"] == name]
        commands = dict.fromkeys(row["command"] for row in own)
        timed = any(row.get("seconds") is not None for row in own)
        names = ["data", "method", "metric", "mean", "std", "n", "failures", *["seconds"] * timed]
        lines = [f"**{name}** ({', '.join(f'`{one}`' for one in commands)})", "", f"| {' | '.join(names)} |"]
        lines.append("|---" * len(names) + "|")
        for row in own:
            mean, std = number_or_dash(row["mean"]), number_or_dash(row["std"])
            cells = [row["data"], row["method"], f"{row['metric']} [{row['unit']}]", mean, std]
            cells += [row["n"], row["failures"], *[number_or_dash(row.get("seconds"))] * timed]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def load_rows(path: Path) -> list[dict]:
    """The rows of one file; caches and other JSON beside the tables are no rows."""
    content = json.loads(path.read_text())
    if not isinstance(content, list):
        return []
    return [row for row in content if isinstance(row, dict) and {"table", "metric", "mean", "command"} <= row.keys()]


def main() -> None:
    """Replace what stands between the two marks."""
    text = README.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{README}: the marks {BEGIN} and {END} are missing")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    rows = all_rows()
    README.write_text(f"{before}{BEGIN}\n{headline_table(rows)}\n\n{WHOLE}\n\n{whole_run_table(rows)}\n{END}{after}")
    FULL.write_text(f"# Scoreboard\n\nWritten by `make scoreboard` from `benchmarks/results`.\n\n{tables(rows)}\n")
    print(f"{README} and {FULL}: {len(rows)} rows")


if __name__ == "__main__":
    main()
