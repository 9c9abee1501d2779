"""The lines of the scoreboard that the README shows: a figure, its target, what was reached, and whether that is met.

Targets are those of the project's scoreboard, written once, here; figures come from benchmarks/results/*.json.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from scoreboard import format_number


@dataclass(frozen=True)
class Headline:
    """One kind of row: patterns (as for file names) of its data, method and metric, and the bound it has to keep."""

    table: str
    what: str
    data: str
    method: str
    metric: str
    target: float
    at_most: bool = True

    def fits(self, row: dict) -> bool:
        """Whether `row` is of this kind; targets are those of a CPU."""
        return (
            row["table"] == self.table
            and row.get("device", "cpu") == "cpu"
            and row["mean"] is not None
            and fnmatchcase(row["data"], self.data)
            and fnmatchcase(row["method"], self.method)
            and fnmatchcase(row["metric"], self.metric)
        )

    def met(self, mean: float) -> bool:
        """Whether the mean keeps the bound."""
        return mean <= self.target if self.at_most else mean >= self.target


def bounded(
    at_most: bool, table: str, what: str, method: str, metric: str, targets: dict[str, float]
) -> list[Headline]:
    """A figure that must stay under, or must reach, a bound of its own on each kind of data."""
    return [Headline(table, what, data, method, metric, target, at_most) for data, target in targets.items()]


at_most, at_least = partial(bounded, True), partial(bounded, False)


def both_mnists(digits: float, clothes: float) -> dict[str, float]:
    """The targets of the two sets of T1."""
    return {"mnist": digits, "fashion_mnist": clothes}


def animals(mouse: float, fly13: float, fly24: float) -> dict[str, float]:
    """The targets of the three recordings of T8."""
    return {"mouse_openfield": mouse, "fly13_court": fly13, "fly24_pair": fly24}


MULTI = "all tasks, exponential"
VIEWS = "views, learned tree and elevation: settled"
PLAIN = "ours over plain clamped t, "
USUAL = "128 px, K 16, batch 8"

HEADLINES: tuple[Headline, ...] = (
    *at_least("T1", "distractor found, %", MULTI, "distractor_accuracy", both_mnists(99.75, 99.97)),
    *at_least("T1", "middle frame found, %", MULTI, "middle_frame_accuracy", both_mnists(99.65, 99.80)),
    *at_least("T1", "class from keypoints, %", MULTI, "class_accuracy", both_mnists(97.7, 84.5)),
    *at_least(
        "T1", "the same, other set's network", f"{MULTI}, trained on *", "class_accuracy", both_mnists(93.1, 82.3)
    ),
    *at_most("T2", "matched error of the network", "ours: network", "matched MSE", {"2D stickmen*": 1e-4}),
    *at_least("T2", "exact tree, share of seeds", "ours", "exact tree", {"2D stickmen*": 1.0}),
    *at_most("T4", "3D, frames as a set, %d", VIEWS, "mpjpe", {"cmu": 2.5}),
    *at_most("T4", "3D, 1 %d of noise, %d", "noise 1: settled", "mpjpe", {"cmu": 3.75}),
    *at_most("T4", "the same over our own without noise", "noise 1 over *: settled", "mpjpe", {"cmu": 1.5}),
    *at_most("T4", "3D, clips not trained on, %d", "held-out clips: settled", "mpjpe", {"cmu": 3.25}),
    *at_most("T5", "3D over flat depth, body turns", "ours", "MPJPE over flat", {"clips that turn": 0.5}),
    *at_least("T6", "edges found up to rigid groups", "ours", "recall, rigid", {"cmu*, 3D, noise 0.0 %d": 0.98}),
    *at_most("T8", "on joint, % of body", "ours*", "on-joint", animals(12.9, 6.75, 5.05)),
    *at_most("T8", "regressed, % of body", "ours*", "regressed", animals(2.7, 3.9, 4.3)),
    *at_least("T8", "keypoints on the animal, %", "ours*", "on the animal", animals(99, 99, 99)),
    *at_least("T9", "times faster, Gaussian strokes", f"{PLAIN}gaussian", "speed-up", {USUAL: 30}),
    *at_least("T9", "times faster, heavy tails", f"{PLAIN}student", "speed-up", {USUAL: 10}),
    *at_least("T11", "frames a second, new video", "animal_split*", "rate, wall clock", {"*20000 frames": 200}),
    *at_most(
        "T11", "peak memory, 20000 over 2000 frames", "animal_split*", "peak memory, 20000 over*", {"mouse*": 1.0}
    ),
)


def line(headline: Headline, row: dict) -> str:
    """One line of the README's table."""
    spread = f" ± {format_number(row['std'])}" if row["n"] > 1 else ""
    bound = f"{'≤' if headline.at_most else '≥'} {format_number(headline.target)}"
    reached = f"{format_number(row['mean'])}{spread}"
    verdict = "yes" if headline.met(row["mean"]) else "**no**"
    return f"| {headline.table} | {headline.what} | {row['data']} | {bound} | {reached} | {row['n']} | {verdict} |"


def headline_table(rows: list[dict]) -> str:
    """Markdown: every row that fits a headline, in the order of the headlines."""
    head = "| table | figure | data | target | reached | n | met |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(line(one, row) for one in HEADLINES for row in rows if one.fits(row))])


def whole_run_table(rows: list[dict]) -> str:
    """Markdown: one line per body and method of the whole runs (tables T3, T7), the means of what a seed has to keep.

    Bounds: on joint 3 % of the body (sticks) or 4 %, tree F1 0.95, 3D half of flat depth, 10 switches in 1000 frames.
    """
    wanted = ("on-joint error", "edge F1 up to rigid groups", "MPJPE / flat", "identity switches")
    found: dict[tuple[str, str], dict[str, dict]] = {}
    for row in rows:
        if row["table"] in ("T3", "T7") and row["method"].startswith("whole run") and row["metric"] in wanted:
            found.setdefault((row["data"], row["method"].removeprefix("whole run, ")), {})[row["metric"]] = row
    lines = [
        "| body | method | on joint, % of body | tree F1, rigid | 3D / flat | switches in 1000 | seeds that keep all |",
        "|---|---|---|---|---|---|---|",
    ]
    for (data, method), own in sorted(found.items(), key=lambda item: item[0]):
        means = [own[name]["mean"] if name in own else None for name in wanted]
        cells = ["-" if mean is None else format(mean, ".2f") for mean in means]
        one = next(iter(own.values()))
        lines.append(f"| {data} | {method} | {' | '.join(cells)} | {one['n'] - one['failures']} of {one['n']} |")
    return "\n".join(lines)
