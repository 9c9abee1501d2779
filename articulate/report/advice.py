"""What is off in a run, each with one sentence of advice; and what to trust."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from articulate.lifting.in_plane import seen_from_above
from articulate.result import Result

ORDER = {"fail": 0, "warn": 1, "note": 2, "good": 3}
# Below this share of the best floor's error a result is better than no learning by more than a little.
CLEARLY_BETTER = 0.75
EVEN_ODDS = 0.5 + 1e-6  # confidence of a bone's sign that was guessed


@dataclass(frozen=True)
class Finding:
    """One observation: `level` is good, note, warn or fail; `about` is data, keypoints, tree or depth."""

    level: str
    text: str
    advice: str = ""
    about: str = "data"


def named(result: Result, keypoints: list[int]) -> str:
    """Names of keypoints, as a list to read."""
    if len(keypoints) == result.num_keypoints:
        return "all of them"
    return ", ".join(result.names[k] for k in keypoints)


def findings(result: Result, metrics: dict[str, Any], warnings: list[str]) -> list[Finding]:
    """All observations of a run, warnings first; one good one when nothing is off."""
    free = metrics.get("label_free", {})
    found = [
        *about_floors(metrics),
        *about_data(result, free, warnings),
        *about_keypoints(result, free),
        *about_tree(result, free),
        *about_depth(result, free),
    ]
    if not any(f.level in ("warn", "fail") for f in found):
        found.append(Finding("good", "None of the checks found anything wrong."))
    return sorted(found, key=lambda f: ORDER[f.level])


def about_data(result: Result, free: dict[str, Any], warnings: list[str]) -> Iterator[Finding]:
    """Stand-in data, lost frames, what the clip store had to say."""
    stand_in = result.provenance.get("stand_in")
    if stand_in:
        yield Finding("note", str(stand_in), "Numbers below are about the stand-in, not about the data of your config.")
    lost = free.get("lost_frames") or 0
    if lost:
        yield Finding(
            "warn" if lost > 0.02 * free["frames"] else "note",
            f"{lost} of {free['frames']} frames could not be decoded; they are empty rows at their true numbers.",
            "Re-encode the video (ffmpeg -i IN -c:v libx264 OUT.mp4) if those frames matter.",
        )
    for warning in warnings:
        yield Finding("note", warning)


def about_keypoints(result: Result, free: dict[str, Any]) -> Iterator[Finding]:
    """Dead keypoints, points beside the subject, jitter."""
    dead = free.get("dead", {})
    all_dead = sorted(set().union(*dead.values())) if dead else []
    if all_dead:
        reasons = "; ".join(f"{reason}: {named(result, points)}" for reason, points in dead.items() if points)
        left = result.num_keypoints - len(all_dead)
        fewer = f"Ask for {left} keypoints, or train for more steps."
        longer = (
            "Train for more steps, and look at the loss curves below: this training had hardly begun or has failed."
        )
        few = 2 * left > result.num_keypoints
        yield Finding(
            "warn" if few else "fail",
            f"{len(all_dead)} of {result.num_keypoints} keypoints carry nothing ({reasons}).",
            fewer if few else longer,
            "keypoints",
        )
    on_animal = free.get("on_animal")
    if on_animal is not None and on_animal < 95:
        yield Finding(
            "warn" if on_animal > 75 else "fail",
            f"Keypoints lie on the subject in only {on_animal:.0f} % of the frames.",
            "Check the foreground with `articulate probe`; crop to the subject or give a mask.",
            "keypoints",
        )
    elif on_animal is not None:
        yield Finding("good", f"Keypoints lie on the subject in {on_animal:.1f} % of the frames.", "", "keypoints")
    jitter = free.get("jitter_image")
    if jitter is not None and jitter > 1.0:
        yield Finding(
            "warn",
            f"Keypoints jump by {jitter:.1f} % of the image from frame to frame.",
            "Train for more steps or smooth the tracks before measuring speeds.",
            "keypoints",
        )


def about_tree(result: Result, free: dict[str, Any]) -> Iterator[Finding]:
    """Limbs that the data hardly decides."""
    if not len(result.edges):
        yield Finding("fail", "No tree was found.", "Add the stage `connectivity` to the schedule.", "tree")
        return
    probability = free.get("edge_probability")
    if probability is None:
        return
    weak = [tuple(e) for e, p in zip(result.edges.tolist(), probability, strict=True) if p is not None and p < 0.6]
    if weak:
        listed = ", ".join(f"{result.names[a]} - {result.names[b]}" for a, b in weak)
        yield Finding(
            "warn" if 2 * len(weak) < len(result.edges) else "fail",
            f"{len(weak)} of {len(result.edges)} limbs are uncertain ({listed}).",
            "Give longer clips in which these parts move against each other; several joints of one rigid body can "
            "never be told apart.",
            "tree",
        )
    else:
        yield Finding("good", "Every limb comes back in at least 60 % of resamples of the frames.", "", "tree")


def about_depth(result: Result, free: dict[str, Any]) -> Iterator[Finding]:
    """Depth signs, rigidity, agreement with the 2D; a view from above, in which turning shows no depth."""
    confidence = [c for c in free.get("bone_confidence") or [] if c is not None]
    # Where limbs were seen in front of others, depth is known from that, and confidence says so.
    from_above = max(confidence, default=0.0) <= EVEN_ODDS
    from_above = from_above and seen_from_above(result.tracks.xy[0].double().cpu().numpy())
    if result.motion is not None and from_above:
        yield Finding(
            "warn",
            "The body turns all around in the picture, as if seen from above: such turns say nothing about depth.",
            "Take the 3D as a guess, work with the 2D tracks, or film from the side while the body turns.",
            "depth",
        )
    if result.motion is None:
        yield Finding("note", "This run has no 3D.", "Add the stage `lifting` to the schedule.", "depth")
        return
    # From above nothing tells depth, and it has been said: advice for other views would contradict it.
    confidence = [] if from_above else confidence
    if confidence and min(confidence) < 0.6:
        count = sum(c < 0.6 for c in confidence)
        yield Finding(
            "warn" if 2 * count < len(confidence) else "fail",
            f"The depth of {count} of {len(confidence)} bones is little better than a guess.",
            "Use clips in which the body turns: from one unchanging view the signs of depth cannot be known.",
            "depth",
        )
    elif confidence:
        yield Finding("good", "For every bone the data says which end is nearer, in most frames.", "", "depth")
    rigidity, miss = free.get("rigidity_3d_mean"), free.get("reprojection_image")
    if rigidity is not None and rigidity > 10:
        yield Finding(
            "warn",
            f"3D bone lengths vary by {rigidity:.0f} %.",
            "Either keypoints slide along the limbs or depth is wrong; look at the 3D view before using angles.",
            "depth",
        )
    if miss is not None and miss > 2:
        yield Finding(
            "warn",
            f"The 3D joints miss the 2D keypoints by {miss:.1f} % of the image.",
            "Train the lifting for longer, or check for wrong limbs.",
            "depth",
        )


def about_floors(metrics: dict[str, Any]) -> Iterator[Finding]:
    """Parts that do not beat what needs no learning, or hardly."""
    parts = (("keypoints", "error_body", "The keypoints", "keypoints"), ("pose3d", "mpjpe_d", "The 3D poses", "depth"))
    for part, key, title, about in parts:
        scores = metrics.get(part)
        if not scores or scores["ours"].get(key) is None:
            continue
        floors = {n: s[key] for n, s in scores["floors"].items() if s.get(key) is not None and n != "oracle_signs"}
        if not floors:
            continue
        ours, best = scores["ours"][key], min(floors, key=lambda n: floors[n])
        beside = f"({ours:.3g} % against {floors[best]:.3g} %)"
        plain = best.replace("_", " ")
        if ours >= floors[best]:
            text = f"{title} are no better than `{plain}`, which needs no learning {beside}."
            yield Finding("fail", text, "Treat this part of the result as not found.", about)
        elif ours >= CLEARLY_BETTER * floors[best]:
            text = f"{title} are only a little better than `{plain}`, which needs no learning {beside}."
            yield Finding("warn", text, "Do not build on this part without looking at it.", about)
        else:
            yield Finding("good", f"{title} beat all that needs no learning {beside}.", "", about)
