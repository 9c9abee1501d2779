"""The first thing that a reader sees: one sentence on a run, and how far to trust each of its three parts."""

from dataclasses import dataclass, replace

from articulate.report.advice import ORDER, Finding
from articulate.result import Result

WORDS = {"good": "looks right", "note": "not made", "warn": "use with care", "fail": "do not rely on it"}
PARTS = {"keypoints": "Keypoints", "tree": "Limbs", "depth": "3D"}
ON_SAND = "It stands on keypoints that are not usable."
NOT_MEASURED = "Nothing was measured about this part."


@dataclass(frozen=True)
class Trust:
    """One part of the result: its worst finding decides the level (good, note, warn, fail)."""

    title: str
    level: str
    words: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """A sentence, and the trust in keypoints, limbs and 3D."""

    level: str
    sentence: str
    parts: tuple[Trust, ...]


def verdict(result: Result, found: list[Finding], with_truth: bool) -> Verdict:
    """What to think of a run at first sight, from the findings about it.

    `with_truth` says whether errors were measured against ground truth; without it the sentence says that it was not.
    """
    parts = tuple(trust(title, [f for f in found if f.about == about]) for about, title in PARTS.items())
    if parts[0].level == "fail":
        fallen = (replace(part, level="fail", words=WORDS["fail"], text=ON_SAND) for part in parts[1:])
        parts = (parts[0], *fallen)
    count = f"{result.num_keypoints} keypoints"
    limbs = f"{len(result.edges)} limbs" if len(result.edges) else "no limbs"
    body = f"{count} and {limbs}" + ("" if result.motion is None else ", moving in 3D")
    bad = [part.title for part in parts if part.level == "fail"]
    careful = [part.title for part in parts if part.level == "warn"]
    far = "" if with_truth else " as far as can be told without labels"
    if "Keypoints" in bad:
        sentence = "The keypoints are not usable yet, so nothing that builds on them is: see what to try next."
    elif bad:
        sentence = f"A body of {body}; do not rely on {listed(bad)} yet."
    elif careful:
        sentence = f"A body of {body}; use {listed(careful)} with care."
    else:
        sentence = f"A body of {body}: all of it looks right{far}."
    return Verdict(min((part.level for part in parts), key=lambda level: ORDER[level]), sentence, parts)


def trust(title: str, found: list[Finding]) -> Trust:
    """How far to trust one part, with its worst finding as the reason."""
    if not found:
        return Trust(title, "note", "not measured", NOT_MEASURED)
    worst = min(found, key=lambda f: ORDER[f.level])
    return Trust(title, worst.level, WORDS[worst.level], worst.text)


def listed(titles: list[str]) -> str:
    """`the limbs and the 3D`."""
    return " and ".join("the 3D" if title == "3D" else f"the {title.lower()}" for title in titles)
