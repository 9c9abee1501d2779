"""The README's table of targets and figures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from headlines import HEADLINES, headline_table, whole_run_table  # noqa: E402


def row(**changes: object) -> dict:
    """A row of the results files."""
    base = {"table": "T8", "data": "fly24_pair", "method": "ours: body axis", "metric": "regressed", "unit": "% body"}
    return {**base, "mean": 4.2, "std": 0.1, "n": 3, "failures": 0, "command": "python benchmarks/animals.py"} | changes


def test_a_figure_stands_beside_its_target_with_its_spread() -> None:
    assert "| T8 | regressed, % of body | fly24_pair | ≤ 4.3 | 4.2 ± 0.1 | 3 | yes |" in headline_table([row()])


def test_what_misses_its_target_says_so() -> None:
    assert headline_table([row(mean=4.4)]).endswith("| **no** |")


def test_rows_without_a_value_or_without_a_target_are_left_out() -> None:
    rows = [row(mean=None), row(method="K-means"), row(metric="regressed, second animal left out")]
    assert headline_table(rows).count("\n") == 1


def test_no_two_headlines_claim_the_same_row() -> None:
    figures = [(one.table, one.what, one.data) for one in HEADLINES]
    assert len(set(figures)) == len(figures)


def test_a_whole_run_is_one_line_that_counts_the_seeds_that_keep_everything() -> None:
    common = {"table": "T7", "data": "person, capsules", "method": "whole run, split", "failures": 1}
    metrics = {
        "on-joint error": 1.2,
        "edge F1 up to rigid groups": 1.0,
        "MPJPE / flat": 0.444,
        "identity switches": 4.0,
    }
    rows = [row(metric=metric, mean=mean, **common) for metric, mean in metrics.items()]
    line = "| person, capsules | split | 1.20 | 1.00 | 0.44 | 4.00 | 2 of 3 |"
    assert whole_run_table([*rows, row()]).endswith(line)
