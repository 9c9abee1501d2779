"""Write the README's table of results from benchmarks/results/*.json: `make scoreboard`. Numbers are never typed."""

import json
from pathlib import Path

from scoreboard import RESULTS, format_number

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"


def table() -> str:
    """Every row of every results file, one Markdown table per scoreboard table."""
    rows = [row for path in sorted(RESULTS.glob("*.json")) for row in load_rows(path)]
    parts = []
    for name in sorted({row["table"] for row in rows}):
        own = [row for row in rows if row["table"] == name]
        lines = [f"**{name}** (`{own[0]['command']}`)", "", "| data | method | metric | mean | std | n | failures |"]
        lines.append("|---" * 7 + "|")
        for row in own:
            mean = "-" if row["mean"] is None else format_number(row["mean"])
            std = "-" if row["std"] is None else format_number(row["std"])
            cells = [
                row["data"],
                row["method"],
                f"{row['metric']} [{row['unit']}]",
                mean,
                std,
                row["n"],
                row["failures"],
            ]
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
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
    print(f"{README}: tables of {len(list(RESULTS.glob('*.json')))} result files")


if __name__ == "__main__":
    main()
